"""Request bodies as JSON in the strict sense, parsed by orjson.

The standard parser takes NaN, Infinity, lone surrogates and any depth; each of them would break
something further in. orjson refuses them all, and an APIRoute is where FastAPI lets a request's
parser be replaced. A router names this class when it is made: set later, it changes nothing.
"""

import re
from collections.abc import Callable, Coroutine
from json import JSONDecodeError
from typing import Any

import orjson
from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute

Handler = Callable[[Request], Coroutine[Any, Any, Response]]

#: An escape that really is one: behind an even number of backslashes.
_NUL_ESCAPE = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_NO_NUL = "the character U+0000 can't be stored or exported"


class StrictJsonRequest(Request):
    async def json(self) -> Any:
        """Parse the body; json.JSONDecodeError, which FastAPI answers with 422."""
        if not hasattr(self, "_json"):
            body = await self.body()
            if found := _NUL_ESCAPE.search(body):
                raise JSONDecodeError(_NO_NUL, "", found.end())
            self._json = orjson.loads(body)
        return self._json


class StrictJsonRoute(APIRoute):
    def get_route_handler(self) -> Handler:
        handle = super().get_route_handler()

        async def strict(request: Request) -> Response:
            if b"%00" in request.scope["query_string"]:
                fault = {"type": "nul_character", "loc": ("query",), "msg": _NO_NUL, "input": None}
                raise RequestValidationError([fault])
            return await handle(StrictJsonRequest(request.scope, request.receive))

        return strict

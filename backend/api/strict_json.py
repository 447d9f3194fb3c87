"""Request bodies as JSON in the strict sense, parsed by orjson.

The standard parser takes NaN, Infinity, lone surrogates and any depth; each of them would break
something further in. orjson refuses them all, and an APIRoute is where FastAPI lets a request's
parser be replaced.
"""

import json
from collections.abc import Callable, Coroutine
from typing import Any

import orjson
from fastapi import Request, Response
from fastapi.routing import APIRoute

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class StrictJsonRequest(Request):
    async def json(self) -> Any:
        """Parse the body; json.JSONDecodeError, which FastAPI answers with 422."""
        if not hasattr(self, "_json"):
            body = await self.body()
            try:
                self._json = orjson.loads(body)
            except orjson.JSONDecodeError as error:
                raise json.JSONDecodeError(error.msg, "", 0) from None
        return self._json


class StrictJsonRoute(APIRoute):
    def get_route_handler(self) -> Handler:
        handle = super().get_route_handler()

        async def strict(request: Request) -> Response:
            return await handle(StrictJsonRequest(request.scope, request.receive))

        return strict

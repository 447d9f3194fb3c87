"""Errors as the contract has them: one body, whatever went wrong."""

import logging
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.routing import Match

from backend.utils.errors import StoryCanvasError, TimelineOverlapError, UnsupportedMediaError
from backend.utils.media_links import linked

logger = logging.getLogger(__name__)

#: Code and sentence of what the framework raises itself; None keeps its sentence.
_FRAMEWORK_ERRORS: dict[int, tuple[str, str | None]] = {
    400: ("INVALID_REQUEST", None),
    404: ("ROUTE_NOT_FOUND", "There is nothing at this address."),
    405: ("METHOD_NOT_ALLOWED", "This route does not take that method."),
    413: ("PAYLOAD_TOO_LARGE", None),
    416: ("RANGE_NOT_SATISFIABLE", None),
}
_METHODS = ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")
_NOT_JSON = "The body must be JSON, and Content-Type must say so: application/json."


def envelope(
    request_id: str, *, code: str, message: str, details: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    error = {"code": code, "message": message, "details": linked(dict(details or {}))}
    return {"detail": message, "error": error, "request_id": request_id}


def install(app: FastAPI) -> None:
    app.add_exception_handler(StoryCanvasError, _on_storycanvas_error)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(HTTPException, _on_http_exception)


def request_id_of(request: Request) -> str:
    return str(request.scope.get("state", {}).get("request_id", ""))


async def _on_storycanvas_error(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, StoryCanvasError):
        raise error
    body = envelope(
        request_id_of(request), code=error.code, message=error.message, details=error.details
    )
    if isinstance(error, TimelineOverlapError):
        body["detail"] = {"error": error.message, **error.details}
    headers: dict[str, str] = {}
    if error.retry_after is not None:
        headers["Retry-After"] = str(error.retry_after)
    return JSONResponse(body, status_code=error.status, headers=headers)


async def _on_validation_error(request: Request, error: Exception) -> JSONResponse:
    """Name each fault by place, words and kind; never echo what was sent."""
    if not isinstance(error, RequestValidationError):
        raise error
    faults = [_fault(fault) for fault in error.errors()]
    first = faults[0]
    if first["loc"] == ["body"] and isinstance(error.body, bytes):
        kind = UnsupportedMediaError.default_code
        wrong_type = envelope(request_id_of(request), code=kind, message=_NOT_JSON)
        return JSONResponse(wrong_type, status_code=UnsupportedMediaError.status)
    where = ".".join(str(part) for part in first["loc"])
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    body = envelope(
        request_id_of(request),
        code="VALIDATION_ERROR",
        message=f"{where}: {first['msg']}{more}",
        details={"errors": faults},
    )
    return JSONResponse(body, status_code=422)


def _fault(fault: Mapping[str, Any]) -> dict[str, Any]:
    if fault["type"] == "json_invalid":
        words = f"this is no valid JSON: {fault['ctx']['error']}"
        return {"loc": ["body"], "msg": words, "type": fault["type"]}
    return {"loc": list(fault["loc"]), "msg": fault["msg"], "type": fault["type"]}


async def _on_http_exception(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, HTTPException):
        raise error
    code, sentence = _FRAMEWORK_ERRORS.get(error.status_code, ("HTTP_ERROR", None))
    body = envelope(request_id_of(request), code=code, message=sentence or str(error.detail))
    headers = dict(error.headers or {})
    if "Allow" in headers:
        headers["Allow"] = ", ".join(_allowed(request))
    return JSONResponse(body, status_code=error.status_code, headers=headers)


def _allowed(request: Request) -> list[str]:
    """Every method of this address: the framework names those of one route, and each has its own.

    RFC 9110, 10.2.1: the header lists what the resource takes.
    """
    routes = request.app.router.routes
    return [
        method
        for method in _METHODS
        if any(r.matches({**request.scope, "method": method})[0] is Match.FULL for r in routes)
    ]


async def _on_crash(request: Request, error: Exception) -> JSONResponse:
    """Tell the log what went wrong, and the client only that something did."""
    logger.error("Unhandled error", exc_info=error)
    words = "Something went wrong on our side."
    body = envelope(request_id_of(request), code="INTERNAL_ERROR", message=words)
    return JSONResponse(body, status_code=500)


#: For the outermost of Starlette's exception middlewares: what nobody expected.
LAST_RESORT: Mapping[Any, Any] = {Exception: _on_crash, HTTPException: _on_http_exception}

"""Log lines: one JSON object each, with the id of the request they belong to."""

import json
import logging
import re
from datetime import UTC, datetime

from backend.api.http.middleware import request_id_var

#: uvicorn tells the whole address of each WebSocket, and that may hold a key.
_KEY_IN_QUERY = re.compile(r"(\bapi_key=)[^&\s\"\\]+", re.IGNORECASE)


class JsonFormatter(logging.Formatter):
    """`{"time", "level", "logger", "message", "request_id", …fields}`, traceback under `trace`."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "request_id": request_id_var.get(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return _KEY_IN_QUERY.sub(r"\1***", json.dumps(line, ensure_ascii=False, default=str))


def configure_logging(level: str) -> None:
    """Send everything to standard error as JSON lines; uvicorn's own access log stays off."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = name != "uvicorn.access"
    # One line a connection or heartbeat says nothing that our own lines do not.
    for name in ("pymongo", "asyncio", "aiohttp.access"):
        logging.getLogger(name).setLevel(max(logging.getLevelName(level), logging.WARNING))

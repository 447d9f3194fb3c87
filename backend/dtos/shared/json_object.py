"""A JSON object whose fields are the client's own, within bounds that everything after can hold."""

from typing import Annotated, Any

import orjson
from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

_DEEPEST = 32
_LARGEST = 64_000


def _within_bounds(value: dict[str, Any]) -> dict[str, Any]:
    if _is_deeper(value, _DEEPEST):
        raise PydanticCustomError("too_deep", f"may be nested {_DEEPEST} levels deep at most")
    if len(orjson.dumps(value)) > _LARGEST:
        raise PydanticCustomError("too_large", f"may have {_LARGEST} bytes of JSON at most")
    return value


def _is_deeper(value: object, levels: int) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return not levels or any(_is_deeper(item, levels - 1) for item in inner)


#: At most 32 levels and 64,000 bytes of JSON.
JsonObject = Annotated[dict[str, Any], AfterValidator(_within_bounds)]

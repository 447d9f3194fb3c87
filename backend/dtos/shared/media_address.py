"""Addresses of media on the wire: absolute in answers, in any form of ours in requests."""

from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer

from backend.utils.media_links import UPLOADS, linked, media_links


def _absolute(kept: str) -> str:
    return media_links.get().address(kept)


def _absolute_file(path: str) -> str:
    return _absolute(UPLOADS + path)


def _kept(given: Any) -> Any:
    return media_links.get().kept(given.strip()) if isinstance(given, str) else given


def _kept_file(given: Any) -> Any:
    """Give the path below UPLOAD_DIR for any form of an address of ours."""
    kept = _kept(given)
    return kept.removeprefix(UPLOADS) if isinstance(kept, str) else kept


def _plain(params: Any) -> Any:
    if not isinstance(params, dict):
        return params
    return {name: value for name, value in params.items() if isinstance(value, str | int | float)}


#: An answer's address: `/uploads/…` made absolute, and signed where keys are asked for.
MediaUrl = Annotated[str, PlainSerializer(_absolute, return_type=str, when_used="json")]
#: The same of what is kept as a path below UPLOAD_DIR.
MediaFileUrl = Annotated[str, PlainSerializer(_absolute_file, return_type=str, when_used="json")]
#: An answer's free object: whatever in it is an address of ours is absolute too.
LinkedObject = Annotated[
    dict[str, Any], PlainSerializer(linked, return_type=dict[str, Any], when_used="json")
]
#: The same of how something was made: text, numbers and truth values alone, which every client
#: can show as they are.
PlainParams = Annotated[LinkedObject, BeforeValidator(_plain)]
#: In front of a request's address: each form of our own becomes `/uploads/…`.
AnyForm = BeforeValidator(_kept)
#: The same where a path below UPLOAD_DIR is kept.
AnyFormOfFile = BeforeValidator(_kept_file)

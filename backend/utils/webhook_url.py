"""Which addresses a webhook may have."""

import re
from urllib.parse import urlsplit

from backend.utils.errors import InvalidRequestError
from backend.utils.url_validator import is_public_address, parse_address, validate_server_url

_REST = re.compile(r"[!-~]*")
_HERE = ("localhost", ".localhost", ".local", ".internal", ".lan", ".home.arpa")


def validate_webhook_url(url: str, *, private_allowed: bool) -> str:
    """Give the URL in normal form, or raise InvalidRequestError saying why not.

    Unlike a server's it may have any path and a query. Private hosts are refused by name and by
    literal here, and by address again when they are dialled.
    """
    if not _REST.fullmatch(url) or "#" in url:
        raise _refused("it may hold visible ASCII characters only, and no fragment")
    before, mark, query = url.partition("?")
    scheme, slashes, rest = before.partition("://")
    place, slash, path = rest.partition("/")
    try:
        base = validate_server_url(f"{scheme}{slashes}{place}")
    except InvalidRequestError as error:
        raise _refused(error.message.partition(": ")[2].rstrip(".")) from None
    if not private_allowed and _is_private(urlsplit(base).hostname or ""):
        raise _refused(
            "it lies on this machine or in a private network; WEBHOOK_PRIVATE_HOSTS=true allows it"
        )
    return f"{base}{slash}{path}{mark}{query}"


def _is_private(host: str) -> bool:
    try:
        return not is_public_address(parse_address(host))
    except ValueError:
        return f".{host}".endswith(_HERE) or "." not in host


def _refused(why: str) -> InvalidRequestError:
    return InvalidRequestError(f"This URL can't be used: {why}.", code="INVALID_WEBHOOK_URL")

"""What is said of a cut that can't be read."""

from backend.utils.errors import UnprocessableError


def unreadable(why: str) -> UnprocessableError:
    return UnprocessableError(f"This cut can't be read: {why}.", code="CUT_UNREADABLE")

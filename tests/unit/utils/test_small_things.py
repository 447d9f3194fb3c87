"""The clock and the error tree."""

from datetime import UTC, datetime, timedelta

import pytest

from backend.utils import errors
from backend.utils.clock import utc_now
from backend.utils.errors import ResourceNotFoundError, StoryCanvasError


def kinds(base: type[StoryCanvasError] = StoryCanvasError) -> list[type[StoryCanvasError]]:
    return [base, *(kind for child in base.__subclasses__() for kind in kinds(child))]


def test_now_is_utc_in_whole_milliseconds() -> None:
    now = utc_now()
    assert now.tzinfo is UTC
    assert now.microsecond % 1000 == 0
    assert abs(now - datetime.now(UTC)) < timedelta(seconds=5)


@pytest.mark.parametrize("kind", kinds(), ids=lambda kind: kind.__name__)
def test_every_error_knows_its_status_and_code(kind: type[StoryCanvasError]) -> None:
    error = kind("A sentence.", hint=1)
    assert 400 <= error.status < 600
    assert error.code == kind.default_code
    assert error.code == error.code.upper()
    assert (error.message, str(error), error.details) == ("A sentence.", "A sentence.", {"hint": 1})
    assert kind("x", code="OTHER").code == "OTHER"
    if error.status == 503:
        assert error.retry_after


def test_the_tree_is_drawn_as_it_is() -> None:
    drawing = errors.__doc__ or ""
    for kind in kinds():
        assert kind.__name__ in drawing


def test_codes_tell_kinds_of_things() -> None:
    error = ResourceNotFoundError.of("style template", "7")
    assert (error.code, error.details) == ("STYLE_TEMPLATE_NOT_FOUND", {"id": "7"})
    assert error.message == "Style template '7' was not found."

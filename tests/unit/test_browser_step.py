"""When the tests may install a browser: only where nobody's own machine is changed."""

from typing import Any

import pytest

from scripts._chromium import may_install

ALLOWED: dict[str, Any] = {
    "environment": {"CI": "true"},
    "system": "debian",
    "is_root": True,
    "has_browser": False,
}


def test_a_fresh_debian_of_the_tests_gets_one() -> None:
    assert may_install(**ALLOWED)


@pytest.mark.parametrize(
    "change",
    [
        {"environment": {}},
        {"environment": {"CI": "false"}},
        {"system": "ubuntu"},
        {"system": ""},
        {"is_root": False},
        {"has_browser": True},
    ],
)
def test_anything_else_is_left_alone(change: dict[str, Any]) -> None:
    assert not may_install(**{**ALLOWED, **change})

"""When the tests may install a browser, and that a run without one says so."""

from typing import Any

import pytest

from scripts._chromium import may_install, said_without

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


def test_a_run_without_one_says_so() -> None:
    opened = [
        "tests/browser/test_client_film.py::test_a",
        "tests/integration/api/test_manual.py::b",
    ]
    others = ["tests/unit/mongo/test_database.py::test_c"]
    assert "2 tests" in said_without(None, [*opened, *others])
    assert said_without(None, others) == ""
    assert said_without("/usr/bin/chromium", opened) == ""

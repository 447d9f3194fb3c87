"""Sealing: what goes in comes out, with the same key only."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.utils.secret_box import SecretBox

OURS = SecretBox("long enough")


@settings(max_examples=30, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=200))
def test_what_goes_in_comes_out(text: str) -> None:
    token = OURS.seal(text)
    assert OURS.open(token) == text
    assert token.isascii()
    if len(text) > 3:
        assert text not in token


def test_the_same_text_is_sealed_differently_each_time() -> None:
    assert OURS.seal("key") != OURS.seal("key")


def test_the_same_key_opens_in_another_box() -> None:
    assert SecretBox("long enough").open(OURS.seal("key")) == "key"


@pytest.mark.parametrize("key", ["long enough ", "Long enough", "", None])
def test_no_other_key_opens(key: str | None) -> None:
    assert SecretBox(key).open(OURS.seal("key")) is None


@pytest.mark.parametrize("token", ["", "key", "gAAAA", "gAAAAA" * 20, "é", "\x00"])
def test_what_is_no_token_does_not_open(token: str) -> None:
    assert OURS.open(token) is None


def test_a_changed_token_does_not_open() -> None:
    token = OURS.seal("key")
    middle = len(token) // 2
    changed = token[:middle] + ("A" if token[middle] != "A" else "B") + token[middle + 1 :]
    assert OURS.open(changed) is None


def test_without_a_key_nothing_is_sealed() -> None:
    box = SecretBox(None)
    assert not box.has_key
    with pytest.raises(ValueError, match="no key"):
        box.seal("key")

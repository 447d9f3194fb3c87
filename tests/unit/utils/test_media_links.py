"""Addresses of media: absolute and signed on the way out, in any form of ours on the way in."""

from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.utils.media_links import MediaLinks, MediaSigner, linked, linking

HOUR = 3600
NAMES = st.text("abcdefghijklmnopqrstuvwxyz0123456789-_.", min_size=1, max_size=20)
PATHS = st.lists(NAMES, min_size=1, max_size=5).map(lambda parts: "/uploads/" + "/".join(parts))
BASES = st.sampled_from(
    (
        "http://127.0.0.1:8001",
        "https://film.example",
        "https://film.example/board",
        "http://[::1]:80",
    )
)


class Now:
    def __init__(self) -> None:
        self.seconds = 1_800_000_000.0

    def __call__(self) -> float:
        return self.seconds


NOW = Now()
SIGNER = MediaSigner(["one", "two"], ttl=12 * HOUR, now=NOW)


def parts_of(address: str) -> tuple[str, str]:
    parts = urlsplit(address)
    return parts.path, parts.query


@given(PATHS, BASES, BASES, st.booleans())
def test_what_is_told_comes_back(path: str, base: str, other: str, signed: bool) -> None:
    links = MediaLinks((base, other), SIGNER if signed else None)
    told = links.address(path)
    assert told.startswith(f"{base}{path}")
    assert links.kept(told) == path
    assert MediaLinks((other, base)).kept(told) == path
    assert links.kept(told.removeprefix(base)) == path


@given(PATHS, BASES)
def test_a_signature_holds_for_its_path_alone(path: str, base: str) -> None:
    NOW.seconds = 1_800_000_000.0
    where, query = parts_of(MediaLinks((base,), SIGNER).address(path))
    where = where.removeprefix(urlsplit(base).path)
    assert SIGNER.is_signed(where, query)
    assert not SIGNER.is_signed(where + "x", query)
    assert not SIGNER.is_signed("/api/v1/projects", query)
    assert not SIGNER.is_signed(where, query.replace("expires=1", "expires=2"))
    assert not SIGNER.is_signed(where, query[:-1] + ("A" if query[-1] != "A" else "B"))
    # What caches and their like add or turn round does not count.
    assert SIGNER.is_signed(where, "&".join(["a=b", *reversed(query.split("&"))]))
    assert not SIGNER.is_signed(where, f"{query}&{query}")


def test_it_ends_and_is_steady_for_a_while() -> None:
    NOW.seconds = 1_800_000_000.0
    first = SIGNER.sign("/uploads/a.png")
    NOW.seconds += 0.9 * HOUR
    assert SIGNER.sign("/uploads/a.png") == first
    NOW.seconds += 10 * HOUR
    assert SIGNER.is_signed(*parts_of(first))
    assert SIGNER.sign("/uploads/a.png") != first
    NOW.seconds += 1.2 * HOUR
    assert not SIGNER.is_signed(*parts_of(first))


def test_who_has_other_keys_signs_otherwise() -> None:
    path, query = parts_of(SIGNER.sign("/uploads/a.png"))
    assert MediaSigner(["two", "one"], ttl=HOUR, now=NOW).is_signed(path, query)
    for secrets in (["one"], ["one", "two", "three"], []):
        assert not MediaSigner(secrets, ttl=HOUR, now=NOW).is_signed(path, query)


def test_a_query_is_part_of_what_is_signed() -> None:
    path, query = parts_of(SIGNER.sign("/api/v1/x/animatic.mp4?height=720&a=b"))
    assert query.startswith("height=720&a=b&expires=")
    assert SIGNER.is_signed(path, query)
    assert not SIGNER.is_signed(path, query.replace("720", "1080"))


@pytest.mark.parametrize(
    "query", ["", "expires=1", "signature=x", "expires=²&signature=" + "x" * 22]
)
def test_what_is_no_signature_is_none(query: str) -> None:
    assert not SIGNER.is_signed("/uploads/a.png", query)


@pytest.mark.parametrize(
    "address",
    [
        "https://elsewhere.example/uploads/a.png", "http://127.0.0.1:8002/uploads/a.png",
        "http://127.0.0.1:8001/other/a.png", "ftp://127.0.0.1:8001/uploads/a.png", "a red car", "",
        "http://127.0.0.1:8001@evil.example/uploads/a.png", "faces/a.png",
    ],
)  # fmt: skip
def test_what_is_not_ours_stays(address: str) -> None:
    links = MediaLinks(("http://127.0.0.1:8001",), SIGNER)
    assert links.kept(address) == address
    assert links.address(address) == address


def test_an_address_that_we_signed_is_ours_under_any_name_of_the_server() -> None:
    NOW.seconds = 1_800_000_000.0
    told = MediaLinks(("http://localhost:8001",), SIGNER).address("/uploads/a.png")
    links = MediaLinks(("http://127.0.0.1:8001",), SIGNER)
    assert links.kept(told) == "/uploads/a.png"
    changed = told.replace("a.png", "b.png")
    assert links.kept(changed) == changed
    leading_out = f"http://127.0.0.1:8001/uploads/%2e%2e/a.png?{told.partition('?')[2]}"
    assert links.kept(leading_out) == leading_out


@pytest.mark.parametrize(
    "address",
    [
        "HTTP://127.0.0.1:8001/uploads/a.png", "https://127.0.0.1:8001/uploads/a.png#t=2",
        "http://FILM.example:80/uploads/a.png?v=1", "https://film.example:443/uploads/a.png",
    ],
)  # fmt: skip
def test_a_host_is_the_same_in_any_spelling(address: str) -> None:
    links = MediaLinks(("http://127.0.0.1:8001", "http://film.example"))
    assert links.kept(address) == "/uploads/a.png"


def test_only_addresses_in_an_object_change() -> None:
    value: dict[str, Any] = {
        "prompt": "see /uploads/x", "init_image": "/uploads/a.png", "steps": 4, "none": None,
        "reference_images": ["/uploads/b.png", "https://x.example/c.png"],
    }  # fmt: skip
    assert linked(value) == value
    with linking(MediaLinks(("http://h",))):
        told = linked(value)
    assert told == value | {
        "init_image": "http://h/uploads/a.png",
        "reference_images": ["http://h/uploads/b.png", "https://x.example/c.png"],
    }

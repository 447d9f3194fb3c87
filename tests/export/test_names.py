import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.services.exports.formats import names
from backend.services.exports.formats.media_url import media_url
from backend.utils.errors import InvalidRequestError

anything = st.text(max_size=60)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Rooftop: Nacht", "rooftop_nacht"),
        ("Zoë's café", "zoe_s_cafe"),
        ("夜の屋上", "clip"),
        ("", "clip"),
        ("CON", "clip"),
        ("COM1", "clip"),
        ("lpt9. ", "clip"),
        ("COM¹", "clip"),
        ("Com 1", "com_1"),
        ("COM10", "com10"),
        ("a" * 99, "a" * 24),
        ("../../etc/passwd", "etc_passwd"),
    ],
)
def test_slug(text: str, expected: str) -> None:
    assert names.slug(text, fallback="clip") == expected


@given(st.tuples(st.integers(1, 9999), st.integers(1, 9999)), anything, anything, anything)
def test_media_names_are_safe_everywhere(
    place: tuple[int, int], title: str, take_id: str, path: str
) -> None:
    name = names.media_name(place, title, media_id=take_id, path=f"{path}/x.PNG")
    assert re.fullmatch(r"s\d\d+_c\d\d+_[a-z0-9_]+_[a-p]{4}\.png", name)
    assert len(name) < 64


def test_a_new_take_is_a_new_file() -> None:
    first = names.media_name((1, 2), "Rooftop", media_id="a", path="x/a.png")
    second = names.media_name((1, 2), "Rooftop", media_id="b", path="x/b.png")
    assert first != second
    assert first == names.media_name((1, 2), "Rooftop", media_id="a", path="y/a.png")


def test_reels_have_eight_characters() -> None:
    assert [names.reel(1), names.reel(10_000)] == ["SC000001", "SC010000"]


@given(anything)
def test_one_line_is_one_clean_line(text: str) -> None:
    line = names.one_line(text, fallback="Untitled")
    assert line
    assert not re.search("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]", line)


def test_xml_text_keeps_lines_and_drops_controls() -> None:
    assert names.xml_text(" a\x00b\r\nc\rd\x0b ") == "ab\nc\nd"


@pytest.mark.parametrize(
    ("root", "url"),
    [
        (None, "./media/a.png"),
        ("/", "file:///a.png"),
        ("/Users/zoë/my film/", "file:///Users/zo%C3%AB/my%20film/a.png"),
        ("/Users/zoe\u0308", "file:///Users/zo%C3%AB/a.png"),
        ("/it's (1) & +;=", "file:///it%27s%20%281%29%20%26%20%2B%3B%3D/a.png"),
        ("C:\\Film #1\\media", "file:///C:/Film%20%231/media/a.png"),
        ("D:/", "file:///D:/a.png"),
        ("\\\\nas\\film", "file://nas/film/a.png"),
    ],
)
def test_media_urls(root: str | None, url: str) -> None:
    assert media_url("a.png", root) == url


@pytest.mark.parametrize("root", ["", "media", "./media", "C:media"])
def test_a_media_root_must_be_absolute(root: str) -> None:
    with pytest.raises(InvalidRequestError):
        media_url("a.png", root)

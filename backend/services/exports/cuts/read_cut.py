"""Tells which kind of cut a file is, by its content, and reads it."""

from backend.models.exports.cut import Cut
from backend.models.exports.frame_rate import FrameRate
from backend.services.exports.cuts import edl_reader, fcpxml_reader, otio_reader
from backend.services.exports.cuts.unreadable import unreadable
from backend.utils.errors import UnsupportedMediaError

#: Far more than any film: what is read is held against each clip.
_MOST_ITEMS = 100_000
_LONGEST = 7 * 86_400


def read_cut(body: bytes, rate: FrameRate) -> Cut:
    """FCPXML, `.otio` or EDL; `rate` is the project's, for formats that name none.

    UnsupportedMediaError for other files, UnprocessableError for bad ones. Blocking: call it in
    a thread.
    """
    text = _decoded(body)
    start = text.lstrip()[:1]
    if start == "<":
        cut = fcpxml_reader.read(text.lstrip())
    elif start == "{":
        cut = otio_reader.read(text)
    elif _is_edl(text):
        cut = edl_reader.read(text, rate)
    else:
        raise _unknown()
    return _sane(cut)


def _is_edl(text: str) -> bool:
    """A list begins with its title; some programs write the events alone."""
    head = text.lstrip()[:200].upper()
    return head.startswith(("TITLE:", "FCM:")) or head[:3].isdigit()


def _decoded(body: bytes) -> str:
    """UTF-8 or, by its mark, UTF-16; old EDLs are Latin-1."""
    if b"\0" in body[:4] or body[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        try:
            return body.decode("utf-16")
        except UnicodeDecodeError as error:
            raise _unknown() from error
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError:
        if body.lstrip()[:1] in {b"<", b"{"}:
            raise unreadable("it is not in UTF-8") from None
        return body.decode("latin-1")


def _sane(cut: Cut) -> Cut:
    if len(cut.items) > _MOST_ITEMS:
        raise unreadable(f"it has more than {_MOST_ITEMS} clips")
    if any(item.start < 0 or item.end > _LONGEST for item in cut.items):
        raise unreadable("a clip lies before its beginning, or a week behind it")
    return cut


def _unknown() -> UnsupportedMediaError:
    return UnsupportedMediaError(
        "This is no cut that can be read: send an EDL, an .otio or an .fcpxml file.",
        code="UNKNOWN_CUT",
    )

"""Where a picture ends, told by walking its blocks: what lies behind is not the picture.

Sources: the PNG specification (ISO 15948), ISO 10918-1 for JPEG and CIPA DC-007 for several of
them in one file, the GIF89a specification, Google's WebP container specification.
"""

import mmap
import re
from collections.abc import Callable

from backend.utils.errors import UnsupportedMediaError

Data = bytes | mmap.mmap

TAKEN = "png, jpeg, webp and gif are taken"
_PNG = b"\x89PNG\r\n\x1a\n"
#: In a JPEG's entropy-coded data: a marker that is neither a stuffed byte nor a restart.
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_JPEG_END, _JPEG_SCAN = 0xD9, 0xDA
#: How far into a file the index of a multi-picture JPEG may be: its header's segments.
_MPF_WITHIN = 1 << 20


class CutShortError(Exception):
    """The file ends before the picture does."""


def sniff_image(head: bytes) -> None:
    """Take the first bytes of a file; UnsupportedMediaError when none of the four begins so."""
    if picture_format(head) is None:
        raise UnsupportedMediaError(f"This is no picture of a kind that is known: {TAKEN}.")


def picture_format(head: bytes) -> str | None:
    """Give Pillow's name of the format that begins so."""
    if head.startswith(_PNG):
        return "PNG"
    if head.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if head[:6] in {b"GIF87a", b"GIF89a"}:
        return "GIF"
    return "WEBP" if head[:4] == b"RIFF" and head[8:12] == b"WEBP" else None


def check_whole(data: Data, name: str) -> None:
    """Walk a picture to its end, which must be the file's; zeros behind it are mere padding."""
    try:
        end = _ENDS[name](data)
    except (CutShortError, IndexError) as error:
        raise UnsupportedMediaError("The picture is cut short: its end is missing.") from error
    if end > len(data):
        raise UnsupportedMediaError("The picture is cut short: its end is missing.")
    if data[end:].strip(b"\0"):
        raise UnsupportedMediaError(
            "The file holds more than the picture: something else follows it."
        )


def _end_of_png(data: Data) -> int:
    at = len(_PNG)
    while at + 12 <= len(data):
        size, name = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        at += size + 12
        if name == b"IEND":
            return at
    raise CutShortError


def _end_of_webp(data: Data) -> int:
    size = int.from_bytes(data[4:8], "little")
    return size + 8 + (size & 1)


def _end_of_jpeg(data: Data) -> int:
    """Phones put a depth map or an HDR gain map behind a photo, and list it in its header."""
    end = _end_of_one_jpeg(data, 0)
    if data.find(b"MPF\0", 0, min(end, _MPF_WITHIN)) < 0:
        return end
    while (start := _next_jpeg(data, end)) is not None:
        end = _end_of_one_jpeg(data, start)
    return end


def _next_jpeg(data: Data, at: int) -> int | None:
    found = data.find(b"\xff\xd8\xff", at)
    return found if found >= 0 and not data[at:found].strip(b"\0") else None


def _end_of_one_jpeg(data: Data, start: int) -> int:
    at = start + 2
    while True:
        while data[at] == 0xFF and data[at + 1] == 0xFF:  # fill bytes
            at += 1
        if data[at] != 0xFF:
            raise UnsupportedMediaError("The picture is damaged: no marker where one must be.")
        marker = data[at + 1]
        if marker == _JPEG_END:
            return at + 2
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if marker == _JPEG_SCAN:
            found = _MARKER.search(data, at)
            if found is None:
                raise CutShortError
            at = found.start()


def _end_of_gif(data: Data) -> int:
    at = 13 + _color_table(data[10])
    while data[at] != 0x3B:
        if data[at] == 0x21:  # an extension
            at = _after_sub_blocks(data, at + 2)
        elif data[at] == 0x2C:  # a frame
            at = _after_sub_blocks(data, at + 11 + _color_table(data[at + 9]))
        else:
            raise UnsupportedMediaError("The picture is damaged: no block where one must be.")
    return at + 1


def _color_table(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _after_sub_blocks(data: Data, at: int) -> int:
    while size := data[at]:
        at += size + 1
    return at + 1


_ENDS: dict[str, Callable[[Data], int]] = {
    "PNG": _end_of_png,
    "JPEG": _end_of_jpeg,
    "GIF": _end_of_gif,
    "WEBP": _end_of_webp,
}

"""What a file is, judged by its content alone: names and headers of a request prove nothing.

The first bytes tell the kind, and a walk over the blocks of a picture tells where it ends: what
lies behind is not the picture. Sources: the PNG specification (ISO 15948), ISO 10918-1 for JPEG
and CIPA DC-007 for several of them in one file, the GIF89a specification, Google's WebP container
specification; ISO 11172-3 and 13818-7 for frames of sound. Pure: nothing is decoded or opened.
"""

import mmap
import re
from collections.abc import Callable

from backend.utils.errors import UnsupportedMediaError

Data = bytes | mmap.mmap

PICTURES_TAKEN = "png, jpeg, webp and gif are taken"
NO_PICTURE = f"This is no picture of a kind that is known: {PICTURES_TAKEN}."
NO_SOUND = (
    "This is no audio file of a kind that is known: mp3, wav, ogg, flac, m4a and aac are taken."
)
_KBITS = {
    1: (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    2: (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES = (44_100, 48_000, 32_000)
_PNG = b"\x89PNG\r\n\x1a\n"
#: In a JPEG's entropy-coded data: a marker that is neither a stuffed byte nor a restart.
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_JPEG_END, _JPEG_SCAN = 0xD9, 0xDA
#: How far into a file the index of a multi-picture JPEG may be: its header's segments.
_MPF_WITHIN = 1 << 20


class TruncatedFileError(Exception):
    """The file ends before the picture does."""


def sniff_image(head: bytes) -> None:
    """Take the first bytes of a file; UnsupportedMediaError when none of the four begins so."""
    if picture_format(head) is None:
        raise UnsupportedMediaError(NO_PICTURE)


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
    except (TruncatedFileError, IndexError) as error:
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
    raise TruncatedFileError


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
                raise TruncatedFileError
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


def sniff_audio(head: bytes) -> None:
    """Take the first bytes of a file; UnsupportedMediaError when none of the six begins so."""
    if not head.startswith(b"ID3") and audio_format(head) is None:
        raise UnsupportedMediaError(NO_SOUND)


def begins_frame(kind: str, head: bytes) -> bool:
    """Tell whether sound begins so, in the kinds that are nothing but frames and tags."""
    if kind == "mp3":
        return mp3_frame_size(head) is not None
    return kind != "aac" or adts_frame_size(head) is not None


def audio_format(head: bytes) -> str | None:
    """Give the kind of sound that begins so: mp3, wav, ogg, flac, m4a or aac."""
    if head[:4] in {b"RIFF", b"RF64"} and head[8:12] == b"WAVE":
        return "wav"
    if head[4:8] == b"ftyp":
        return "m4a"
    for magic, kind in ((b"OggS", "ogg"), (b"fLaC", "flac")):
        if head.startswith(magic):
            return kind
    if mp3_frame_size(head) is not None:
        return "mp3"
    return "aac" if adts_frame_size(head) is not None else None


def mp3_frame_size(head: bytes) -> int | None:
    """Give the bytes of the MPEG frame that begins so (ISO 11172-3, 13818-3); None: it is none."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE6 != 0xE2:
        return None
    version, bits, rate = head[1] >> 3 & 3, head[2] >> 4, head[2] >> 2 & 3
    if version == 1 or bits in {0, 15} or rate == 3:
        return None
    first = version == 3
    hertz = _RATES[rate] >> {3: 0, 2: 1, 0: 2}[version]
    kbits = _KBITS[1 if first else 2][bits - 1]
    return (144 if first else 72) * kbits * 1000 // hertz + (head[2] >> 1 & 1)


def adts_frame_size(head: bytes) -> int | None:
    """Give the bytes of the ADTS frame that begins so (ISO 13818-7); None: it is none."""
    if len(head) < 7 or head[0] != 0xFF or head[1] & 0xF6 != 0xF0:
        return None
    size = (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
    return size if size >= 7 else None

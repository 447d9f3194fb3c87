"""Finds out what an audio file is: reads its container, then decodes its sound.

FFmpeg reads past a cut-off end and over what is glued to a file; here every byte must belong to
the format. Sources of the rules: ISO 11172-3 and 13818-7 (frames), id3.org, RFC 3533 (Ogg pages),
EBU Tech 3306 (RIFF, RF64), ISO 14496-12 (boxes). FLAC frames carry no length: decoding checks
their end.
"""

import mmap
import struct
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.error import FFmpegError, InvalidDataError
from av.packet import Packet
from av.stream import Disposition

from backend.utils.errors import UnsupportedMediaError
from backend.utils.file_validator import (
    NO_SOUND,
    adts_frame_size,
    audio_format,
    begins_frame,
    mp3_frame_size,
)

Data = bytes | mmap.mmap
#: Size in bytes of the frame whose first bytes these are, or None.
FrameSize = Callable[[bytes], int | None]

#: A size of 0 or this one: whoever wrote the file could not go back to fill it in.
_UNKNOWN = (0, 0xFFFFFFFF)
_LYRICS_LIMIT = 1 << 20


def audio_kind(path: Path) -> str:
    """Walk a file and tell which of mp3, wav, ogg, flac, m4a, aac it is.

    UnsupportedMediaError for anything else, for a file that ends too early, and for one that goes
    on after its end.
    """
    with path.open("rb") as handle, mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as data:
        start = _after_tags(data, 0)
        kind = audio_format(data[start : start + 16])
        if kind is None or (start and kind not in {"mp3", "aac", "flac"}):
            raise UnsupportedMediaError(NO_SOUND)
        _WALKS[kind](data, start)
    return kind


def _walk_mp3(data: Data, start: int) -> None:
    frames = _walk_frames(data, start, mp3_frame_size)
    promised = _promised_frames(data, start)
    # The frame that carries the promise is not one of those it counts.
    if promised is not None and frames < promised:
        raise _cut_short()


def _promised_frames(data: Data, start: int) -> int | None:
    """Give the number of frames that an encoder's Xing or Info header tells, if there is one."""
    mono = data[start + 3] >> 6 == 3
    first = data[start + 1] >> 3 & 3 == 3
    place = start + 4 + ((17 if mono else 32) if first else (9 if mono else 17))
    header = data[place : place + 12]
    if header[:4] not in {b"Xing", b"Info"} or len(header) < 12 or not header[7] & 1:
        return None
    return int.from_bytes(header[8:12], "big")


def _walk_adts(data: Data, start: int) -> None:
    _walk_frames(data, start, adts_frame_size)


def _walk_frames(data: Data, start: int, size_of: FrameSize) -> int:
    """Step from frame to frame, over tags between and behind them; give the number of frames."""
    at, frames = start, 0
    while at < len(data):
        size = size_of(data[at : at + 10])
        if size is not None:
            at += size
            frames += 1
            continue
        after = _after_tags(data, at)
        if after == at:
            raise _followed()
        at = after
    if at > len(data):
        raise _cut_short()
    return frames


def _after_tags(data: Data, at: int) -> int:
    """Give the place behind the tags and the padding that begin here."""
    while at < len(data):
        size = _tag_size(data, at)
        if not size:
            return at
        at += size
    return at


def _tag_size(data: Data, at: int) -> int:
    head = data[at : at + 32]
    if head.startswith(b"ID3") and len(head) >= 10:
        size = 0
        for byte in head[6:10]:
            size = size << 7 | byte & 0x7F
        return size + (20 if head[5] & 0x10 else 10)
    if head.startswith(b"APETAGEX") and len(head) == 32:
        size, flags = struct.unpack_from("<I4xI", head, 12)
        return int(size) + 32 if flags & 1 << 29 else 32
    if head.startswith(b"TAG") and at + 128 == len(data):
        return 128
    if head.startswith(b"LYRICSBEGIN"):
        end = data.find(b"LYRICS200", at, at + _LYRICS_LIMIT)
        return end + 9 - at if end >= 0 else 0
    return _zeros(data, at) if at and head.startswith(b"\0") else 0


def _zeros(data: Data, at: int) -> int:
    end = at
    while end < len(data):
        piece = data[end : end + 65_536]
        rest = piece.lstrip(b"\0")
        end += len(piece) - len(rest)
        if rest:
            break
    return end - at


def _walk_wav(data: Data, start: int) -> None:
    whole = int.from_bytes(data[4:8], "little")
    sizes = _rf64_sizes(data) if data[:4] == b"RF64" else None
    if sizes:
        whole = sizes[0]
    end = len(data) if whole in _UNKNOWN else whole + 8
    at = 12
    while at + 8 <= min(end, len(data)):
        name, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        if name == b"data" and size in _UNKNOWN:
            size = sizes[1] if sizes else len(data) - at - 8
        at += 8 + size
        if at > len(data):
            raise _cut_short()
        at += size & 1
    _expect_end(data, max(at, end) if end <= len(data) else at)


def _rf64_sizes(data: Data) -> tuple[int, int] | None:
    """Give the sizes of the whole and of the sound from the chunk that RF64 begins with."""
    if data[12:16] != b"ds64" or len(data) < 36:
        raise _cut_short()
    whole, sound = struct.unpack_from("<QQ", data, 20)
    return int(whole), int(sound)


def _walk_ogg(data: Data, start: int) -> None:
    at, flags = 0, 0
    while at < len(data):
        header = data[at : at + 27]
        if not header.startswith(b"OggS\0"[: len(header)]):
            _expect_end(data, at)
            break
        if len(header) < 27:
            raise _cut_short()
        flags = header[5]
        sizes = data[at + 27 : at + 27 + header[26]]
        at += 27 + header[26] + sum(sizes)
    # Bit 4: the last page of a stream. A file cut between two pages lacks it.
    if at > len(data) or not flags & 4:
        raise _cut_short()


def _walk_boxes(data: Data, start: int) -> None:
    at = 0
    while at + 8 <= len(data):
        size, name = struct.unpack_from(">I4s", data, at)
        if size == 0 and name != b"\0\0\0\0":  # up to the end of the file
            return
        if size == 1 and at + 16 <= len(data):
            (size,) = struct.unpack_from(">Q", data, at + 8)
        if size < 8 or not name.replace(b"\xa9", b"").isascii():
            break
        at += size
    _expect_end(data, at)


def _walk_flac(data: Data, start: int) -> None:
    """Nothing to do here: see `audio_probe`."""


def _expect_end(data: Data, at: int) -> None:
    if at > len(data):
        raise _cut_short()
    if at + _zeros(data, at) < len(data):
        raise _followed()


def _cut_short() -> UnsupportedMediaError:
    return UnsupportedMediaError("The file is cut short: its end is missing.")


def _followed() -> UnsupportedMediaError:
    return UnsupportedMediaError("The file holds more than the sound: something else is in it.")


_WALKS: dict[str, Callable[[Data, int], None]] = {
    "mp3": _walk_mp3,
    "aac": _walk_adts,
    "wav": _walk_wav,
    "ogg": _walk_ogg,
    "m4a": _walk_boxes,
    "flac": _walk_flac,
}


#: FFmpeg's reader for each kind; no other is even tried, so a playlist or a script stays text.
_READERS = {"mp3": "mp3", "wav": "wav", "ogg": "ogg", "flac": "flac", "m4a": "mov", "aac": "aac"}
#: The codecs that a kind may hold; a kind that is not here may hold any that decodes.
_CODECS = {
    "mp3": {"mp3", "mp3float"},
    "flac": {"flac"},
    "m4a": {"aac", "alac", "mp3", "mp3float"},
    "aac": {"aac"},
}
#: Sound in a file may be said to lie in another: no reader opens anything but files, and none of
#: the readers above follows such a reference.
_LOCAL = {"protocol_whitelist": "file"}
#: Silence compresses a thousandfold: without a limit, 50 MB of it would decode for an hour.
LONGEST_SECONDS = 6 * 3600
#: So much is decoded, which takes about a second; of what follows the packets tell the length.
_DECODED_SECONDS = 20 * 60
#: The largest FLAC frame: 65,535 samples of 8 channels with 32 bits, and its header.
_LARGEST_FLAC_FRAME = 65_535 * 8 * 4 + 1024


class AudioFacts(NamedTuple):
    """`duration` in seconds, rounded to 1 ms."""

    extension: str
    duration: float


def probe_audio(path: Path) -> AudioFacts:
    """Decode a file's audio. Blocking: call it in a thread.

    UnsupportedMediaError when it is none we take, broken, cut short or glued to something else.
    Headers lie about the length of VBR files, so the samples are counted.
    """
    kind = audio_kind(path)
    try:
        with av.open(
            str(path), format=_READERS[kind], options=_LOCAL, metadata_errors="replace"
        ) as container:
            duration = _measured(container, _stream(container, kind), kind)
    except (FFmpegError, ValueError, EOFError) as error:
        raise UnsupportedMediaError(f"This {kind} file is damaged and can't be decoded.") from error
    if duration <= 0:
        raise UnsupportedMediaError("The file holds no sound.")
    return AudioFacts(kind, round(duration, 3))


def _stream(container: InputContainer, kind: str) -> AudioStream:
    if not container.streams.audio:
        raise UnsupportedMediaError("The file holds no sound.")
    # A cover picture is a video stream too; a film with sound is no music file.
    if any(not stream.disposition & Disposition.attached_pic for stream in container.streams.video):
        raise UnsupportedMediaError("This is a video; music must be an audio file.")
    stream = container.streams.audio[0]
    if stream.codec_context is None:
        raise UnsupportedMediaError("The sound is in a codec that can't be decoded.")
    codec = stream.codec_context.name
    if codec not in _CODECS.get(kind, {codec}):
        raise UnsupportedMediaError(f"{codec} in a {kind} file is not taken.")
    return stream


def _measured(container: InputContainer, stream: AudioStream, kind: str) -> float:
    """Read to the end, decoding the first part; give the seconds."""
    seconds, decoded, last = 0.0, 0.0, b""
    for packet in container.demux(stream):
        if decoded < _DECODED_SECONDS:
            length = _decoded_seconds(packet, kind)
            decoded += length
        else:
            length = float((packet.duration or 0) * (packet.time_base or 0))
        seconds += length
        if seconds > LONGEST_SECONDS:
            raise UnsupportedMediaError(f"Music may last {LONGEST_SECONDS // 3600} hours at most.")
        if kind == "flac" and packet.size:
            last = bytes(packet)
    _check_promise(stream, seconds, kind)
    if kind == "flac" and not _is_whole_flac_frame(last):
        raise UnsupportedMediaError("The file is cut short, or something else follows the sound.")
    return seconds


def _decoded_seconds(packet: "Packet[AudioStream]", kind: str) -> float:
    try:
        return sum(frame.samples / (frame.sample_rate or 1) for frame in packet.decode())
    except InvalidDataError:
        # FFmpeg hands tags and padding between frames to the decoder. The walk has known them.
        if begins_frame(kind, bytes(packet)[:16]):
            raise
        return 0.0


def _check_promise(stream: AudioStream, seconds: float, kind: str) -> None:
    """Compare with what the header promises: an index that points to nothing demuxes without error.

    Only where the header counts samples; a tenth of a second is what encoders' delay may take.
    """
    if kind not in {"flac", "m4a"} or not stream.duration or stream.time_base is None:
        return
    if seconds < float(stream.duration * stream.time_base) - 0.1:
        raise UnsupportedMediaError("The file is cut short: it promises more sound than it holds.")


def _is_whole_flac_frame(data: bytes) -> bool:
    """Tell whether a frame ends where its data ends: over all of it CRC-16 is 0 then (RFC 9639)."""
    if len(data) >= 128 and data[-128:-125] == b"TAG":  # ID3v1, which some programs append
        data = data[:-128]
    if not data or len(data) > _LARGEST_FLAC_FRAME:
        return False
    crc = 0
    table = _crc_table()
    for byte in data:
        crc = (crc << 8 & 0xFF00) ^ table[crc >> 8 ^ byte]
    return crc == 0


def _crc_table() -> list[int]:
    """CRC-16 with the polynomial 0x8005, most significant bit first."""
    table = []
    for byte in range(256):
        crc = byte << 8
        for _ in range(8):
            crc = (crc << 1) ^ (0x8005 if crc & 0x8000 else 0)
        table.append(crc & 0xFFFF)
    return table

"""What an audio file is, told by its content: it is walked, then decoded."""

from pathlib import Path
from typing import NamedTuple

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.error import FFmpegError, InvalidDataError
from av.packet import Packet
from av.stream import Disposition

from backend.services.audio_structure import audio_kind, begins_frame
from backend.utils.errors import UnsupportedMediaError

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

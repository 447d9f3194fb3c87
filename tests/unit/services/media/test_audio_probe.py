"""What music files look like in the wild is taken; what only looks like one is not."""

import io
import math
import struct
from array import array
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from backend.services.media.audio_probe import audio_kind, probe_audio
from backend.utils.errors import UnsupportedMediaError
from backend.utils.file_validator import sniff_audio

SECONDS, RATE = 1.0, 44_100


class Pipe(io.RawIOBase):
    """A target that can't go back: sizes in headers stay unknown."""

    def __init__(self) -> None:
        self.data = b""

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False

    def write(self, data: Any) -> int:
        self.data += bytes(data)
        return len(data)


def tone(rate: int = RATE, layout: str = "mono") -> av.AudioFrame:
    count = int(SECONDS * rate)
    wave = array("h", (int(20_000 * math.sin(i * 440 * math.tau / rate)) for i in range(count)))
    frame = av.AudioFrame(format="s16", layout="mono", samples=count)
    frame.planes[0].update(wave.tobytes())
    frame.sample_rate = rate
    return frame


def made(
    container: str, codec: str, *, rate: int = RATE, pipe: bool = False, cover: bool = False,
    options: dict[str, str] | None = None, bits: int = 0,
) -> bytes:  # fmt: skip
    """Encode the tone; "+faststart" makes FFmpeg open its own output again, so it needs a path."""
    with TemporaryDirectory() as folder:
        target: Any = Pipe() if pipe else f"{folder}/file"
        _encode(target, container, codec, rate=rate, cover=cover, options=options or {}, bits=bits)
        return bytes(target.data) if pipe else Path(target).read_bytes()


def _encode(
    out: Any, container: str, codec: str, *, rate: int, cover: bool, options: dict[str, str],
    bits: int,
) -> None:  # fmt: skip
    with av.open(out, "w", format=container, options=options) as file:
        file.metadata["title"] = "Ünïcode " * 20
        stream: Any = file.add_stream(codec, rate=rate)
        stream.layout = "mono"
        if bits:
            stream.bit_rate = bits
        if cover:
            picture: Any = file.add_stream("mjpeg", rate=1)
            picture.width = picture.height = 16
            picture.pix_fmt = "yuvj420p"
            picture.disposition = av.stream.Disposition.attached_pic
            frame: Any = av.VideoFrame
            still = frame.from_image(Image.new("RGB", (16, 16))).reformat(format="yuvj420p")
            packets = [*picture.encode(still), *picture.encode(None)]
        else:
            packets = []
        for packet in (*packets, *stream.encode(tone(rate)), *stream.encode(None)):
            file.mux(packet)


def rf64(wav: bytes) -> bytes:
    """The same sound with 64-bit sizes (EBU Tech 3306)."""
    at = wav.index(b"data")
    size = len(wav) - at - 8
    sizes = b"ds64" + struct.pack("<IQQQI", 28, len(wav) + 28, size, size // 2, 0)
    return b"RF64\xff\xff\xff\xffWAVE" + sizes + wav[12 : at + 4] + b"\xff" * 4 + wav[at + 8 :]


def id3v2(size: int = 3000) -> bytes:
    syncsafe = bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0))
    return b"ID3\x03\x00\x00" + syncsafe + bytes(size)


def apev2() -> bytes:
    body = b"\x05\0\0\0\0\0\0\0Title\0Hello"
    header = b"APETAGEX" + struct.pack("<IIII8x", 2000, len(body) + 32, 1, 0xA0000000)
    footer = b"APETAGEX" + struct.pack("<IIII8x", 2000, len(body) + 32, 1, 0x80000000)
    return header + body + footer


ID3V1 = b"TAG" + b"Title".ljust(125, b"\0")
LYRICS = b"LYRICSBEGININD0000211000028LYRICS200"
WAV, MP3, FLAC = made("wav", "pcm_s16le"), made("mp3", "mp3"), made("flac", "flac")
AAC, M4A = made("adts", "aac"), made("ipod", "aac")
PLAIN_MP3 = made("mp3", "mp3", options={"write_xing": "0", "id3v2_version": "0"})

FRAGMENTS = {"movflags": "empty_moov+default_base_moof", "frag_duration": "300000"}

WILD: dict[str, tuple[str, bytes]] = {
    "wav": ("wav", WAV),
    "wav of a pipe": ("wav", made("wav", "pcm_s16le", pipe=True)),
    "wav of floats": ("wav", made("wav", "pcm_f32le")),
    "wav of 24 bits": ("wav", made("wav", "pcm_s24le")),
    "wav of 64-bit sizes": ("wav", rf64(WAV)),
    "wav of 64-bit sizes, by FFmpeg": ("wav", made("wav", "pcm_s16le", options={"rf64": "always"})),
    "wav with padding": ("wav", WAV + bytes(500)),
    "wav with a chunk behind the sound": (
        "wav", b"RIFF" + struct.pack("<I", len(WAV) + 12 - 8) + WAV[8:] + b"id3 \x03\0\0\0abc\0"
    ),
    "mp3": ("mp3", MP3),
    "mp3 without any header": ("mp3", PLAIN_MP3),
    "mp3 of 22 kHz": ("mp3", made("mp3", "mp3", rate=22_050)),
    "mp3 of 8 kHz": ("mp3", made("mp3", "mp3", rate=8_000, bits=8_000)),
    "mp3 with a cover": ("mp3", made("mp3", "mp3", cover=True)),
    "mp3 with tags at both ends": ("mp3", id3v2() + PLAIN_MP3 + LYRICS + apev2() + ID3V1),
    "mp3 with padding": ("mp3", MP3 + bytes(2000)),
    "two mp3s in a row": ("mp3", PLAIN_MP3 + id3v2() + PLAIN_MP3),
    "flac": ("flac", FLAC),
    "flac of a pipe": ("flac", made("flac", "flac", pipe=True)),
    "flac with tags of mp3": ("flac", id3v2() + FLAC + ID3V1),
    "ogg opus": ("ogg", made("ogg", "libopus", rate=48_000)),
    "ogg of a pipe": ("ogg", made("ogg", "libopus", rate=48_000, pipe=True)),
    "m4a": ("m4a", M4A),
    "m4a for the web": ("m4a", made("ipod", "aac", options={"movflags": "+faststart"})),
    "m4a in fragments": ("m4a", made("mp4", "aac", options=FRAGMENTS)),
    "m4a with a cover": ("m4a", made("mp4", "aac", cover=True)),
    "m4a without loss": ("m4a", made("ipod", "alac")),
    "aac": ("aac", AAC),
    "aac with a tag": ("aac", id3v2() + AAC),
}  # fmt: skip


@pytest.mark.parametrize("name", WILD)
def test_takes_what_is_in_the_wild(tmp_path: Path, name: str) -> None:
    kind, content = WILD[name]
    sniff_audio(content[:16])
    path = tmp_path / "upload"
    path.write_bytes(content)
    facts = probe_audio(path)
    assert facts.extension == kind
    times = 2 if name.startswith("two") else 1
    assert abs(facts.duration - SECONDS * times) < 0.15 * times


@given(st.binary(max_size=16))
def test_any_first_bytes_get_a_clear_answer(head: bytes) -> None:
    refused = False
    try:
        sniff_audio(head)
    except UnsupportedMediaError:
        refused = True
    assert refused or len(head) >= 3


STARTS = [content[:200] for content in (WAV, MP3, FLAC, AAC, M4A, WILD["ogg opus"][1], rf64(WAV))]


@given(
    start=st.sampled_from(STARTS),
    changes=st.lists(st.tuples(st.integers(0, 199), st.integers(0, 255)), max_size=8),
    tail=st.binary(max_size=64),
)
def test_nonsense_is_refused_or_taken_but_breaks_nothing(
    tmp_path_factory: pytest.TempPathFactory,
    start: bytes,
    changes: list[tuple[int, int]],
    tail: bytes,
) -> None:
    content = bytearray(start)
    for at, value in changes:
        content[min(at, len(content) - 1)] = value
    path = tmp_path_factory.getbasetemp() / "nonsense"
    path.write_bytes(bytes(content) + tail)
    with suppress(UnsupportedMediaError):
        assert audio_kind(path) in {"mp3", "wav", "ogg", "flac", "m4a", "aac"}
        assert probe_audio(path).duration > 0

"""What an audio file is, told by its content."""

from pathlib import Path
from typing import NamedTuple

import av
from av.error import FFmpegError
from av.stream import Disposition

from backend.utils.errors import UnsupportedMediaError

#: Container (as FFmpeg names it) and codec, to the extension that editors expect.
_KINDS = {
    ("mp3", "mp3"): "mp3",
    ("mp3", "mp3float"): "mp3",
    ("wav", None): "wav",
    ("ogg", None): "ogg",
    ("flac", "flac"): "flac",
    ("mov,mp4,m4a,3gp,3g2,mj2", "aac"): "m4a",
    ("mov,mp4,m4a,3gp,3g2,mj2", "alac"): "m4a",
    ("aac", "aac"): "aac",
}

#: A playlist or a script for FFmpeg may name other files and addresses: nothing of that kind is
#: even opened.
_ONLY = {"format_whitelist": "mp3,wav,ogg,flac,mov,aac", "protocol_whitelist": "file"}
#: Silence compresses a thousandfold: without a limit, 50 MB of it would decode for an hour.
LONGEST_SECONDS = 6 * 3600


class AudioFacts(NamedTuple):
    """`duration` in seconds, rounded to 1 ms."""

    extension: str
    duration: float


def probe_audio(path: Path) -> AudioFacts:
    """Decode a file's audio to its end. UnsupportedMediaError when it is none we take, or broken.

    Headers lie about the length of VBR and cut-off files, so the samples are counted.
    """
    try:
        with av.open(str(path), options=_ONLY) as container:
            extension = _kind(container)
            duration = _decoded_seconds(container)
    except (FFmpegError, ValueError) as error:
        raise UnsupportedMediaError(
            "This is no audio file that can be read: mp3, wav, ogg, flac, m4a and aac can."
        ) from error
    if duration <= 0:
        raise UnsupportedMediaError("The file holds no sound.")
    return AudioFacts(extension, round(duration, 3))


def _kind(container: av.container.InputContainer) -> str:
    if not container.streams.audio:
        raise UnsupportedMediaError("The file holds no sound.")
    # A cover picture is a video stream too; a film with sound is no music file.
    if any(not stream.disposition & Disposition.attached_pic for stream in container.streams.video):
        raise UnsupportedMediaError("This is a video; music must be an audio file.")
    context = container.streams.audio[0].codec_context
    if context is None:
        raise UnsupportedMediaError("The sound is in a codec that can't be decoded.")
    codec = context.name
    name = container.format.name
    extension = _KINDS.get((name, codec)) or _KINDS.get((name, None))
    if extension is None:
        raise UnsupportedMediaError(
            f"{name}/{codec} is not taken: use mp3, wav, ogg, flac, m4a or aac."
        )
    return extension


def _decoded_seconds(container: av.container.InputContainer) -> float:
    stream = container.streams.audio[0]
    rate = stream.rate or 0
    samples = 0
    for frame in container.decode(stream):
        samples += frame.samples
        if samples > LONGEST_SECONDS * rate:
            raise UnsupportedMediaError(f"Music may last {LONGEST_SECONDS // 3600} hours at most.")
    return samples / rate if rate else 0.0

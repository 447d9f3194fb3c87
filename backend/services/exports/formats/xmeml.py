"""xmeml 5, Final Cut Pro 7's XML, for Premiere Pro and for Resolve before 18.5.

Whole frames throughout. A file is described in full where it is first shown and referred to by
its id after that: repeated descriptions lose clips in Resolve. Without a size in the sequence's
format Resolve drops the timeline in silence.

Written as text: a film of 10,000 clips has 300,000 elements, and building each costs more than
all else. Whatever comes from people goes through `_escape`.
"""

from collections.abc import Iterator
from xml.sax.saxutils import escape as _escape

from backend.models.exports.frame_rate import FrameRate
from backend.models.exports.timeline import ClipItem, Media, MediaKind, Music, Timeline
from backend.services.exports.formats.media_url import media_url
from backend.services.exports.formats.names import one_line, xml_text

_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE xmeml>\n<xmeml version="5">'
_TAIL = "</xmeml>\n"
_SAMPLE_RATE = 48_000
_PIXELS = (
    "<anamorphic>FALSE</anamorphic><pixelaspectratio>square</pixelaspectratio>"
    "<fielddominance>none</fielddominance>"
)
_TRACK_STATE = "<enabled>TRUE</enabled><locked>FALSE</locked>"
#: What Premiere Pro itself writes before an absolute path.
_LOCAL = "file://localhost/"


def write(timeline: Timeline, *, media_root: str | None = None) -> bytes:
    """The document in UTF-8; `media_root` as in FCPXML.

    Clips carry their titles, files their names. Stereo music is two mono tracks that are linked.
    """
    return "\n".join((_HEAD, *_Writer(timeline, media_root).lines(), _TAIL)).encode()


class _Writer:
    def __init__(self, timeline: Timeline, media_root: str | None) -> None:
        self._timeline = timeline
        self._media_root = media_root
        self._rate = _rate(timeline.rate)
        self._files: dict[str, int] = {}
        self._items = 0

    def lines(self) -> Iterator[str]:
        """One line an element of the second rank, so that a difference can be read."""
        timeline = self._timeline
        title = _escape(one_line(timeline.name, fallback="Untitled"))
        yield f'<sequence id="sequence-1"><name>{title}</name>'
        yield f"<duration>{timeline.total_frames}</duration>{self._rate}"
        hour = timeline.rate.hour(drop_frame=timeline.drop_frame)
        yield self._timecode(hour, drop_frame=timeline.drop_frame)
        yield "<media>"
        yield from self._video()
        yield from self._audio()
        yield "</media>"
        for marker in timeline.markers:
            name = _escape(one_line(marker.name, fallback="Untitled"))
            yield (
                f"<marker><comment>{_escape(xml_text(marker.note))}</comment><name>{name}</name>"
                # a marker of a moment, not of a span
                f"<in>{marker.frame}</in><out>-1</out></marker>"
            )
        yield "</sequence>"

    def _timecode(self, frame: int, *, drop_frame: bool = False) -> str:
        text = self._timeline.rate.timecode(frame, drop_frame=drop_frame)
        return (
            f"<timecode>{self._rate}<string>{text}</string><frame>{frame}</frame>"
            f"<displayformat>{'DF' if drop_frame else 'NDF'}</displayformat></timecode>"
        )

    def _video(self) -> Iterator[str]:
        size = _size(self._timeline.width, self._timeline.height)
        yield "<video>"
        yield (
            f"<format><samplecharacteristics>{self._rate}{size}</samplecharacteristics></format>"
        )
        yield "<track>"
        for clip in self._timeline.clips:
            yield self._clip(clip)
        yield f"{_TRACK_STATE}</track>"
        yield "</video>"

    def _clip(self, clip: ClipItem) -> str:
        is_still = clip.media.kind is MediaKind.STILL
        note = xml_text(clip.note)
        details = "<stillframe>TRUE</stillframe>" if is_still else ""
        details += self._file(clip.media, clip.media.frames or clip.source_out)
        if note:
            details += f"<logginginfo><lognote>{_escape(note)}</lognote></logginginfo>"
        name = one_line(clip.name, fallback="Untitled")
        return self._item(name, clip, source_in=clip.source_in, details=details)

    def _audio(self) -> Iterator[str]:
        yield "<audio>"
        yield (
            "<numOutputChannels>2</numOutputChannels><format><samplecharacteristics>"
            f"<depth>16</depth><samplerate>{_SAMPLE_RATE}</samplerate>"
            "</samplecharacteristics></format>"
        )
        music = self._timeline.music
        if music:
            channels = _channels(music.media)
            links = "".join(_links(self._items + 1, channels)) if channels > 1 else ""
            for channel in range(1, channels + 1):
                yield "<track>"
                yield self._music(music, channel, links)
                yield f"{_TRACK_STATE}<outputchannelindex>{channel}</outputchannelindex></track>"
        yield "</audio>"

    def _music(self, music: Music, channel: int, links: str) -> str:
        details = (
            f"{self._file(music.media, music.media.frames)}<sourcetrack>"
            f"<mediatype>audio</mediatype><trackindex>{channel}</trackindex></sourcetrack>{links}"
        )
        return self._item(music.media.name, music, source_in=0, details=details)

    def _item(self, name: str, shown: ClipItem | Music, *, source_in: int, details: str) -> str:
        """`details` are what follows the place of the item: its file must be numbered by then."""
        self._items += 1
        length = shown.duration
        return (
            f'<clipitem id="clipitem-{self._items}">'
            f"<masterclipid>masterclip-{self._files[shown.media.id]}</masterclipid>"
            f"<name>{_escape(name)}</name><enabled>TRUE</enabled>"
            f"<duration>{shown.media.frames or source_in + length}</duration>{self._rate}"
            f"<start>{shown.offset}</start><end>{shown.offset + length}</end>"
            f"<in>{source_in}</in><out>{source_in + length}</out>{details}</clipitem>"
        )

    def _file(self, media: Media, frames: int) -> str:
        number = self._files.get(media.id)
        if number:
            return f'<file id="file-{number}"/>'
        number = self._files[media.id] = len(self._files) + 1
        return (
            f'<file id="file-{number}"><name>{_escape(media.name)}</name>'
            f"<pathurl>{_escape(_path_url(media.name, self._media_root))}</pathurl>"
            f"{self._rate}<duration>{frames}</duration>{self._timecode(0)}"
            f"<media>{self._stream(media)}</media></file>"
        )

    def _stream(self, media: Media) -> str:
        if media.kind is not MediaKind.AUDIO:
            size = _size(media.width, media.height)
            return (
                f"<video><samplecharacteristics>{self._rate}{size}</samplecharacteristics></video>"
            )
        rate = media.audio.sample_rate if media.audio else None
        return (
            "<audio><samplecharacteristics><depth>16</depth>"
            f"<samplerate>{rate or _SAMPLE_RATE}</samplerate></samplecharacteristics>"
            f"<channelcount>{media.audio.channels if media.audio else 2}</channelcount></audio>"
        )


def _channels(media: Media) -> int:
    """Tracks that the music takes: one for mono, else the two of stereo."""
    return 1 if media.audio and media.audio.channels == 1 else 2


def _links(first: int, channels: int) -> Iterator[str]:
    """Each half of a stereo pair names both."""
    for number in range(channels):
        yield (
            f"<link><linkclipref>clipitem-{first + number}</linkclipref>"
            f"<mediatype>audio</mediatype><trackindex>{number + 1}</trackindex>"
            "<clipindex>1</clipindex><groupindex>1</groupindex></link>"
        )


def _path_url(name: str, media_root: str | None) -> str:
    """`file://localhost/…`, with the colon of a drive encoded, as Premiere writes it."""
    url = media_url(name, media_root)
    if not url.startswith("file:///"):
        return url
    return _LOCAL + url.removeprefix("file:///").replace(":", "%3a", 1)


def _rate(rate: FrameRate) -> str:
    ntsc = "TRUE" if rate.denominator == 1001 else "FALSE"
    return f"<rate><timebase>{rate.nominal}</timebase><ntsc>{ntsc}</ntsc></rate>"


def _size(width: int, height: int) -> str:
    return f"<width>{width}</width><height>{height}</height>{_PIXELS}"

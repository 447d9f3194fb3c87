"""FCPXML 1.10 for Final Cut Pro and DaVinci Resolve.

1.10 is the newest version that Final Cut Pro 10.6+ and Resolve 18.5+ both read. The order of
elements is that of Apple's DTD; a file that breaks it is refused whole.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import Literal

from lxml import etree

from backend.models.frame_rate import FrameRate
from backend.models.timeline import ClipItem, Gap, Item, Marker, Media, MediaKind, Music, Timeline
from backend.services.exporters.media_url import media_url
from backend.services.exporters.names import one_line, xml_text

Variant = Literal["fcp", "resolve"]

_Element = etree._Element  # noqa: SLF001 - lxml has no public name for the type
_REC_709 = "1-1-1 (Rec. 709)"
#: What Final Cut Pro writes for files without a frame rate: stills and sound.
_NO_RATE = "FFVideoFormatRateUndefined"
_SRGB = "1-13-1"
_NAMED_SIZES = {(1920, 1080): "1080p", (1280, 720): "720p", (3840, 2160): "3840x2160p"}


def write(timeline: Timeline, *, variant: Variant = "fcp", media_root: str | None = None) -> bytes:
    """The document in UTF-8.

    `media_root` is the folder that will hold the media, an absolute path of any system; without
    it the files are looked for in `./media/` beside the document. Resolve relinks by file name,
    so its variant names each clip after its file and keeps the title in the note.
    """
    root = etree.Element("fcpxml", version="1.10")
    resources = _Resources(_add(root, "resources"), timeline, media_root)
    name = one_line(timeline.name, fallback="Untitled")
    event = _add(_add(root, "library"), "event", name=name)
    project = _add(event, "project", name=name)
    _Spine(timeline, resources, variant).write_into(_sequence(project, timeline, resources))
    return etree.tostring(
        root,
        xml_declaration=True,
        encoding="UTF-8",
        doctype="<!DOCTYPE fcpxml>",
        pretty_print=True,
    )


def _sequence(project: _Element, timeline: Timeline, resources: "_Resources") -> _Element:
    return _add(
        project,
        "sequence",
        format=resources.sequence_format,
        duration=timeline.rate.fcpxml_time(timeline.total_frames),
        tcStart="0s",
        tcFormat="DF" if timeline.drop_frame else "NDF",
        audioLayout="stereo",
        audioRate="48k",
    )


class _Resources:
    """Formats and assets, each written once, when first referred to."""

    def __init__(self, parent: _Element, timeline: Timeline, media_root: str | None) -> None:
        self._parent = parent
        self._rate = timeline.rate
        self._media_root = media_root
        self._formats: dict[tuple[bool, int, int], str] = {}
        self._assets: dict[str, str] = {}
        self.sequence_format = self._video_format(timeline.width, timeline.height)

    def asset(self, media: Media) -> str:
        known = self._assets.get(media.id)
        if known is None:
            known = self._assets[media.id] = self._add_asset(media)
        return known

    def silent_format(self) -> str:
        """The format of sound: no rate, no size."""
        return self._format(has_rate=False, size=(0, 0))

    def _add_asset(self, media: Media) -> str:
        facts = self._picture(media) | _sound(media)
        asset_id = self._next_id()
        asset = _add(
            self._parent,
            "asset",
            id=asset_id,
            name=media.name,
            start="0s",
            duration=self._rate.fcpxml_time(media.frames),
            **facts,
        )
        url = media_url(media.name, self._media_root)
        _add(asset, "media-rep", kind="original-media", src=url)
        return asset_id

    def _picture(self, media: Media) -> dict[str, str]:
        if media.kind is MediaKind.AUDIO:
            return {}
        size = (media.width, media.height)
        if media.kind is MediaKind.VIDEO:
            format_id = self._video_format(*size)
        else:
            format_id = self._format(has_rate=False, size=size)
        return {"format": format_id, "hasVideo": "1", "videoSources": "1"}

    def _video_format(self, width: int, height: int) -> str:
        return self._format(has_rate=True, size=(width, height))

    def _format(self, *, has_rate: bool, size: tuple[int, int]) -> str:
        key = (has_rate, *size)
        known = self._formats.get(key)
        if known is None:
            known = self._formats[key] = self._next_id()
            facts = _rated_format(self._rate, size) if has_rate else _unrated_format(size)
            _add(self._parent, "format", id=known, **facts)
        return known

    def _next_id(self) -> str:
        return f"r{len(self._formats) + len(self._assets) + 1}"


class _Spine:
    """Writes items with what hangs on them: notes, music, markers, in the DTD's order."""

    def __init__(self, timeline: Timeline, resources: _Resources, variant: Variant) -> None:
        self._timeline = timeline
        self._resources = resources
        self._variant = variant
        self._time = timeline.rate.fcpxml_time

    def write_into(self, sequence: _Element) -> None:
        spine = _add(sequence, "spine")
        items = self._timeline.items
        marks = _by_item(items, self._timeline.markers)
        music = self._timeline.music
        for index, item in enumerate(items):
            element = self._gap(spine, item) if isinstance(item, Gap) else self._clip(spine, item)
            if music and item.offset <= music.offset < item.end:
                self._add_music(element, item, music)
            for marker in (*marks.get(index, ()), *_name_of_gap(item)):
                self._add_marker(element, item, marker)

    def _clip(self, spine: _Element, clip: ClipItem) -> _Element:
        title = one_line(clip.name, fallback="Untitled")
        is_resolve = self._variant == "resolve"
        note = f"{title}\n{clip.note}" if is_resolve else clip.note
        # Final Cut Pro crashes on an asset-clip of a still.
        tag = "video" if clip.media.kind is MediaKind.STILL else "asset-clip"
        element = _add(
            spine,
            tag,
            ref=self._resources.asset(clip.media),
            offset=self._time(clip.offset),
            name=clip.media.name if is_resolve else title,
            start=self._time(clip.source_in),
            duration=self._time(clip.duration),
        )
        _add_note(element, note)
        return element

    def _gap(self, spine: _Element, gap: Gap) -> _Element:
        element = _add(
            spine,
            "gap",
            name="Gap",
            offset=self._time(gap.offset),
            start="0s",
            duration=self._time(gap.duration),
        )
        _add_note(element, gap.note)
        return element

    def _add_music(self, element: _Element, parent: Item, music: Music) -> None:
        """`offset` is in the time of the item that carries the music, not of the sequence."""
        _add(
            element,
            "asset-clip",
            ref=self._resources.asset(music.media),
            lane="-1",
            offset=self._time(_local(parent, music.offset)),
            name=music.media.name,
            start="0s",
            duration=self._time(music.duration),
            format=self._resources.silent_format(),
            audioRole="music",
        )

    def _add_marker(self, element: _Element, parent: Item, marker: Marker) -> None:
        attributes = {
            "start": self._time(_local(parent, marker.frame)),
            "duration": self._time(1),
            "value": one_line(marker.name, fallback="Untitled"),
        }
        note = one_line(marker.note, fallback="")
        if note:
            attributes["note"] = note
        _add(element, "marker", **attributes)


def _add(parent: _Element, tag: str, /, **attributes: str) -> _Element:
    element: _Element = etree.SubElement(parent, tag, attributes)
    return element


def _by_item(items: Sequence[Item], markers: Sequence[Marker]) -> dict[int, list[Marker]]:
    offsets = [item.offset for item in items]
    found: dict[int, list[Marker]] = {}
    for marker in markers:
        found.setdefault(bisect_right(offsets, marker.frame) - 1, []).append(marker)
    return found


def _name_of_gap(item: Item) -> Iterator[Marker]:
    """A clip without media leaves its name where it would have been."""
    if isinstance(item, Gap) and item.clip_id:
        yield Marker(item.offset, item.name)


def _local(item: Item, frame: int) -> int:
    start = item.source_in if isinstance(item, ClipItem) else 0
    return start + frame - item.offset


def _add_note(element: _Element, note: str) -> None:
    text = xml_text(note)
    if text:
        _add(element, "note").text = text


def _sound(media: Media) -> dict[str, str]:
    if media.audio is None:
        return {}
    facts = {"hasAudio": "1", "audioSources": "1", "audioChannels": str(media.audio.channels)}
    if media.audio.sample_rate:
        facts["audioRate"] = str(media.audio.sample_rate)
    return facts


def _rated_format(rate: FrameRate, size: tuple[int, int]) -> dict[str, str]:
    """Apple's name for it only where one truly matches; other sizes go without, as FCP does."""
    prefix = _NAMED_SIZES.get(size)
    digits = f"{rate.fps:.4g}".replace(".", "")
    name = {"name": f"FFVideoFormat{prefix}{digits}"} if prefix else {}
    return name | {"frameDuration": rate.fcpxml_time(1)} | _size(size) | {"colorSpace": _REC_709}


def _unrated_format(size: tuple[int, int]) -> dict[str, str]:
    if size == (0, 0):
        return {"name": _NO_RATE}
    return {"name": _NO_RATE} | _size(size) | {"colorSpace": _SRGB}


def _size(size: tuple[int, int]) -> dict[str, str]:
    return {"width": str(size[0]), "height": str(size[1])}

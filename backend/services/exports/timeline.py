"""Builds the Timeline that all exporters write. Pure: documents in, whole frames out.

Positions are added up in milliseconds over the whole film and each start and end is rounded by
itself, so that neither drift nor a doubled frame can arise (rounding lengths would do both).
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from backend.models.clip import Clip
from backend.models.exports.frame_rate import FrameRate, milliseconds
from backend.models.exports.timeline import (
    ClipItem,
    Gap,
    Item,
    Marker,
    Media,
    MediaKind,
    Music,
    Problem,
    ProblemCode,
    Timeline,
)
from backend.models.project import Project
from backend.models.scene import Scene
from backend.services.exports.timeline_media import (
    MediaFacts,
    MediaMaker,
    MediaMode,
    ShortVideo,
    shown_takes,
)

#: What a file's fault is called in a sentence about a clip's take or the music.
_FAULTS = {
    ProblemCode.MISSING_FILE: "is not in the upload folder",
    ProblemCode.EMPTY_FILE: "is empty",
    ProblemCode.DAMAGED_FILE: "is damaged",
}


def build_timeline(  # noqa: PLR0913 - a film, what is known of its media, and how to lay it
    project: Project,
    scenes: Sequence[Scene],
    clips: Sequence[Clip],
    media: Mapping[str, MediaFacts],
    *,
    include_alternates: bool = False,
    media_mode: MediaMode = "selected",
    short_video: ShortVideo = "gap",
) -> Timeline:
    """Lay the scenes one after another by `order`, their clips by position.

    `media` maps a take's id (and MUSIC) to what probing its file told; what is not in it is
    taken from the take's document. A later clip gives way to an earlier one: it loses its
    beginning, or moves behind if nothing of it would be left. Alternates, when asked for,
    follow the whole film, so that the film itself stays in step with its music. A clip longer
    than its video is followed by a gap; with `hold` its medium is as long as the clip, which
    only those may ask for who really lengthen the file by its last frame.
    `problems` says what was changed. UnprocessableError for a frame rate that no editor knows.
    """
    rate = FrameRate.of(project.fps)
    maker = MediaMaker(rate, (project.width, project.height), media)
    by_scene, orphans = _by_scene(scenes, clips)
    track = _Track(maker, media_mode, short_video, problems=orphans)
    for block in _main_blocks(scenes, by_scene):
        track.lay(block)
    music = _music(project, maker, track)
    if include_alternates:
        for block in _alternate_blocks(scenes, by_scene):
            track.lay(block)
    return Timeline(
        name=project.name,
        rate=rate,
        width=project.width,
        height=project.height,
        drop_frame=project.drop_frame and rate.supports_drop_frame,
        items=tuple(_held(track.items) if short_video == "hold" else track.items),
        markers=tuple(track.markers_inside()),
        music=music,
        problems=tuple(track.problems),
    )


@dataclass(frozen=True, slots=True)
class _Block:
    """Clips that share a marker. `in_a_row`: their positions don't count, they are alternates."""

    name: str
    note: str
    clips: Sequence[Clip]
    in_a_row: bool = False


@dataclass(frozen=True, slots=True)
class PlacedClip:
    """A clip and where it lies within its block, in milliseconds, after overlaps were solved."""

    clip: Clip
    start: int
    end: int
    gave_way: str = ""


@dataclass(slots=True)
class _Track:
    """The spine while it grows: frames for items, milliseconds for where the next block starts."""

    maker: MediaMaker
    mode: MediaMode
    short_video: ShortVideo = "gap"
    items: list[Item] = field(default_factory=list)
    markers: list[Marker] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    end: int = 0
    end_ms: int = 0
    blocks: int = 0
    _made: dict[str, Media] = field(default_factory=dict)

    def lay(self, block: _Block) -> None:
        self.blocks += 1
        start_ms = self.end_ms
        start = max(self.end, self.maker.rate.frames_of_ms(start_ms))
        self.markers.append(Marker(start, block.name, block.note))
        for number, placed in enumerate(
            placed_clips(block.clips, in_a_row=block.in_a_row), start=1
        ):
            self._place(placed, start_ms, (self.blocks, number))
            self.end_ms = start_ms + placed.end

    def markers_inside(self) -> Iterator[Marker]:
        """An empty last scene would mark the frame after the film, where nothing can carry it."""
        for marker in self.markers if self.end else ():
            yield Marker(min(marker.frame, self.end - 1), marker.name, marker.note)

    def _place(self, placed: PlacedClip, start_ms: int, place: tuple[int, int]) -> None:
        clip = placed.clip
        if placed.gave_way:
            self._report(ProblemCode.OVERLAP, placed.gave_way, clip)
        start = max(self.end, self.maker.rate.frames_of_ms(start_ms + placed.start))
        # A clip shorter than half a frame still shows, for one frame.
        end = max(start + 1, self.maker.rate.frames_of_ms(start_ms + placed.end))
        if start > self.end:
            self._add(Gap(self.end, start - self.end))
        self._show(clip, end, place)

    def _show(self, clip: Clip, end: int, place: tuple[int, int]) -> None:
        medium = self._medium(clip, place)
        if medium is None:
            gap = Gap(self.end, end - self.end, clip.name, _note(clip), clip.id)
            self._add(gap)
            return
        length = end - self.end
        if medium.kind is MediaKind.VIDEO and medium.frames < length:
            length = self._length_of_short(clip, medium, length)
        self._add(
            ClipItem(self.end, length, medium, clip.name, clip.id, clip.scene_id, note=_note(clip))
        )
        if self.end < end:
            self._add(Gap(self.end, end - self.end))

    def _length_of_short(self, clip: Clip, medium: Media, length: int) -> int:
        is_held = self.short_video == "hold"
        then = "its last frame is held" if is_held else "a gap follows it"
        sentence = f"The video of clip '{clip.name}' is shorter than the clip; {then}."
        self._report(ProblemCode.SHORT_VIDEO, sentence, clip)
        return length if is_held else medium.frames

    def _medium(self, clip: Clip, place: tuple[int, int]) -> Media | None:
        """What the clip shows; a take shown twice is one file under its first name."""
        for take in shown_takes(clip):
            facts = self.maker.facts_of(take)
            if facts.fault:
                sentence = f"The {take.content_type} of clip '{clip.name}' {_FAULTS[facts.fault]}."
                self._report(facts.fault, sentence, clip)
                continue
            made = self._made.get(take.id) or self.maker.take(take, facts, clip, place)
            if made is not None:
                return self._made.setdefault(take.id, made)
            sentence = f"The length of the video of clip '{clip.name}' is unknown."
            self._report(ProblemCode.UNKNOWN_LENGTH, sentence, clip)
        self._report(ProblemCode.NO_MEDIA, f"Clip '{clip.name}' has nothing to show.", clip)
        return self.maker.placeholder(clip, place) if self.mode == "placeholder" else None

    def _add(self, item: Item) -> None:
        self.items.append(item)
        self.end = item.end

    def _report(self, code: ProblemCode, message: str, clip: Clip) -> None:
        self.problems.append(Problem(code, message, clip.id))


def _held(items: Sequence[Item]) -> Iterator[Item]:
    """Give each video the length of the longest stretch that is shown of it."""
    needed: dict[str, int] = {}
    for item in items:
        if isinstance(item, ClipItem) and item.media.kind is MediaKind.VIDEO:
            longest = max(item.source_out, item.media.frames, needed.get(item.media.id, 0))
            needed[item.media.id] = longest
    made: dict[str, Media] = {}
    for item in items:
        if isinstance(item, ClipItem) and item.media.id in needed:
            frames = needed[item.media.id]
            medium = made.setdefault(item.media.id, replace(item.media, frames=frames))
            yield replace(item, media=medium)
        else:
            yield item


def placed_clips(clips: Iterable[Clip], *, in_a_row: bool = False) -> Iterator[PlacedClip]:
    """Each clip after the ones before it, by position. Whoever comes later gives way.

    `in_a_row` forgets the positions and lays each clip where the one before ends.
    """
    cursor = 0
    for clip in sorted(clips, key=_by_position):
        start, length = milliseconds(clip.timeline_position), milliseconds(clip.length)
        end = start + length
        gave_way = ""
        if in_a_row:
            start, end = cursor, cursor + length
        elif end <= cursor and start < cursor:
            gave_way = f"Clip '{clip.name}' lies under an earlier one and was moved behind it."
            start, end = cursor, cursor + length
        elif start < cursor:
            gave_way = f"Clip '{clip.name}' overlaps an earlier one and starts later."
            start = cursor
        cursor = end
        yield PlacedClip(clip, start, end, gave_way)


def _by_position(clip: Clip) -> tuple[float, int, datetime, str]:
    """Down to the id, since repositories promise no order and exports must repeat."""
    return clip.timeline_position, clip.order, clip.created_at, clip.id


def story_order(scenes: Iterable[Scene]) -> list[Scene]:
    """Down to the id, as repositories list them."""
    return sorted(scenes, key=lambda scene: (scene.order, scene.created_at, scene.id))


def _by_scene(
    scenes: Iterable[Scene], clips: Iterable[Clip]
) -> tuple[Mapping[str, list[Clip]], list[Problem]]:
    known = {scene.id for scene in scenes}
    found: defaultdict[str, list[Clip]] = defaultdict(list)
    orphans = []
    for clip in clips:
        if clip.scene_id in known:
            found[clip.scene_id].append(clip)
        else:
            message = f"Clip '{clip.name}' belongs to no scene and was left out."
            orphans.append(Problem(ProblemCode.ORPHAN_CLIP, message, clip.id))
    return found, orphans


def _main_blocks(
    scenes: Iterable[Scene], by_scene: Mapping[str, Sequence[Clip]]
) -> Iterator[_Block]:
    for scene in story_order(scenes):
        if not scene.is_alternate:
            yield _main_block(scene, by_scene)


def _alternate_blocks(
    scenes: Iterable[Scene], by_scene: Mapping[str, Sequence[Clip]]
) -> Iterator[_Block]:
    """First the alternate clips of each scene of the film, then the alternate scenes."""
    ordered = sorted(scenes, key=lambda s: (s.is_alternate, s.order, s.alternate_number, s.id))
    for scene in ordered:
        if scene.is_alternate:
            yield _main_block(scene, by_scene)
        spare = [clip for clip in by_scene.get(scene.id, ()) if clip.is_alternate]
        if spare:
            yield _Block(f"{scene.name} (alternates)", "", spare, in_a_row=True)


def _main_block(scene: Scene, by_scene: Mapping[str, Sequence[Clip]]) -> _Block:
    clips = [clip for clip in by_scene.get(scene.id, ()) if not clip.is_alternate]
    return _Block(scene.name, _lines(scene.description, scene.lyrics), clips)


def _music(project: Project, maker: MediaMaker, track: _Track) -> Music | None:
    """From the first frame to the film's last; alternates behind the film play without it."""
    if not project.music_file_path:
        return None
    why = _why_silent(project, maker, track)
    medium = maker.music(project)
    if why or medium is None:
        message = f"The music was left out: {why or 'its length is unknown'}."
        track.problems.append(Problem(ProblemCode.MUSIC_LEFT_OUT, message))
        return None
    return Music(medium, 0, min(track.end, medium.frames))


def _why_silent(project: Project, maker: MediaMaker, track: _Track) -> str:
    fault = maker.music_facts(project).fault
    if fault:
        return f"its file {_FAULTS[fault]}"
    return "" if track.end else "there is no picture to play it under"


def _note(clip: Clip) -> str:
    return _lines(clip.lyrics, clip.image_prompt, clip.video_prompt)


def _lines(*texts: str) -> str:
    return "\n".join(text for text in dict.fromkeys(texts) if text)

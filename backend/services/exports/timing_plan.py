"""How clips must lie so that the film is cut as an editor cut it. Pure: documents in, moves out.

What an editor left alone stays as it is stored, to the millisecond: a cut is compared in frames,
and only what differs there is worked out anew. So an export that comes back unchanged changes
nothing.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from backend.models.clip import Clip
from backend.models.exports.cut import Cut, CutItem
from backend.models.exports.frame_rate import FrameRate, milliseconds
from backend.models.exports.timeline import ClipItem, Item, MediaKind, Timeline
from backend.models.exports.timing import Remark, TimingChange, TimingPlan
from backend.models.scene import Scene
from backend.services.exports.timeline import PlacedClip, placed_clips, story_order
from backend.services.exports.timing_names import NameIndex
from backend.utils.timeline_validator import LATEST_START

#: No clip is longer, in milliseconds: the contract's 10,000 s.
_LONGEST = 10_000_000


class _Span(NamedTuple):
    """Frames of the film; what a cut says of one clip."""

    start: int
    end: int

    @classmethod
    def of(cls, item: CutItem, rate: FrameRate) -> "_Span":
        start, end = (rate.nearest_frame(seconds) for seconds in (item.start, item.end))
        return cls(start, max(start + 1, end))


def plan_timing(
    timeline: Timeline, scenes: Sequence[Scene], clips: Sequence[Clip], cut: Cut, book: NameIndex
) -> TimingPlan:
    """What to change so that `timeline`, which these documents give now, becomes the cut.

    Clips stay in their scenes. A cut that plays a scene's clip before the scene begins gives a
    conflict; nothing may be written then.
    """
    matched = _Matched(timeline, clips, book)
    for item in cut.items:
        matched.take(item)
    scenes_in_order = [scene for scene in story_order(scenes) if not scene.is_alternate]
    layout = _Layout(timeline, matched.spans)
    for scene in scenes_in_order:
        layout.lay([c for c in clips if c.scene_id == scene.id and not c.is_alternate])
    touched = [change for change in layout.changes if change.clip_id in matched.spans]
    return TimingPlan(
        format=cut.format,
        changes=tuple(layout.changes),
        unchanged=len(matched.spans) - len(touched),
        conflicts=tuple(layout.conflicts),
        remarks=(*matched.remarks, *matched.not_in_cut()),
        spans=dict(matched.spans),
    )


def differences(plan: TimingPlan, after: Timeline) -> Iterator[Remark]:
    """Where the film, built anew with the changes, is still not the cut."""
    shown = {item.clip_id: item for item in after.items if item.clip_id}
    for clip_id, (start, end) in plan.spans.items():
        item = shown[clip_id]
        is_short = isinstance(item, ClipItem) and item.media.frames == item.duration
        if item.offset != start or (item.end != end and not is_short):
            words = f"Clip '{item.name}' will still lie or last otherwise than in the cut."
            yield Remark("differs", words, clip_id)


@dataclass(slots=True)
class _Matched:
    """Which clip each stretch of the cut is."""

    timeline: Timeline
    clips: Sequence[Clip]
    book: NameIndex
    spans: dict[str, _Span] = field(default_factory=dict)
    remarks: list[Remark] = field(default_factory=list)
    items: dict[str, Item] = field(init=False)

    def __post_init__(self) -> None:
        self.items = {item.clip_id: item for item in self.timeline.items if item.clip_id}

    def take(self, item: CutItem) -> None:
        candidates = [found for found in self.book.find(item) if found in self.items]
        name = next(iter(item.names), "")
        if not candidates:
            self._remark("unknown", f"'{name}' is no clip of this film and was passed over.", None)
            return
        fresh = next((found for found in candidates if found not in self.spans), None)
        if fresh is None:
            words = f"'{name}' is used more than once; only its first use counts."
            self._remark("repeated", words, candidates[0])
            return
        self.spans[fresh] = _Span.of(item, self.timeline.rate)
        self._look_at_source(item, fresh)

    def not_in_cut(self) -> Iterator[Remark]:
        for clip in self.clips:
            if clip.id in self.items and clip.id not in self.spans:
                words = f"Clip '{clip.name}' is not in the cut and stays where it is."
                yield Remark("not_in_cut", words, clip.id)

    def _look_at_source(self, item: CutItem, clip_id: str) -> None:
        laid = self.items[clip_id]
        if item.has_speed:
            words = f"The speed of clip '{laid.name}' was changed, which is not taken over."
            self._remark("speed", words, clip_id)
        is_video = isinstance(laid, ClipItem) and laid.media.kind is MediaKind.VIDEO
        if is_video and item.source_in and self.timeline.rate.nearest_frame(item.source_in) > 0:
            words = f"The beginning of clip '{laid.name}' was trimmed; it will play from its start."
            self._remark("trimmed_beginning", words, clip_id)

    def _remark(self, code: str, words: str, clip_id: str | None) -> None:
        self.remarks.append(Remark(code, words, clip_id))


@dataclass(slots=True)
class _Layout:
    """Scenes laid one after another, as they are and as they will be, in milliseconds."""

    timeline: Timeline
    spans: Mapping[str, _Span]
    changes: list[TimingChange] = field(default_factory=list)
    conflicts: list[Remark] = field(default_factory=list)
    old_start: int = 0
    new_start: int = 0
    items: dict[str, Item] = field(init=False)

    def __post_init__(self) -> None:
        self.items = {item.clip_id: item for item in self.timeline.items if item.clip_id}

    def lay(self, clips: Sequence[Clip]) -> None:
        placed = list(placed_clips(clips))
        if not placed:
            return
        moved = [self._moved(each) for each in placed]
        if any(each is not None for each in moved):
            moved = [each or self._as_shown(old) for each, old in zip(moved, placed, strict=True)]
        new_clips = [_changed(old.clip, new) for old, new in zip(placed, moved, strict=True)]
        for old, new in zip(placed, new_clips, strict=True):
            self._note(old.clip, new)
        self.old_start += placed[-1].end
        self.new_start += max(each.end for each in placed_clips(new_clips))

    def _moved(self, placed: PlacedClip) -> tuple[int, int] | None:
        """The new start and length within the scene; None where both may stay as they are."""
        span = self.spans.get(placed.clip.id)
        if span is None:
            return None
        laid = self.items[placed.clip.id]
        if self.new_start == self.old_start and span == (laid.offset, laid.end):
            return None
        start = placed.start if self._begins(placed.start, span) else self._relative(span.start)
        length = placed.end - placed.start
        kept = start == placed.start
        is_same_length = span.end - span.start == laid.duration
        # Beside its own end a clip may have that of a video which is shorter.
        is_short = self._frame(self.old_start + placed.end) - laid.offset > laid.duration
        if not (is_same_length and (is_short or self._ends(start + length, span))):
            length = self._relative(span.end) - start
        return None if kept and length == placed.end - placed.start else (start, length)

    def _as_shown(self, placed: PlacedClip) -> tuple[int, int] | None:
        """In a scene that changes, a clip that gave way stays where it was shown."""
        return (placed.start, placed.end - placed.start) if placed.gave_way else None

    def _begins(self, start: int, span: _Span) -> bool:
        return self._frame(self.new_start + start) == span.start

    def _ends(self, end: int, span: _Span) -> bool:
        return self._frame(self.new_start + end) == span.end

    def _frame(self, ms: int) -> int:
        return self.timeline.rate.frames_of_ms(ms)

    def _relative(self, frame: int) -> int:
        return self.timeline.rate.ms_of_frame(frame) - self.new_start

    def _note(self, old: Clip, new: Clip) -> None:
        if new is old:
            return
        change = TimingChange(
            clip_id=old.id,
            clip_name=old.name,
            scene_id=old.scene_id,
            old_position=old.timeline_position,
            new_position=new.timeline_position,
            old_length=old.length,
            new_length=new.length,
        )
        self.changes.append(change)
        for words in _impossible(change):
            self.conflicts.append(Remark("conflict", words, old.id))


def _changed(clip: Clip, new: tuple[int, int] | None) -> Clip:
    if new is None:
        return clip
    start, length = new
    if (start, length) == (milliseconds(clip.timeline_position), milliseconds(clip.length)):
        return clip
    return clip.model_copy(update={"timeline_position": start / 1000, "length": length / 1000})


def _impossible(change: TimingChange) -> Iterable[str]:
    start, length = milliseconds(change.new_position), milliseconds(change.new_length)
    if start < 0:
        yield (
            f"Clip '{change.clip_name}' would begin {-change.new_position:g} s before its scene:"
            " an earlier scene reaches that far, perhaps by a clip that is not in the cut."
        )
    if start > LATEST_START or length > _LONGEST:
        yield f"Clip '{change.clip_name}' would lie or last beyond 10,000 s."
    if length < 1:
        yield f"Clip '{change.clip_name}' would last no time."

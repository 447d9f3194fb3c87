"""A film's clips in story order, cut into windows that are quick to read. Pure.

No query sorts or skips on the database: that costs what the filter matches, not what it gives.
A window is a few whole scenes, or a stretch of one long scene between two positions.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

#: Clips that are read and written at a time: what this takes of the event loop is not felt.
WINDOW_CLIPS: Final = 200
#: Scenes that one query may name; more slow the embedded database down.
WINDOW_SCENES: Final = 10


class Mark(NamedTuple):
    """`before` clips of the scene lie before `position` (seconds)."""

    before: int
    position: float


class Layout(NamedTuple):
    """How many clips a scene holds, alternates too, and where it can be cut."""

    size: int
    marks: tuple[Mark, ...] = ()


class Piece(NamedTuple):
    """A part of a scene: what lies from `low` to before `high`, less `drop` clips, at most `take`.

    None is no bound. Without bounds of any kind it is the whole scene.
    """

    scene_id: str
    low: float | None = None
    high: float | None = None
    drop: int = 0
    take: int | None = None


Window = tuple[Piece, ...]


def layout_of(positions: Sequence[float]) -> Layout:
    """Positions are seconds, in order. Clips at one position are never cut apart."""
    marks: list[Mark] = []
    due = WINDOW_CLIPS
    for index in range(1, len(positions)):
        if index >= due and positions[index] != positions[index - 1]:
            marks.append(Mark(index, positions[index]))
            due = index + WINDOW_CLIPS
    return Layout(len(positions), tuple(marks))


def windows_of(scenes: Iterable[tuple[str, Layout]]) -> Iterator[Window]:
    """Cut whole scenes, in this order, into windows."""
    yield from _grouped(
        (piece, size)
        for scene_id, layout in scenes
        for piece, _, size in _stretches(scene_id, layout)
    )


def windows_of_page(
    scenes: Iterable[tuple[str, Layout]], *, skip: int, limit: int
) -> Iterator[Window]:
    """Cut what a page shows of these scenes into windows."""
    yield from _grouped(_pieces_of_page(scenes, skip, skip + limit))


def _pieces_of_page(
    scenes: Iterable[tuple[str, Layout]], first: int, end: int
) -> Iterator[tuple[Piece, int]]:
    before = 0
    for scene_id, layout in scenes:
        for piece, index, size in _stretches(scene_id, layout):
            start = before + index
            drop, stop = max(0, first - start), min(size, end - start)
            if drop < stop:
                yield piece._replace(drop=drop, take=stop - drop), size
        before += layout.size


def _stretches(scene_id: str, layout: Layout) -> Iterator[tuple[Piece, int, int]]:
    """Give the parts of a scene, each with the index of its first clip and its size.

    The first and the last are open, so that together they hold every clip, marks or no marks.
    """
    edges = (Mark(0, 0.0), *layout.marks)
    for number, edge in enumerate(edges):
        following = edges[number + 1] if number + 1 < len(edges) else None
        low = edge.position if number else None
        high = following.position if following else None
        end = following.before if following else layout.size
        yield Piece(scene_id, low, high), edge.before, end - edge.before


def _grouped(pieces: Iterable[tuple[Piece, int]]) -> Iterator[Window]:
    """Put small scenes that follow each other into one window."""
    window: list[Piece] = []
    clips = 0
    for piece, size in pieces:
        alone = piece.low is not None or piece.high is not None
        full = clips + size > WINDOW_CLIPS or len(window) == WINDOW_SCENES
        if window and (alone or full):
            yield tuple(window)
            window, clips = [], 0
        if alone:
            yield (piece,)
            continue
        window.append(piece)
        clips += size
    if window:
        yield tuple(window)

"""A film's clips in story order, cut into pieces that are quick to read. Pure.

No query sorts or skips on the database: that costs what the filter matches, not what it gives.
A piece is a scene, or a stretch of a long one between two positions. Each is one query: the
embedded database answers several short ones sooner than one that names several scenes.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

#: Clips that are read and written at a time: what this takes of the event loop is not felt.
PIECE_CLIPS: Final = 200


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


def layout_of(positions: Sequence[float]) -> Layout:
    """Positions are seconds, in order. Clips at one position are never cut apart."""
    marks: list[Mark] = []
    due = PIECE_CLIPS
    for index in range(1, len(positions)):
        if index >= due and positions[index] != positions[index - 1]:
            marks.append(Mark(index, positions[index]))
            due = index + PIECE_CLIPS
    return Layout(len(positions), tuple(marks))


def pieces_of(scenes: Iterable[tuple[str, Layout]]) -> Iterator[Piece]:
    """Cut whole scenes, in this order."""
    for scene_id, layout in scenes:
        for piece, _, _ in _stretches(scene_id, layout):
            yield piece


def pieces_of_page(
    scenes: Iterable[tuple[str, Layout]], *, skip: int, limit: int
) -> Iterator[Piece]:
    """Cut what a page shows of these scenes."""
    before, end = 0, skip + limit
    for scene_id, layout in scenes:
        for piece, index, size in _stretches(scene_id, layout):
            start = before + index
            drop, stop = max(0, skip - start), min(size, end - start)
            if drop < stop:
                yield piece._replace(drop=drop, take=stop - drop)
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

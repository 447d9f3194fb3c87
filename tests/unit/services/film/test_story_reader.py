"""Pages in pieces: together they show just what a page of the whole list would."""

from collections.abc import Iterable, Sequence

from hypothesis import given
from hypothesis import strategies as st

from backend.services.film.story_reader import (
    PIECE_CLIPS,
    SceneLayout,
    SceneRange,
    layout_of,
    pieces_of,
    pieces_of_page,
)

#: Positions of a scene's clips, in order: many, with many at one place.
SCENES = st.lists(
    st.builds(
        lambda count, step: [float(n // step) for n in range(count)],
        st.integers(0, 900),
        st.integers(1, 300),
    ),
    max_size=4,
)

Film = Sequence[tuple[str, Sequence[float]]]


def named(scenes: Sequence[Sequence[float]]) -> Film:
    return [(f"scene {number}", positions) for number, positions in enumerate(scenes)]


def laid_out(film: Film) -> list[tuple[str, SceneLayout]]:
    return [(scene_id, layout_of(positions)) for scene_id, positions in film]


def shown(film: Film, pieces: Iterable[SceneRange]) -> list[tuple[str, int]]:
    """What reading these pieces gives: clips as scene and index."""
    found: list[tuple[str, int]] = []
    for piece in pieces:
        matched = [
            (piece.scene_id, index)
            for index, position in enumerate(dict(film)[piece.scene_id])
            if (piece.low is None or position >= piece.low)
            and (piece.high is None or position < piece.high)
        ]
        end = None if piece.take is None else piece.drop + piece.take
        found += matched[piece.drop : end]
    return found


def whole(film: Film) -> list[tuple[str, int]]:
    return [(scene_id, index) for scene_id, all_ in film for index in range(len(all_))]


@given(scenes=SCENES, skip=st.integers(0, 2500), limit=st.integers(1, 500))
def test_a_page(scenes: list[list[float]], skip: int, limit: int) -> None:
    film = named(scenes)
    pieces = pieces_of_page(laid_out(film), skip=skip, limit=limit)
    assert shown(film, pieces) == whole(film)[skip : skip + limit]


@given(scenes=SCENES)
def test_a_whole_film(scenes: list[list[float]]) -> None:
    film = named(scenes)
    pieces = list(pieces_of(laid_out(film)))
    assert shown(film, pieces) == whole(film)
    assert {piece.scene_id for piece in pieces} == {scene_id for scene_id, _ in film}


@given(before=SCENES, after=SCENES)
def test_a_whole_film_that_changed_since_it_was_laid_out(
    before: list[list[float]], after: list[list[float]]
) -> None:
    """Marks of another day cut elsewhere; nothing is lost, nothing comes twice."""
    marks = dict(laid_out(named(before)))
    film = named(after)
    stale = [(scene_id, marks.get(scene_id, SceneLayout(0))) for scene_id, _ in film]
    assert shown(film, pieces_of(stale)) == whole(film)


def test_pieces_are_short_unless_clips_lie_at_one_place() -> None:
    apart = layout_of([float(number) for number in range(10_000)])
    assert len(apart.marks) == 10_000 // PIECE_CLIPS - 1
    assert layout_of([0.0] * 10_000) == SceneLayout(10_000)

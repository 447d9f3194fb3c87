"""Places in line, without a database."""

from collections import defaultdict
from datetime import UTC, datetime

from backend.models.content import ContentType
from backend.models.job import Job
from backend.repositories.jobs.line import JobPlaces, WaitingCounts

STRETCH = 16
NOW = datetime(2026, 3, 1, tzinfo=UTC)


class Waiting:
    """Numbers that wait, by priority; counts how often somebody looks."""

    def __init__(self, numbers: dict[int, list[int]]) -> None:
        self.numbers = numbers
        self.looks = 0

    async def look(self, priority: int, low: int, high: int) -> list[int]:
        self.looks += 1
        return [number for number in self.numbers[priority] if low <= number < high]

    def line(self) -> WaitingCounts:
        amounts: dict[int, dict[int, int]] = {}
        for priority, numbers in self.numbers.items():
            amounts[priority] = defaultdict(int)
            for number in numbers:
                amounts[priority][number // STRETCH] += 1
        return WaitingCounts(amounts)


def a_job(number: int, priority: int = 0) -> Job:
    return Job(
        id=str(number), number=number, priority=priority, project_id="p", scene_id="s",
        clip_id="c", generation_type=ContentType.IMAGE, created_at=NOW,
    )  # fmt: skip


async def test_a_full_line_needs_no_look() -> None:
    waiting = Waiting({0: list(range(1, 51))})
    places = JobPlaces(waiting.look, stretch=STRETCH)
    found = await places.places([a_job(n) for n in (1, 15, 16, 50)], waiting.line(), 50)
    assert found == {"1": 1, "15": 15, "16": 16, "50": 50}
    assert waiting.looks == 0


async def test_what_was_looked_at_is_remembered_until_it_changes() -> None:
    seconds = 0.0
    waiting = Waiting({0: [3, 5, 9, 40], 7: [6]})
    places = JobPlaces(waiting.look, stretch=STRETCH, seconds=lambda: seconds)
    asked = [a_job(9), a_job(6, 7)]
    for _ in range(3):
        assert await places.places(asked, waiting.line(), 40) == {"9": 4, "6": 1}
    assert waiting.looks == 2
    waiting.numbers[0].remove(3)
    assert await places.places(asked, waiting.line(), 40) == {"9": 3, "6": 1}
    assert waiting.looks == 3
    waiting.numbers[0][:] = [5, 9, 10]
    places.forget(0, 9)
    assert (await places.places([a_job(10)], waiting.line(), 40))["10"] == 4
    seconds = 60.0
    await places.places([a_job(10)], waiting.line(), 40)
    assert waiting.looks == 5


async def test_a_page_of_very_many_is_told_from_amounts_first_and_exactly_later() -> None:
    numbers = list(range(1, 6_000, 2))
    waiting = Waiting({0: numbers})
    places = JobPlaces(waiting.look, stretch=STRETCH)
    asked = [a_job(number) for number in numbers[::7]]
    exact = [index * 7 + 1 for index in range(len(asked))]
    first = list((await places.places(asked, waiting.line(), 6_000)).values())
    assert first[:20] == exact[:20]
    assert first == sorted(first)
    assert max(abs(a - b) for a, b in zip(first, exact, strict=True)) < STRETCH
    last = first
    for _ in range(6):
        last = list((await places.places(asked, waiting.line(), 6_000)).values())
    assert last == exact


def test_the_line_is_read_in_runs_that_hold_what_is_wanted() -> None:
    line = WaitingCounts({0: {0: 3, 1: 5, 4: 2, 9: 1}, 5: {2: 400}})
    assert list(line.runs(0, 4)) == [(0, 1), (4, 9)]
    assert list(line.runs(0, 100)) == [(0, 1), (4, 9)]  # not over the crowd of another priority
    assert list(line.runs(0, 1)) == [(0, 0), (1, 1), (4, 4), (9, 9)]
    assert list(line.runs(5, 50)) == [(2, 2)]
    assert list(line.runs(7, 50)) == []

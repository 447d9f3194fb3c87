"""One order for everybody, nothing twice, nothing lost in silence, and nobody is waited for."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.database import DatabaseManager
from backend.models.event import CHUNK_ROOM, Event, EventChunk, EventFilter, EventKind
from backend.repositories.event_repository import EventRepository
from backend.services.events.event_listener import Listener, StreamEndReason
from backend.services.events.event_outbox import CHUNK_EVENTS, Outbox
from backend.services.events.hub import EventHub, HubTiming
from backend.services.events.stream import EventStreams
from backend.utils.clock import utc_now
from backend.utils.errors import DatabaseUnavailableError
from tests.listening import eventually

QUICK = HubTiming(gather=0.002, progress=0.02, poll=0.01, pause=0.01)
ALL = EventFilter()


class Gate:
    """Open, until a test shuts it."""

    shut = False

    def __call__(self) -> None:
        if self.shut:
            raise DatabaseUnavailableError("The database is not reachable.")


class FlakyLog(EventRepository):
    """Its writes fail as told: "before" nothing was written, "after" the answer alone is lost."""

    def __init__(self, database: Any, gate: Any, faults: list[str]) -> None:
        super().__init__(database, gate)
        self._faults = faults

    async def append(self, chunk: EventChunk) -> bool:
        fault = self._faults.pop() if self._faults else ""
        await asyncio.sleep(0)
        if fault == "before":
            raise DatabaseUnavailableError("It broke off.")
        written = await super().append(chunk)
        if fault == "after":
            raise DatabaseUnavailableError("It broke off.")
        return written


@asynccontextmanager
async def database() -> AsyncIterator[Any]:
    manager = DatabaseManager("memory:", name="events", driver="motor")
    await manager.ensure_indexes({EventRepository.collection: EventRepository.indexes})
    await manager.start()
    try:
        yield manager.database()
    finally:
        await manager.stop()


@asynccontextmanager
async def running(*hubs: EventHub) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(hub.run()) for hub in hubs]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(end, asyncio.CancelledError) for end in ended), ended


@asynccontextmanager
async def hearing(hub: EventHub, wanted: EventFilter = ALL) -> AsyncIterator[list[Event]]:
    heard: list[Event] = []

    async def hear() -> None:
        async with hub.listen(wanted) as listener:
            while listener.ending is None:
                heard.extend(await listener.next(0.05))

    task = asyncio.create_task(hear())
    await eventually(lambda: hub.listening)
    yield heard
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def hub_on(database: Any, gate: Any = lambda: None, **changes: Any) -> EventHub:
    return EventHub(EventRepository(database, gate), clock=utc_now, **{"pace": QUICK, **changes})


def an_event(kind: EventKind = EventKind.JOB_STARTED, **about: Any) -> Event:
    return Event(kind=kind, at=utc_now(), **about)


def a_chunk(number: int, *events: Event) -> EventChunk:
    return EventChunk(id=str(number), number=0, events=events).placed_at(number)


def jobs_of(events: list[Event]) -> list[str]:
    return [event.job_id for event in events if event.job_id is not None]


class TestOutbox:
    def test_progress_gathers_and_the_latest_wins(self) -> None:
        outbox = Outbox()
        steps = [
            an_event(EventKind.JOB_PROGRESS, job_id=job, data={"step": step})
            for step in range(3)
            for job in "ab"
        ]
        assert [outbox.add(event) for event in steps] == [True] + [False] * 5
        assert not outbox.is_urgent
        assert outbox.take(an_event()) == ()
        outbox.release_latest()
        assert outbox.take(an_event()) == (steps[4], steps[5])
        assert len(outbox) == 0

    def test_no_progress_follows_the_end(self) -> None:
        outbox = Outbox()
        outbox.add(an_event(EventKind.JOB_PROGRESS, job_id="a"))
        outbox.add(an_event(EventKind.BATCH_UPDATED, batch_id="b"))
        end = an_event(EventKind.JOB_COMPLETED, job_id="a")
        outbox.add(end)
        outbox.release_latest()
        assert [event.kind for event in outbox.take(end)] == ["job.completed", "batch.updated"]

    def test_it_never_grows_beyond_its_room_and_says_so_once(self) -> None:
        outbox = Outbox(room=3)
        for number in range(5):
            outbox.add(an_event(job_id=str(number)))
            outbox.add(an_event(EventKind.JOB_PROGRESS, job_id=f"p{number}"))
        assert len(outbox) == 6
        outbox.release_latest()
        instead = an_event(EventKind.RESET)
        assert outbox.take(instead)[0] is instead
        outbox.add(an_event(job_id="9"))
        assert jobs_of(list(outbox.take(instead))) == ["9"]

    def test_a_chunk_has_a_size(self) -> None:
        outbox = Outbox()
        for number in range(CHUNK_EVENTS + 1):
            outbox.add(an_event(job_id=str(number)))
        assert len(outbox.take(an_event())) == CHUNK_EVENTS < CHUNK_ROOM
        assert len(outbox.take(an_event())) == 1


class TestFilter:
    ABOUT: ClassVar[dict[str, Any]] = {
        "project_id": "p",
        "job_id": "j",
        "clip_id": "c",
        "server_id": "s",
    }

    @pytest.mark.parametrize(
        ("wanted", "taken"),
        [
            ({}, True),
            ({"project_id": "p", "job_id": "j", "clip_id": "c", "server_id": "s"}, True),
            ({"project_id": "q"}, False),
            ({"job_id": "j", "clip_id": "d"}, False),
            ({"batch_id": "b"}, False),
            ({"types": frozenset({"job"})}, True),
            ({"types": frozenset({"server", "job.started"})}, True),
            ({"types": frozenset({"job.failed"})}, False),
        ],
    )
    def test_takes(self, wanted: dict[str, Any], taken: bool) -> None:
        assert EventFilter(**wanted).takes(an_event(**self.ABOUT)) is taken
        assert EventFilter(**wanted).takes(an_event(EventKind.RESET)) is True


def has_ended(listener: Listener) -> bool:
    return listener.ending is not None


class TestListener:
    async def test_a_slow_one_is_dropped_and_keeps_nothing(self) -> None:
        listener = Listener(EventFilter(job_id="a"), room=2)
        listener.put(a_chunk(1, an_event(job_id="a"), an_event(job_id="b"), an_event(job_id="a")))
        assert not has_ended(listener)
        assert listener.position == 1 * CHUNK_ROOM + CHUNK_ROOM - 1
        listener.put(a_chunk(2, an_event(job_id="a")))
        assert listener.ending is StreamEndReason.TOO_SLOW
        listener.put(a_chunk(3, an_event(job_id="a")))
        listener.end(StreamEndReason.CLOSING)
        assert listener.ending is StreamEndReason.TOO_SLOW
        assert await listener.next(1) == []

    async def test_what_waits_is_given_before_the_end(self) -> None:
        listener = Listener(ALL)
        listener.put(a_chunk(1, an_event(job_id="a")))
        listener.end(StreamEndReason.CLOSING)
        assert len(await listener.next(1)) == 1
        assert await listener.next(1) == []

    async def test_silence_ends_in_time(self) -> None:
        began = time.monotonic()
        assert await Listener(ALL).next(0.01) == []
        assert time.monotonic() - began < 1


class TestHub:
    async def test_publishing_costs_no_wait_and_no_database(self) -> None:
        async with database() as db:
            hub = hub_on(db)
            began = time.perf_counter()
            for number in range(1_000):
                hub.publish(EventKind.JOB_STARTED, job_id=str(number))
            assert (time.perf_counter() - began) / 1_000 < 0.001
            assert await db["events"].count_documents({}) == 0

    async def test_events_are_held_back_while_the_database_is_away(self) -> None:
        async with database() as db:
            gate = Gate()
            hub = hub_on(db, gate)
            async with running(hub), hearing(hub) as heard:
                hub.publish(EventKind.JOB_STARTED, job_id="before")
                await eventually(lambda: "before" in jobs_of(heard))
                gate.shut = True
                for number in range(120):
                    hub.publish(EventKind.JOB_STARTED, job_id=str(number))
                await asyncio.sleep(0.03)
                assert jobs_of(heard) == ["before"]
                gate.shut = False
                await eventually(lambda: len(jobs_of(heard)) == 121)
            assert jobs_of(heard) == ["before", *map(str, range(120))]

    async def test_what_is_left_at_the_end_is_written(self) -> None:
        async with database() as db:
            hub = hub_on(db, pace=HubTiming(gather=5))
            async with running(hub):
                await asyncio.sleep(0)
                hub.publish(EventKind.JOB_PROGRESS, job_id="a")
                hub.publish(EventKind.JOB_COMPLETED, job_id="b")
            (chunk,) = await db["events"].find({}).to_list(None)
            assert [event["kind"] for event in chunk["events"]] == [
                "reset", "job.completed", "job.progress",
            ]  # fmt: skip

    async def test_who_listens_alone_reads_nothing_of_before(self) -> None:
        async with database() as db:
            one, two = hub_on(db), hub_on(db)
            async with running(one, two):
                one.publish(EventKind.JOB_STARTED, job_id="old")
                await eventually(lambda: one._last is not None and not len(one._outbox))
                async with hearing(two) as heard:
                    one.publish(EventKind.JOB_STARTED, job_id="new")
                    await eventually(lambda: jobs_of(heard))
                    assert jobs_of(heard) == ["new"]

    async def test_the_log_is_trimmed_to_a_fixed_count(self) -> None:
        async with database() as db:
            pace = HubTiming(gather=0, progress=0.01, poll=0.01, keep=20, trim_every=10)
            hub = hub_on(db, pace=pace)
            async with running(hub):
                for number in range(60):
                    hub.publish(EventKind.JOB_STARTED, job_id=str(number))
                    await eventually(lambda: not len(hub._outbox) and not hub._unwritten)
            kept = [c["number"] for c in await db["events"].find({}).to_list(None)]
            assert 20 <= len(kept) <= 31
            assert sorted(kept) == list(range(min(kept), max(kept) + 1))
            again = hub_on(db)
            assert await again._head() == max(kept)

    async def test_a_process_that_slept_goes_on_at_the_end_with_a_reset(self) -> None:
        async with database() as db:
            one, two = hub_on(db), hub_on(db)
            async with running(one), hearing(one):
                one.publish(EventKind.JOB_STARTED, job_id="a")
                async with two.listen(ALL) as listener:
                    for number in range(30):
                        one.publish(EventKind.JOB_STARTED, job_id=str(number))
                        await eventually(lambda: not len(one._outbox) and not one._unwritten)
                    await one._log.trim((one._last or 0) - 3)
                    async with running(two):
                        await eventually(lambda: listener.position >= (one._last or 0) * CHUNK_ROOM)
                    heard = await listener.next(1)
            assert heard[-1].kind is EventKind.RESET or heard[-2].kind is EventKind.RESET
            assert {"behind"} <= {event.data.get("reason") for event in heard}


class TestResume:
    async def resumed(self, hub: EventHub, last: str, wanted: EventFilter = ALL) -> list[Event]:
        """What a stream says until the first sign of life."""
        stream = EventStreams(hub, heartbeat_seconds=0.02).open(wanted, last)
        told: list[Event] = []
        async for batch in stream.batches():
            if not batch:
                break
            told += batch
        return told

    async def test_each_point_of_the_log_gives_exactly_the_rest(self) -> None:
        async with database() as db:
            hub = hub_on(db)
            async with running(hub), hearing(hub) as heard:
                for number in range(230):
                    hub.publish(
                        EventKind.JOB_STARTED, job_id=str(number), project_id=str(number % 2)
                    )
                    if number % 20 == 0:
                        await asyncio.sleep(0.01)
                await eventually(lambda: len(jobs_of(heard)) == 230)
                for place in range(0, len(heard), 17):
                    rest = await self.resumed(hub, str(heard[place].id))
                    assert rest == heard[place + 1 :]
                odd = await self.resumed(hub, str(heard[5].id), EventFilter(project_id="1"))
                assert odd == [event for event in heard[6:] if event.project_id == "1"]

    @pytest.mark.parametrize("last", ["0", "abc", "99999999999999999999", "", "-5", "\u0661"])
    async def test_an_id_that_no_log_knows_brings_a_reset(self, last: str) -> None:
        async with database() as db:
            hub = hub_on(db)
            async with running(hub), hearing(hub) as heard:
                hub.publish(EventKind.JOB_STARTED, job_id="a")
                await eventually(lambda: jobs_of(heard))
                (reset,) = await self.resumed(hub, last)
                assert reset.kind is EventKind.RESET
                hub.publish(EventKind.JOB_STARTED, job_id="b")
                await eventually(lambda: jobs_of(heard) == ["a", "b"])
                assert jobs_of(await self.resumed(hub, str(reset.id))) == ["b"]

    async def test_older_than_the_log(self) -> None:
        async with database() as db:
            hub = hub_on(db)
            async with running(hub), hearing(hub) as heard:
                for number in range(5):
                    hub.publish(EventKind.JOB_STARTED, job_id=str(number))
                    await eventually(lambda: str(number) in jobs_of(heard))  # noqa: B023
                first, last = heard[0], heard[-1]
                await hub._log.trim(last.id // CHUNK_ROOM - 1)
                (reset,) = await self.resumed(hub, str(first.id))
                assert (reset.kind, reset.data) == (EventKind.RESET, {"reason": "log_too_short"})
                assert await self.resumed(hub, str(heard[-2].id)) == [last]

    async def test_it_waits_for_a_database_that_is_away_and_then_says_reset(self) -> None:
        async with database() as db:
            gate = Gate()
            hub = hub_on(db, gate)
            gate.shut = True
            stream = EventStreams(hub, heartbeat_seconds=5).open(ALL, None)
            async with running(hub):
                batches = stream.batches()
                assert await anext(batches) == []
                gate.shut = False
                (word,) = await anext(batches)
                assert word.kind is EventKind.RESET
                hub.close()
                await batches.aclose()

    async def test_closing_lets_everybody_go(self) -> None:
        async with database() as db:
            hub = hub_on(db)
            async with running(hub):
                stream = EventStreams(hub, heartbeat_seconds=60).open(ALL, None)
                batches = stream.batches()
                assert [event.kind for event in await anext(batches)] == ["hello"]
                hub.close()
                left = [batch async for batch in batches]
                assert [kind for batch in left for kind in [e.kind for e in batch]] in (
                    [],
                    ["reset"],
                )
                assert stream.ending is StreamEndReason.CLOSING
                late = EventStreams(hub, heartbeat_seconds=60).open(ALL, None)
                assert len([batch async for batch in late.batches()]) == 1


@settings(max_examples=25, deadline=None)
@given(
    bursts=st.lists(
        st.tuples(st.integers(0, 2), st.integers(1, 70), st.booleans()), min_size=1, max_size=12
    ),
    faults=st.lists(st.sampled_from(["", "before", "after"]), max_size=6),
    slow=st.integers(0, 2),
)
def test_all_hear_the_same_once_and_in_order(
    bursts: list[tuple[int, int, bool]], faults: list[str], slow: int
) -> None:
    """Three processes on one log, whose writes fail and whose answers are lost now and then."""

    async def play() -> None:
        async with database() as db:
            pace = HubTiming(gather=0.0, progress=0.01, poll=0.002, pause=0.01)
            hubs = [
                EventHub(
                    FlakyLog(db, lambda: None, list(faults) if number == slow else []),
                    clock=utc_now,
                    pace=pace,
                    room=100_000,
                )
                for number in range(3)
            ]
            async with running(*hubs), hearing(hubs[0]) as a, hearing(hubs[1]) as b:
                sent = [0, 0, 0]
                for hub, amount, pause in bursts:
                    for _ in range(amount):
                        hubs[hub].publish(EventKind.JOB_STARTED, job_id=f"{hub}-{sent[hub]}")
                        sent[hub] += 1
                    if pause:
                        await asyncio.sleep(0.001)
                await eventually(lambda: len(jobs_of(a)) == len(jobs_of(b)) == sum(sent), 20)
                assert [e.id for e in a] == sorted({e.id for e in a})
                heard = jobs_of(a)
                assert heard == jobs_of(b)
                for hub in range(3):
                    ours = [job for job in heard if job.startswith(f"{hub}-")]
                    assert ours == [f"{hub}-{number}" for number in range(sent[hub])]

    asyncio.run(play())

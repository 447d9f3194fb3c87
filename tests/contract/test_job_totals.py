"""Kept totals of jobs and what is told by them, on every database; see test_repositories.py."""

import asyncio
import random
from collections import Counter
from typing import Any

import pytest

from backend.database import DatabaseManager
from backend.models.job import Job, JobStatus
from backend.repositories.jobs.repository import job_filter
from backend.repositories.jobs.totals import STRETCH, WINDOW
from backend.repositories.registry import Repositories, repositories_on
from backend.utils.errors import ConflictError
from tests.contract import test_repositories as base
from tests.contract.test_repositories import NOW, a_job
from tests.waiting import eventually
from tests.watched_database import Call, WatchedDatabase

manager = base.manager
repos = base.repos


async def shuffled(repos: Repositories, count: int) -> list[Job]:
    """Jobs of three projects, two priorities and a batch; many have moved on, some are gone."""
    rng = random.Random(7)
    jobs = await repos.jobs.enqueue(
        [
            a_job(
                project_id=rng.choice("abc"),
                priority=rng.choice((0, 5)),
                batch_id=rng.choice((None, "batch")),
            )
            for _ in range(count)
        ]
    )
    for job in rng.sample(jobs, count // 5):
        moved = await repos.jobs.move(job, rng.choice((JobStatus.PROCESSING, JobStatus.CANCELLED)))
        assert moved is not None
        if moved.status is JobStatus.CANCELLED and rng.random() < 0.5:
            assert await repos.jobs.remove(moved)
    return jobs


async def there(repos: Repositories) -> list[Job]:
    return await repos.jobs._find({"number": {"$gt": 0}})


async def assert_totals_are_true(repos: Repositories) -> None:
    jobs = await there(repos)
    counted = Counter(job.status for job in jobs)
    assert await repos.jobs.totals.by_status() == {status: counted[status] for status in JobStatus}
    for project in "abc":
        mine = Counter(job.status for job in jobs if job.project_id == project)
        expected = {status: mine[status] for status in JobStatus}
        assert await repos.jobs.project_totals(project) == expected
    batch = Counter(job.status for job in jobs if job.batch_id == "batch")
    kept = (await repos.jobs.totals.by_batch(["batch"]))["batch"]
    assert kept == {status: batch[status] for status in JobStatus}
    rows = {row.id for row in await repos.jobs.batch_rows("batch")}
    assert rows == {job.id for job in jobs if job.batch_id == "batch"}
    page = await repos.jobs.newest({"batch_id": "batch"}, skip=0, limit=500)
    assert [job.number for job in page] == sorted(
        (job.number for job in jobs if job.batch_id == "batch"), reverse=True
    )
    assert await repos.jobs.totals.range_of("nobody") is None
    waiting = [job for job in jobs if job.status is JobStatus.PENDING]
    assert (await repos.jobs.totals.line()).turns == dict(
        sorted(Counter(job.priority for job in waiting).items(), reverse=True)
    )


async def assert_places_are_true(repos: Repositories) -> None:
    waiting = [job for job in await there(repos) if job.status is JobStatus.PENDING]
    turn = sorted(waiting, key=lambda job: (-job.priority, job.number))
    places = await repos.jobs.positions(turn)
    assert [places[job.id] for job in turn] == list(range(1, len(turn) + 1))


async def test_totals_and_places_follow_every_move(repos: Repositories) -> None:
    jobs = await shuffled(repos, STRETCH + 30)
    await assert_totals_are_true(repos)
    await assert_places_are_true(repos)
    for status in (JobStatus.PROCESSING, JobStatus.CANCELLED):
        job = next(job for job in await there(repos) if job.status is status)
        assert await repos.jobs.move(job, JobStatus.PENDING)
        other = next(each for each in jobs if each.number == job.number)
        assert other.id == job.id
        await assert_places_are_true(repos)
    assert await repos.jobs.remove_all(JobStatus.CANCELLED) > 0
    await assert_totals_are_true(repos)


async def test_lists_have_their_totals(repos: Repositories) -> None:
    await shuffled(repos, 60)
    jobs = await there(repos)
    for project, statuses in (("a", []), ("b", [JobStatus.PENDING, JobStatus.CANCELLED])):
        where = job_filter(project_id=project, statuses=statuses)
        mine = [
            job for job in jobs
            if job.project_id == project and (not statuses or job.status in statuses)
        ]  # fmt: skip
        assert await repos.jobs.count(where) == len(mine)
    both = job_filter(project_id="a", batch_id="batch")
    expected = [job for job in jobs if job.project_id == "a" and job.batch_id == "batch"]
    assert await repos.jobs.count(both) == len(expected)


@pytest.mark.parametrize(
    "damage",
    [
        {"$set": {"windows.0.pending": 70}},
        {"$set": {"windows.0.line.5.0": 0}},
        {"$inc": {"windows.0.line.9.0": 3, "windows.0.failed": 2}},
        {"$unset": {"windows": ""}},
    ],
)
async def test_a_recount_mends(
    repos: Repositories, manager: DatabaseManager, damage: dict[str, Any]
) -> None:
    await shuffled(repos, 40)
    counters = manager.database()["counters"]
    await counters.update_one({"_id": "job_totals"}, damage)
    await counters.update_one({"_id": "job_totals:project:a"}, {"$inc": {"completed": 1}})
    await counters.delete_many({"_id": "job_totals:batch"})
    await repos.jobs.recount(patience=0)
    await assert_totals_are_true(repos)
    await assert_places_are_true(repos)


async def test_a_recount_loses_nothing_that_others_count_meanwhile(
    repos: Repositories, manager: DatabaseManager
) -> None:
    jobs = await repos.jobs.enqueue([a_job(project_id="a") for _ in range(40)])
    change = {"$inc": {"windows.0.pending": -3, "windows.0.line.0.0": -3}}
    await manager.database()["counters"].update_one({"_id": "job_totals"}, change)

    async def cancel_all() -> None:
        for job in jobs[:30]:
            assert await repos.jobs.move(job, JobStatus.CANCELLED)

    await asyncio.gather(cancel_all(), repos.jobs.recount(patience=0.05))
    await repos.jobs.recount(patience=0.05)
    await assert_totals_are_true(repos)


async def test_of_a_refused_batch_the_stored_ones_count(repos: Repositories) -> None:
    (known,) = await repos.jobs.enqueue([a_job(project_id="a")])
    new = [a_job(project_id="a") for _ in range(4)]
    with pytest.raises(ConflictError):
        await repos.jobs.enqueue([new[0], new[1], a_job(id=known.id), new[2]])
    await assert_totals_are_true(repos)


async def test_stretches_where_nobody_waits_are_forgotten(
    repos: Repositories, manager: DatabaseManager
) -> None:
    counters = manager.database()["counters"]
    (job,) = await repos.jobs.enqueue([a_job(project_id="a")])
    empty = {f"windows.3.line.0.{part}": 0 for part in range(96, 96 + 70)}
    await counters.update_one({"_id": "job_totals"}, {"$set": empty})
    assert (await repos.jobs.totals.line()).turns == {0: 1}
    kept = await counters.find_one({"_id": "job_totals"})
    assert kept["windows"]["3"]["line"]["0"] == {}
    assert (await repos.jobs.positions([job])) == {job.id: 1}


async def test_waiting_jobs_come_as_light_rows(repos: Repositories) -> None:
    jobs = await repos.jobs.enqueue(
        [a_job(priority=n % 2, params={"seed": n}) for n in range(150)]
        + [a_job(workflow_json="{}", loras=({"name": "l", "weight": 1.0},))]
    )
    for job in jobs[:100]:
        assert await repos.jobs.move(job, JobStatus.PROCESSING)
    first = await repos.jobs.pending_rows(0, 10)
    assert [row.id for row in first] == [job.id for job in jobs[100:110]]
    assert [(row.params, row.priority) for row in first[:1]] == [({"seed": 100}, 0)]
    rest = await repos.jobs.pending_rows(first[-1].number, 1_000)
    assert [row.id for row in rest] == [job.id for job in jobs[110:]]
    assert (rest[-1].workflow_json, rest[-1].loras) == ("{}", ({"name": "l", "weight": 1.0},))
    assert rest[-1].created_at == NOW
    assert await repos.jobs.last_number() == jobs[-1].number
    assert await repos.jobs.pending_rows(jobs[-1].number, 5) == []


async def test_a_rare_status_is_found_far_down(repos: Repositories) -> None:
    jobs = await repos.jobs.enqueue([a_job() for _ in range(300)])
    for job in jobs[2:4]:
        assert await repos.jobs.move(job, JobStatus.CANCELLED)
    rare = job_filter(statuses=[JobStatus.CANCELLED, JobStatus.FAILED])
    found = await repos.jobs.newest(rare, skip=0, limit=20)
    assert [job.id for job in found] == [jobs[3].id, jobs[2].id]
    assert await repos.jobs.newest(rare, skip=1, limit=1) == found[1:]


async def test_what_is_as_by_default_is_not_stored(repos: Repositories) -> None:
    (job,) = await repos.jobs.enqueue([a_job()])
    (document,) = await repos.jobs._find_raw({"_id": job.id})
    assert set(document) == {
        "_id", "number", "seq", "status", "priority", "batch_id", "attempt", "fence", "project_id",
        "scene_id", "clip_id", "generation_type", "created_at",
    }  # fmt: skip
    assert await repos.jobs.get(job.id) == job


class SlowCounters:
    """Every write of them takes a while to arrive."""

    def __init__(self) -> None:
        self.begun = 0

    async def __call__(self, call: Call) -> None:
        if call.collection == "counters" and call.name == "update_one":
            self.begun += 1
            await asyncio.sleep(0.45)


async def test_counting_anew_counts_no_move_twice_that_waits_to_be_counted(
    manager: DatabaseManager, repos: Repositories
) -> None:
    """It waits for the count of a move in another window of numbers."""
    counters = SlowCounters()
    watched = WatchedDatabase(manager.database())
    repos = repositories_on(watched, manager.require)
    near, _ = await repos.jobs.enqueue([a_job(), a_job()])
    await repos.jobs._reserve_numbers(WINDOW)
    (far,) = await repos.jobs.enqueue([a_job()])
    watched.before = counters
    moves = [asyncio.create_task(repos.jobs.move(near, JobStatus.PROCESSING, attempt=1))]
    await eventually(lambda: counters.begun)
    moves.append(asyncio.create_task(repos.jobs.move(far, JobStatus.PROCESSING, attempt=1)))
    await asyncio.sleep(0.02)
    await repos.jobs.recount()
    await asyncio.gather(*moves)
    await assert_totals_are_true(repos)


async def test_counting_anew_finds_projects_and_batches_that_have_no_job_left(
    repos: Repositories,
) -> None:
    """They were removed by somebody who ended before they were counted."""
    jobs = await repos.jobs.enqueue([a_job(project_id="gone", batch_id="batch") for _ in range(3)])
    await repos.jobs._documents.delete_many({"project_id": "gone"})
    assert (await repos.jobs.project_totals("gone"))[JobStatus.PENDING] == len(jobs)
    await repos.jobs.recount(patience=0)
    assert sum((await repos.jobs.project_totals("gone")).values()) == 0
    assert sum((await repos.jobs.totals.by_batch(["batch"]))["batch"].values()) == 0


async def test_two_who_clear_at_once_count_each_job_once(repos: Repositories) -> None:
    jobs = await repos.jobs.enqueue([a_job(project_id="p", batch_id="b") for _ in range(60)])
    await asyncio.gather(
        repos.jobs.remove_all(JobStatus.PENDING),
        repos.jobs.remove_all(JobStatus.PENDING),
        *(repos.jobs.remove(job) for job in jobs[::2]),
    )
    await assert_totals_are_true(repos)
    assert sum((await repos.jobs.project_totals("p")).values()) == 0

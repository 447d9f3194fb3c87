"""The legal moves of a job."""

from itertools import product

import pytest

from backend.models.job import ACTIVE, MOVES, JobStatus


def test_every_status_has_its_moves() -> None:
    assert set(MOVES) == set(JobStatus)


def test_completed_is_final() -> None:
    assert not MOVES[JobStatus.COMPLETED]


@pytest.mark.parametrize("status", sorted(set(JobStatus) - ACTIVE))
def test_a_finished_job_never_runs_without_queueing_again(status: JobStatus) -> None:
    assert MOVES[status] <= {JobStatus.PENDING}


def test_no_job_stays_by_moving() -> None:
    assert not [status for status in JobStatus if status in MOVES[status]]


def test_only_a_running_job_completes() -> None:
    ways = {source for source, target in product(JobStatus, repeat=2) if target in MOVES[source]}
    completing = {source for source in ways if JobStatus.COMPLETED in MOVES[source]}
    assert completing == {JobStatus.PROCESSING}

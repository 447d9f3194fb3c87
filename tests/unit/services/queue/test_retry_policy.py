"""What becomes of a job after an attempt that went wrong."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.models.content import ContentType
from backend.models.job import Attempt, Job, JobStatus, Outcome
from backend.services.queue.retry_policy import NEVER_RAN, OUT_OF_MEMORY, Failure, judge

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def running_job(retry_count: int = 0, max_retries: int = 2) -> Job:
    return Job(
        id="j",
        project_id="p",
        scene_id="s",
        clip_id="c",
        generation_type=ContentType.IMAGE,
        status=JobStatus.PROCESSING,
        retry_count=retry_count,
        max_retries=max_retries,
        created_at=NOW,
    )


def failure(outcome: Outcome, *, final: bool = False) -> Failure:
    return Failure(outcome, "words", "CODE", final=final)


def test_a_refused_graph_fails_at_once() -> None:
    verdict = judge(running_job(), failure(Outcome.REJECTED), NOW)
    assert (verdict.status, verdict.retry_count) == (JobStatus.FAILED, 0)


@pytest.mark.parametrize("outcome", [Outcome.LOST, Outcome.FORGOTTEN, Outcome.UNREACHABLE])
def test_a_lost_server_is_not_the_jobs_fault(outcome: Outcome) -> None:
    verdict = judge(running_job(retry_count=2, max_retries=2), failure(outcome), NOW)
    assert (verdict.status, verdict.retry_count) == (JobStatus.PENDING, 2)
    assert verdict.not_before is not None
    assert verdict.not_before > NOW


@given(st.integers(0, 30), st.integers(0, 20), st.sampled_from(Outcome), st.booleans())
def test_retries_end_and_backoff_is_bounded(
    retry_count: int, max_retries: int, outcome: Outcome, final: bool
) -> None:
    verdict = judge(running_job(retry_count, max_retries), failure(outcome, final=final), NOW)
    assert verdict.status in {JobStatus.PENDING, JobStatus.FAILED}
    assert verdict.retry_count <= max(retry_count, max_retries)
    if verdict.status is JobStatus.FAILED:
        assert verdict.not_before is None
    else:
        assert not final
        assert verdict.not_before is not None
        assert NOW < verdict.not_before <= NOW + timedelta(seconds=60)


def test_each_retry_waits_longer() -> None:
    waits = [
        (judge(running_job(count, 20), failure(Outcome.FAILED), NOW).not_before or NOW) - NOW
        for count in range(8)
    ]
    assert [wait.total_seconds() for wait in waits] == [2, 4, 8, 16, 32, 60, 60, 60]


def lost_attempts(count: int, code: str) -> Job:
    attempts = tuple(
        Attempt(
            number=number,
            server_id="a",
            server_name="A",
            prompt_id=str(number),
            client_id="c",
            started_at=NOW,
            outcome=Outcome.LOST,
            code=code,
        )
        for number in range(count)
    )
    return running_job().model_copy(update={"attempts": attempts})


def test_a_job_that_brings_servers_down_again_and_again_fails_at_last() -> None:
    lost = Failure(Outcome.LOST, "words", "SERVER_LOST")
    assert judge(lost_attempts(7, "SERVER_LOST"), lost, NOW).status is JobStatus.PENDING
    assert judge(lost_attempts(8, "SERVER_LOST"), lost, NOW).status is JobStatus.FAILED


def test_one_that_never_ran_brought_nobody_down() -> None:
    refused = Failure(Outcome.FORGOTTEN, "words", NEVER_RAN)
    assert judge(lost_attempts(19, NEVER_RAN), refused, NOW).status is JobStatus.PENDING


def test_out_of_memory_is_tried_once_more_whatever_the_retries() -> None:
    failure = Failure(Outcome.FAILED, "words", OUT_OF_MEMORY)
    assert judge(running_job(5, 0), failure, NOW).status is JobStatus.PENDING
    assert judge(lost_attempts(1, OUT_OF_MEMORY), failure, NOW).status is JobStatus.FAILED

"""What is sent to an endpoint that cannot be asked what it has."""

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from backend.models.content import ContentType
from backend.models.job import Attempt, Job, JobStatus, Outcome
from backend.services.providers.runpod.client import BUSY, REFUSED, REFUSES_US
from backend.services.providers.runpod.messages import parse_run
from backend.services.queue.retry_policy import Failure
from backend.services.queue.runners.runpod_policy import (
    FATE_UNKNOWN,
    LACKING,
    failed_there,
    is_unsuitable,
    ordered_there,
    refused,
    undelivered,
)
from backend.services.queue.runners.runpod_request import MAX_BODY, WorkerPicture, run_order
from backend.services.workflows.graph import placeholder_of
from backend.utils.errors import (
    ServerUnreachableError,
    SubmissionUncertainError,
    UnprocessableError,
    UpstreamError,
    WorkflowError,
)

NOW = datetime(2026, 3, 1, tzinfo=UTC)
OWN_GRAPH = {
    "1": {"class_type": "LoadImage", "inputs": {"image": "start.png"}},
    "2": {"class_type": "MyVideoNode", "inputs": {"image": ["1", 0], "model": "my.safetensors"}},
    "3": {"class_type": "VHS_VideoCombine", "inputs": {"images": ["2", 0]}},
}


def job(kind: ContentType = ContentType.IMAGE, **fields: Any) -> Job:
    values = {
        "id": "job-1",
        "project_id": "p",
        "scene_id": "s",
        "clip_id": "c",
        "generation_type": kind,
        "prompt": "a red car",
        "params": {"seed": 7},
        "created_at": NOW,
        **fields,
    }
    return Job(**values)


def graph_of(body: bytes) -> dict[str, Any]:
    return dict(json.loads(body)["input"]["workflow"])


class TestOrder:
    def test_names_are_taken_as_asked(self) -> None:
        order = run_order(
            job(model="my_xl.safetensors", loras=({"name": "grain", "weight": 0.6},)), 1
        )
        text = order.body.decode()
        assert "my_xl.safetensors" in text
        assert "grain" in text
        assert order.built.model_name == "my_xl.safetensors"

    @pytest.mark.parametrize(
        ("kind", "name"),
        [
            (ContentType.IMAGE, "sd_xl_base_1.0.safetensors"),
            (ContentType.VIDEO, "wan2.1_t2v_1.3B_fp16.safetensors"),
        ],
    )
    def test_without_a_model(self, kind: ContentType, name: str) -> None:
        assert name in run_order(job(kind), 1).body.decode()

    def test_each_attempt_writes_a_file_of_its_own(self) -> None:
        first, second = (run_order(job(), attempt).body for attempt in (1, 2))
        assert b"job-1_1" in first
        assert b"job-1_2" in second

    def test_a_graph_of_the_user(self) -> None:
        order = run_order(job(workflow_json=json.dumps(OWN_GRAPH)), 1)
        assert graph_of(order.body) == OWN_GRAPH
        assert order.built.output_node == "3"

    def test_the_picture_of_a_graph_of_the_user(self) -> None:
        graph = {
            "1": {"class_type": "LoadImage", "inputs": {"image": "{{image}}"}},
            "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0]}},
        }
        params = {"seed": 1, "init_image": "/uploads/a.png"}
        order = run_order(job(workflow_json=json.dumps(graph), params=params), 1)
        (picture,) = order.built.inputs
        assert picture.source == "/uploads/a.png"
        assert graph_of(order.body)["1"]["inputs"]["image"] == placeholder_of(picture.source)

    def test_a_broken_graph(self) -> None:
        broken = {"1": {"class_type": "SaveImage", "inputs": {"images": ["9", 0]}}}
        with pytest.raises(WorkflowError):
            run_order(job(workflow_json=json.dumps(broken)), 1)

    def test_pictures_go_along(self) -> None:
        order = run_order(job(), 1, [WorkerPicture("start.png", b"\x89PNG")])
        assert json.loads(order.body)["input"]["images"] == [
            {"name": "start.png", "image": base64.b64encode(b"\x89PNG").decode()}
        ]

    def test_too_large(self) -> None:
        with pytest.raises(UnprocessableError) as caught:
            run_order(job(), 1, [WorkerPicture("start.png", bytes(MAX_BODY))])
        assert caught.value.code == "RUNPOD_TOO_LARGE"


class TestPolicy:
    @pytest.mark.parametrize(
        ("error", "outcome", "final"),
        [
            (ServerUnreachableError("away"), Outcome.UNREACHABLE, False),
            (ServerUnreachableError("busy", code=BUSY), Outcome.UNREACHABLE, False),
            (UpstreamError("bad key", code=REFUSES_US), Outcome.UNREACHABLE, False),
            (UpstreamError("bad input", code=REFUSED), Outcome.REJECTED, False),
            (SubmissionUncertainError("cut"), Outcome.LOST, True),
        ],
    )
    def test_refused(self, error: UpstreamError, outcome: Outcome, *, final: bool) -> None:
        failure = refused(error)
        assert (failure.outcome, failure.final) == (outcome, final)
        assert (failure.code == FATE_UNKNOWN) == final

    def test_what_an_endpoint_lacks_is_its_own_fault(self) -> None:
        failure = failed_there(parse_run(_run("FAILED", error="Value not in list")), "Cloud")
        assert failure.code == LACKING
        assert is_unsuitable(failure)
        other = failed_there(parse_run(_run("FAILED", error="CUDA out of memory")), "Cloud")
        assert (other.code, is_unsuitable(other)) == ("OUT_OF_MEMORY", True)

    def test_a_run_that_somebody_cancelled_is_not_made_again(self) -> None:
        failure = failed_there(parse_run(_run("CANCELLED")), "Cloud")
        assert (failure.outcome, failure.final) == (Outcome.INTERRUPTED, True)

    def test_a_result_that_did_not_come_home_is_kept_in_mind(self) -> None:
        full = undelivered(Failure(Outcome.FAILED, "No room.", "STORAGE_FULL"), "r-1")
        assert (full.outcome, full.final, full.details) == (
            Outcome.LOST,
            True,
            {"runpod_id": "r-1"},
        )
        broken = undelivered(Failure(Outcome.FAILED, "No PNG.", "RESULT_BROKEN"), "r-1")
        assert (broken.outcome, broken.final) == (Outcome.FAILED, True)

    def test_which_runs_may_be_there_still(self) -> None:
        attempts = [
            _attempt(1, "a", "r-1", Outcome.LOST),
            _attempt(2, "b", "r-2", Outcome.LOST),
            _attempt(3, "a", "", Outcome.LOST),
            _attempt(4, "a", "r-4", Outcome.FAILED),
            _attempt(5, "a", "r-5", Outcome.CANCELLED),
        ]
        found = ordered_there(job(status=JobStatus.PENDING, attempts=attempts), "a")
        assert [attempt.prompt_id for attempt in found] == ["r-5", "r-1"]


def _run(status: str, **fields: Any) -> dict[str, Any]:
    return {"id": "r-1", "status": status, **fields}


def _attempt(number: int, server_id: str, run_id: str, outcome: Outcome) -> Attempt:
    return Attempt(
        number=number,
        server_id=server_id,
        server_name=server_id,
        prompt_id=run_id,
        client_id="",
        started_at=NOW,
        outcome=outcome,
    )

"""What the planner sees of the jobs in hand."""

from typing import Any

from backend.models.comfyui_server import ComfyUIServer
from backend.services.queue.backlog import WaitingJob
from backend.services.queue.in_flight import InFlightJob, InFlightJobs
from backend.services.queue.scheduling.estimates import CompletedRun, Estimates
from backend.services.queue.scheduling.types import ServerView
from backend.services.servers.fleet import ServerState
from backend.utils.clock import utc_now

SERVER = ServerState(
    ComfyUIServer(id="a", name="A", url="", created_at=utc_now(), updated_at=utc_now()),
    online=True,
)


def in_flight_job(number: int, model: str = "x") -> InFlightJob:
    place: dict[str, Any] = {"number": number, "project_id": "film", "queued_at": 0.0}
    job = WaitingJob(id=f"job-{number}", model=model, **place)
    return InFlightJob(job.id, "a", sent=100.0 + number, job=job, expected=8.0)


def view(in_flight: InFlightJobs) -> ServerView:
    return in_flight.views([SERVER], Estimates())[0]


def test_a_server_has_room_again_when_a_prompt_ends_there() -> None:
    learnt: list[CompletedRun] = []
    woken: list[bool] = []
    in_flight = InFlightJobs(
        now=lambda: 105.0, learn=learnt.append, on_change=lambda: woken.append(True)
    )
    for number in (1, 2):
        in_flight.take(in_flight_job(number))
    in_flight.prompt_started("job-1")
    assert (len(view(in_flight).running), len(view(in_flight).prefetched)) == (1, 1)
    woken.clear()
    in_flight.prompt_ran("job-1", 4.0)
    # Its files are still on their way, and the other one runs now.
    assert (len(view(in_flight).running), len(view(in_flight).prefetched)) == (1, 0)
    assert woken == [True]
    assert [run.seconds for run in learnt] == [4.0]
    assert in_flight.load["a"] == 2


def test_no_more_than_it_can_send_home() -> None:
    in_flight = InFlightJobs(now=lambda: 105.0)
    for number in range(6):
        in_flight.take(in_flight_job(number))
        in_flight.prompt_started(f"job-{number}")
        in_flight.prompt_ran(f"job-{number}", None)
    assert view(in_flight).held == 2


def test_a_server_has_loaded_what_ran_there_not_what_was_taken_back() -> None:
    in_flight = InFlightJobs(now=lambda: 105.0)
    in_flight.take(in_flight_job(1))
    in_flight.prompt_started("job-1")
    in_flight.take(in_flight_job(2, model="y"))
    assert view(in_flight).loaded_model == "y"
    in_flight.drop("job-2")
    assert view(in_flight).loaded_model == "x"
    in_flight.drop("job-1")
    assert view(in_flight).loaded_model == in_flight.loaded_model("a") == "x"


def test_a_server_that_was_started_anew_has_nothing_loaded() -> None:
    in_flight = InFlightJobs(now=lambda: 105.0)
    in_flight.take(in_flight_job(1))
    in_flight.prompt_started("job-1")
    in_flight.drop("job-1")
    in_flight.forget_server("a")
    assert view(in_flight).loaded_model == ""

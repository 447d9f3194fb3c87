"""What the planner sees of the jobs in hand."""

from typing import Any

from backend.models.comfyui_server import ComfyUIServer
from backend.services.queue.backlog import WaitingJob
from backend.services.queue.in_flight import Hand, Hands
from backend.services.queue.scheduling.estimates import Estimates, Run
from backend.services.queue.scheduling.types import ServerView
from backend.services.servers.fleet import ServerState
from backend.utils.clock import utc_now

SERVER = ServerState(
    ComfyUIServer(id="a", name="A", url="", created_at=utc_now(), updated_at=utc_now()),
    online=True,
)


def hand(number: int, model: str = "x") -> Hand:
    place: dict[str, Any] = {"number": number, "project_id": "film", "queued_at": 0.0}
    job = WaitingJob(id=f"job-{number}", model=model, **place)
    return Hand(job.id, "a", sent=100.0 + number, job=job, expected=8.0)


def view(hands: Hands) -> ServerView:
    return hands.views([SERVER], Estimates())[0]


def test_a_server_has_room_again_when_a_prompt_ends_there() -> None:
    learnt: list[Run] = []
    woken: list[bool] = []
    hands = Hands(now=lambda: 105.0, learn=learnt.append, on_change=lambda: woken.append(True))
    for number in (1, 2):
        hands.take(hand(number))
    hands.prompt_started("job-1")
    assert (len(view(hands).running), len(view(hands).ahead)) == (1, 1)
    woken.clear()
    hands.prompt_ran("job-1", 4.0)
    # Its files are still on their way, and the other one runs now.
    assert (len(view(hands).running), len(view(hands).ahead)) == (1, 0)
    assert woken == [True]
    assert [run.seconds for run in learnt] == [4.0]
    assert hands.load["a"] == 2


def test_no_more_than_it_can_send_home() -> None:
    hands = Hands(now=lambda: 105.0)
    for number in range(6):
        hands.take(hand(number))
        hands.prompt_started(f"job-{number}")
        hands.prompt_ran(f"job-{number}", None)
    assert view(hands).held == 2


def test_a_server_has_loaded_what_ran_there_not_what_was_taken_back() -> None:
    hands = Hands(now=lambda: 105.0)
    hands.take(hand(1))
    hands.prompt_started("job-1")
    hands.take(hand(2, model="y"))
    assert view(hands).loaded_model == "y"
    hands.drop("job-2")
    assert view(hands).loaded_model == "x"
    hands.drop("job-1")
    assert view(hands).loaded_model == hands.loaded_model("a") == "x"


def test_a_server_that_was_started_anew_has_nothing_loaded() -> None:
    hands = Hands(now=lambda: 105.0)
    hands.take(hand(1))
    hands.prompt_started("job-1")
    hands.drop("job-1")
    hands.forget_server("a")
    assert view(hands).loaded_model == ""

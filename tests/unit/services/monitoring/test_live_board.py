"""How a server is, in a word, and how long a running job still takes."""

import pytest

from backend.models.comfyui_server import ComfyUIServer
from backend.services.comfyui.catalog import ServerCatalog
from backend.services.monitoring.live_board import condition
from backend.services.monitoring.outlook import by_progress
from backend.services.servers.circuit import CircuitState
from backend.services.servers.fleet import ServerState
from backend.utils.clock import utc_now


def a_state(*, is_active: bool = True, **fields: object) -> ServerState:
    now = utc_now()
    server = ComfyUIServer(
        id="s",
        name="Attic",
        url="http://attic",
        is_active=is_active,
        created_at=now,
        updated_at=now,
    )
    catalog = ServerCatalog.from_object_info({})
    known = {"online": True, "catalog": catalog, "catalog_read_at": now}
    return ServerState(server, **{**known, **fields})  # type: ignore[arg-type]


def load(jobs: int = 0, *, is_online: bool = True) -> dict[str, object]:
    return {"current_jobs": jobs, "is_online": is_online}


@pytest.mark.parametrize(
    ("state", "jobs", "word", "tone"),
    [
        (a_state(), 1, "online", "good"),
        (a_state(online=False), 0, "offline", "bad"),
        (a_state(circuit=CircuitState.OPEN), 0, "circuit open", "bad"),
        (a_state(circuit=CircuitState.HALF_OPEN), 0, "on trial", "warn"),
        (a_state(catalog=None, catalog_read_at=None), 0, "starting", "warn"),
        (a_state(catalog_read_at=None), 0, "starting", "warn"),
        (a_state(is_active=False), 2, "draining", "warn"),
        (a_state(is_active=False), 0, "drained", "off"),
    ],
)
def test_a_comfyui_server(state: ServerState, jobs: int, word: str, tone: str) -> None:
    told = condition(state, load(jobs))
    assert (told.word, told.tone) == (word, tone)
    assert bool(told.why) is (word != "online")


def test_a_worker() -> None:
    assert condition(None, load()).word == "pulls"
    assert condition(None, load(is_online=False)).word == "off"


@pytest.mark.parametrize(
    ("left", "elapsed", "progress", "seconds"),
    [
        (30.0, 5.0, 0.0, 30.0),
        (30.0, 5.0, 0.1, 30.0),
        (1.0, 10.0, 0.5, 10.0),
        (50.0, 9.0, 0.9, 1.0),
        (2.0, 6.0, 0.3, 8.0),
    ],
)
def test_what_is_done_tells_ever_more(
    left: float, elapsed: float, progress: float, seconds: float
) -> None:
    assert by_progress(left, elapsed, progress) == pytest.approx(seconds)

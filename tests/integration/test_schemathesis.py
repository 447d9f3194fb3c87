"""Random requests for every operation of the schema, good ones and bad ones: none gives a 5xx.

The answers are held to the schema as well. Ids of things that exist are mixed in, so that the
requests get past the first look-up. The seed is fixed: the same requests at every run.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import pytest
import requests
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, assume, given, seed, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from backend.server import create_app
from tests.conftest import API
from tests.studio import quick_settings, serving

BASE = "http://storycanvas"
EXAMPLES = 8
#: The contract's own words for what whoever runs the server has not set up.
NOT_SET_UP = {"OPENAI_NOT_CONFIGURED"}
#: What the client can send; uvicorn takes 64 kB of request line and headers.
LONGEST_URL = 60_000
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
#: Words that break naive code; random text finds them too seldom.
NASTY = [
    "",
    " ",
    "\x00",
    "\ud7ff",
    "\U0010ffff",
    "\U0001d54f" * 50,
    "../..",
    "%00",
    "$where",
    "a.b",
    "\r\n",
    "'\"",
]

AnyCase = Case[Any]
Send = Callable[[AnyCase], httpx.Response]


def _paths() -> dict[str, Any]:
    with TemporaryDirectory() as folder:
        schema: dict[str, Any] = create_app(quick_settings(Path(folder))).openapi()
    return schema


SCHEMA = schemathesis.openapi.from_dict(_paths())
#: Its answer has no end; tests/integration/test_events.py asks it.
ENDLESS = "GET /api/v1/events"
OPERATIONS = sorted(
    (
        operation
        for result in SCHEMA.get_all_operations()
        if isinstance(result, Ok) and (operation := result.ok()).label != ENDLESS
    ),
    key=lambda operation: (operation.method == "delete", operation.label),
)


def takes_anything(operation: Any) -> bool:
    """What takes nothing cannot be asked wrongly."""
    return bool(list(operation.iter_parameters()) or operation.body)


class Loop:
    """An event loop in a thread: Hypothesis calls tests that do not await."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, Any], seconds: float = 20) -> Any:
        future: Future[Any] = asyncio.run_coroutine_threadsafe(work, self._loop)
        return future.result(seconds)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@pytest.fixture(scope="module")
def loop() -> Iterator[Loop]:
    loop = Loop()
    yield loop
    loop.close()


@pytest.fixture(scope="module")
def client(loop: Loop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.AsyncClient]:
    folder = tmp_path_factory.mktemp("schemathesis")
    app: FastAPI = create_app(quick_settings(folder, generate_wait_seconds=0.05))
    running = serving(app)
    yield loop.run(running.__aenter__())
    loop.run(running.__aexit__(None, None, None))


@pytest.fixture(scope="module")
def send(loop: Loop, client: httpx.AsyncClient) -> Send:
    def send(case: AnyCase) -> httpx.Response:
        sent = requests.Request(**case.as_transport_kwargs(base_url=BASE)).prepare()
        assume(len(str(sent.url)) < LONGEST_URL)
        body: Any = sent.body
        headers = [
            (name.encode("latin-1"), value if isinstance(value, bytes) else value.encode("latin-1"))
            for name, value in sent.headers.items()
            if name.lower() != "content-length"
        ]
        request = client.request(str(sent.method), str(sent.url), content=body, headers=headers)
        response: httpx.Response = loop.run(request)
        return response

    return send


@pytest.fixture(scope="module")
def ids(loop: Loop, client: httpx.AsyncClient) -> dict[str, str]:
    """One of each, by the names that paths and bodies have for them."""

    async def make(path: str, **body: Any) -> str:
        response = await client.post(f"{API}{path}", json=body)
        assert response.status_code == 201, response.text
        answer = response.json()
        return str(answer.get("id") or answer["job_id"])

    async def make_all() -> dict[str, str]:
        project = await make("/projects", name="Film")
        scene = await make("/scenes", project_id=project, name="Scene")
        clip = await make("/clips", scene_id=scene, image_prompt="a car")
        job = await make("/queue/jobs", clip_id=clip, prompt="a car")
        server = await make("/comfyui/servers", name="Away", url="http://127.0.0.1:9")
        return {
            "project_id": project, "scene_id": scene, "clip_id": clip, "job_id": job,
            "server_id": server,
        }  # fmt: skip

    found: dict[str, str] = loop.run(make_all())
    return found


def aim(case: AnyCase, ids: dict[str, str], data: st.DataObject) -> None:
    """Now and then name something that exists, and write something nasty into a field."""
    if data.draw(st.integers(0, 3)):
        for name in set(case.path_parameters or {}) & set(ids):
            case.path_parameters[name] = ids[name]
    if isinstance(case.body, dict):
        for name in sorted(set(case.body) & set(ids)):
            if data.draw(st.booleans()):
                case.body[name] = ids[name]
        if case.body and data.draw(st.integers(0, 3)) == 0:
            field = data.draw(st.sampled_from(sorted(case.body)))
            if field not in ids:
                case.body[field] = data.draw(st.sampled_from(NASTY))


@pytest.mark.parametrize(
    ("operation", "mode"),
    [
        pytest.param(operation, mode, id=f"{operation.label}-{mode.value}")
        for operation in OPERATIONS
        for mode in GenerationMode
        if mode is GenerationMode.POSITIVE or takes_anything(operation)
    ],
)
def test_no_operation_fails(
    operation: Any, mode: GenerationMode, send: Send, ids: dict[str, str]
) -> None:
    strategy = operation.as_strategy(generation_mode=mode)

    @seed(1)
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(data=st.data())
    def hold(data: st.DataObject) -> None:
        case = data.draw(strategy)
        aim(case, ids, data)
        response = send(case)
        if response.status_code == 503 and response.json()["error"]["code"] in NOT_SET_UP:
            return
        case.validate_response(response, checks=CHECKS)

    hold()


def test_the_whole_schema_is_asked() -> None:
    assert len(OPERATIONS) >= 37

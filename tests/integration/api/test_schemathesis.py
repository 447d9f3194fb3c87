"""Random requests for every operation of the schema, good ones and bad ones, in all phases.

Schemathesis asks a server process over real sockets: the examples of the manual, the borders of
every limit, random data, and stories in which the ids of what was made go into later requests.
No answer is a 5xx, has a status that its operation does not name, or breaks its schema. The seed
is fixed: the same requests at every run.
"""

import asyncio
import random
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import pytest
import schemathesis
from schemathesis import engine
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events

from backend.dtos.shared import example_ids
from backend.mongo.embedded import EmbeddedDatabase
from backend.server import create_app
from tests import schema_links
from tests.conftest import API
from tests.openai_gateway import KEY, Gateway
from tests.studio import ServerProcess, quick_settings, server_process

#: Checks that ask for what the contract does not promise, and why it does not.
NOT_PROMISED = (
    "negative_data_rejection",  # 0 and "true" are taken for booleans, "" for no project
    "positive_data_acceptance",  # some rules look at more than one field
    "ensure_resource_availability",  # what was made may be deleted with what it belongs to
    "ignored_auth",  # no key is asked for unless API_KEYS is set
)


def all_but(*checks: str) -> dict[str, Any]:
    """Settings that switch these checks off, and those of what is not promised."""
    return {name: {"enabled": False} for name in (*NOT_PROMISED, *checks)}


#: The address takes what a project with the id "import" would take: Allow names that as well.
NO_PROJECT_OF_THAT_NAME = {
    "include-path": f"{API}/projects/import",
    "checks": all_but("allow_header_conformance"),
}
#: Setting a storyboard takes a second: every border of its eight options would take minutes. And
#: the legacy exports are those of v1.
TAKES_LONG = {
    "include-path-regex": "/export/(storyboard|animatic|bundle)|^/api/projects/",
    "phases": {"coverage": {"enabled": False}},
}
#: Their bodies are those of POST /queue/jobs, and of the POST beside them: the borders of every
#: field are asked for there.
SAME_BODIES = (
    {"include-path-regex": "/generate(/batch)?$", "phases": {"coverage": {"enabled": False}}},
    {
        "include-name-regex": "^PUT .*/(style-templates|characters)/{",
        "phases": {"coverage": {"enabled": False}},
    },
)
#: Lists with nothing but a page, as /projects and /style-templates have it, whose borders are asked
#: for.
SAME_PAGES = {
    "include-name-regex": "^GET .*(/(scenes|clips|characters|workflows|{project_id}/jobs)$"
    "|/(project|scene)/{)",
    "phases": {"coverage": {"enabled": False}},
}
#: DELETE ends a rendering; GET begins the next one, where a 404 would be expected of a thing.
RENDERED_ANEW = {
    "include-path-regex": "/export/animatic",
    "checks": all_but("use_after_free"),
}
#: Streams: an answer that is never whole cannot be judged.
NEVER_END = (f"{API}/events",)
#: Words that break naive code; random text finds them too seldom.
NASTY = [
    "", " ", "\ud7ff", "\U0010ffff", "\U0001d54f" * 50, "../..", "%00", "$where", "a.b", "\r\n",
    "'\"", "\x00",
]  # fmt: skip
#: The least that can be rendered.
OWN_GRAPH = {"1": {"class_type": "SaveImage", "inputs": {"filename_prefix": "x"}}}
#: Random requests for each operation, and stories with so many steps.
EXAMPLES, STORIES, STEPS = 2, 20, 20

Failures = dict[tuple[str, str], str]


class Loop:
    """An event loop in a thread: Schemathesis calls without awaiting."""

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


class Run:
    """What came of a run: how often an operation gave a status, and what broke a promise."""

    def __init__(self) -> None:
        self.statuses: defaultdict[str, Counter[int]] = defaultdict(Counter)
        self.phases: dict[str, str] = {}
        self.failures: Failures = {}

    def take(self, event: events.EngineEvent) -> None:
        if isinstance(event, events.NonFatalError):
            self.failures[event.label, event.info.title] = str(event.value)
        elif isinstance(event, events.FatalError):
            raise event.exception
        elif isinstance(event, events.PhaseFinished):
            self.phases[event.phase.name.value] = event.status.value
        elif isinstance(event, events.ScenarioFinished):
            self._take_scenario(event)

    def _take_scenario(self, event: events.ScenarioFinished) -> None:
        cases = event.recorder.cases
        for case_id, interaction in event.recorder.interactions.items():
            if interaction.response is not None:
                label = cases[case_id].value.operation.label
                self.statuses[label][interaction.response.status_code] += 1
        for case_id, checks in event.recorder.checks.items():
            for check in checks:
                if check.failure_info is not None:
                    where = cases[case_id].value.operation.label, check.name
                    found = check.failure_info
                    self.failures[where] = f"{found.failure.message}\n{found.code_sample}"[:2000]

    @property
    def succeeded(self) -> set[str]:
        return {label for label, seen in self.statuses.items() if any(s < 300 for s in seen)}


@pytest.fixture(scope="module")
def gateway() -> Iterator[Gateway]:
    """A video provider, so that its routes have something to say."""
    loop, gateway = Loop(), Gateway()
    gateway.status_words = ["completed"]
    loop.run(gateway.start())
    gateway.add("video_68d7")
    yield gateway
    loop.run(gateway.stop())
    loop.close()


@pytest.fixture
def database(request: pytest.FixtureRequest) -> dict[str, str]:
    """Thousands of single requests are asked of memory: on the embedded one they take long."""
    if request.node.originalname == "test_no_operation_fails":
        return {"mongo_url": "memory:"}
    running: EmbeddedDatabase = request.getfixturevalue("embedded")
    return {"mongo_url": running.url, "db_name": "schemathesis"}


@pytest.fixture
def server(database: dict[str, str], gateway: Gateway, tmp_path: Path) -> Iterator[ServerProcess]:
    settings: dict[str, Any] = {
        **database, "generate_wait_seconds": 0.01,
        "openai_api_key": KEY, "openai_base_url": gateway.url,
    }  # fmt: skip
    with server_process(tmp_path, **settings) as running:
        running.start()
        asyncio.run(running.ready())
        yield running


@pytest.fixture
def ids(server: ServerProcess) -> dict[str, str]:
    """One of each, by the names that paths and bodies have for them."""
    with httpx.Client(base_url=server.url + API) as client:

        def make(path: str, **body: Any) -> str:
            response = client.post(path, json=body)
            assert response.status_code == 201, response.text
            answer = response.json()
            return str(answer.get("id") or answer["job_id"])

        project = make("/projects", name="Film")
        scene = make("/scenes", project_id=project, name="Scene")
        clip = make("/clips", scene_id=scene, image_prompt="a car")
        words = {"clip_ids": [clip], "generation_type": "image", "prompt": "a car"}
        return {
            "project_id": project, "scene_id": scene, "clip_id": clip,
            "job_id": make("/queue/jobs", clip_id=clip, prompt="a car"),
            "batch_id": make("/generate/batch", **words),
            "server_id": make("/comfyui/servers", name="Away", url="http://127.0.0.1:9"),
            "character_id": make("/characters", name="Mara"),
            "template_id": make("/style-templates", name="Noir"),
            "workflow_id": make(
                "/workflows", project_id=project, name="Mine", workflow_json=OWN_GRAPH
            ),
        }  # fmt: skip


@pytest.fixture
def document(ids: dict[str, str]) -> dict[str, Any]:
    with TemporaryDirectory() as folder:
        plain: dict[str, Any] = create_app(quick_settings(Path(folder))).openapi()
    placeholders = {
        getattr(example_ids, name.removesuffix("_id").upper()): real for name, real in ids.items()
    }
    document = schema_links.with_ids(plain, placeholders)
    schema_links.without_default(document)
    schema_links.narrow(document, ids)
    schema_links.once(document, "GenerationParamsDTO", keeper="create_job")
    for path in NEVER_END:
        del document["paths"][path]
    return document


def ask(document: dict[str, Any], url: str, phases: set[str], *, examples: int) -> Run:
    every = ("examples", "coverage", "fuzzing", "stateful")
    settings: dict[str, Any] = {name: {"enabled": name in phases} for name in every}
    # Two wrong methods for each address are enough; our own links, and no guesses.
    settings["coverage"]["unexpected-methods"] = ["options", "patch"]
    settings["stateful"] |= {"max-steps": STEPS, "inference": {"algorithms": []}}
    config = SchemathesisConfig.from_dict(
        {
            "base-url": url,
            "seed": 1,
            "phases": settings,
            "generation": {"max-examples": examples, "database": "none"},
            "checks": all_but(),
            "operations": [
                NO_PROJECT_OF_THAT_NAME,
                TAKES_LONG,
                *SAME_BODIES,
                SAME_PAGES,
                RENDERED_ANEW,
            ],
        }
    )
    schema = schemathesis.openapi.from_dict(document, config=config)
    schema.hook("map_case")(nasty_words())
    # What is there is deleted last; in stories the links see to that.
    apart = [schema.exclude(method="DELETE"), schema.include(method="DELETE")]
    run = Run()
    for part in [schema] if "stateful" in phases else apart:
        for event in engine.from_schema(part).execute():
            run.take(event)
    return run


def nasty_words() -> Callable[[Any, Any], Any]:
    """A hook that writes one of them into a text field of a body, now and then."""
    chance = random.Random(1)

    def map_case(context: Any, case: Any) -> Any:
        if isinstance(case.body, dict) and chance.random() < 0.1:
            texts = sorted(name for name, value in case.body.items() if isinstance(value, str))
            if texts:
                case.body[chance.choice(texts)] = chance.choice(NASTY)
        return case

    return map_case


def operations(document: dict[str, Any]) -> set[str]:
    found = schema_links.operations(document)
    return {f"{method.upper()} {path}" for method, path, _ in found}


def assert_stands(server: ServerProcess) -> None:
    assert httpx.get(f"{server.url}{API}/health").json()["status"] != "unhealthy"
    assert "Traceback" not in server.log


def test_no_operation_fails(server: ServerProcess, document: dict[str, Any]) -> None:
    run = ask(document, server.url, {"examples", "coverage", "fuzzing"}, examples=EXAMPLES)
    assert run.failures == {}
    assert run.statuses.keys() == operations(document)
    assert len(run.succeeded) > 0.7 * len(run.statuses), run.statuses
    assert_stands(server)


def test_no_story_fails(server: ServerProcess, document: dict[str, Any]) -> None:
    assert schema_links.add_links(document) >= 80
    run = ask(document, server.url, {"stateful"}, examples=STORIES)
    assert run.failures == {}
    assert run.phases["stateful"] == "success"
    assert len(run.succeeded) > 20, run.statuses
    assert_stands(server)

"""The manual as people meet it: /docs and /redoc without the internet, and examples that run.

With a Chromium on the machine the pages are opened and pressed. Without one the same is asked of
what can be asked: that every asset is served here, and that the pages name no other host.
"""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pymongo import AsyncMongoClient

from backend.comfyui_simulator.options import SimulatorOptions
from backend.comfyui_simulator.simulator import Simulator
from backend.dtos.shared import example_ids
from backend.mongo.embedded import EmbeddedDatabase
from scripts._chromium import find_chromium
from scripts.openapi import document
from tests.chromium import Tab, browser_tab
from tests.studio import ServerProcess, Studio, server_process, studio

CREATE_PROJECT = "#operations-Projects-create_project"
ANSWERED = ".live-responses-table tbody .response-col_status"
DOCUMENT = document()
BODIES = {
    operation["operationId"]: (method, path, operation["requestBody"]["content"])
    for path, operations in DOCUMENT["paths"].items()
    for method, operation in operations.items()
    if "application/json" in operation.get("requestBody", {}).get("content", {})
}
#: An external worker has to hold the job, and a second server needs an address of its own.
STATEFUL = {"complete_job", "create_server"}


class TestPages:
    """Neither page needs anything but this server."""

    @pytest.mark.parametrize("page", ["/docs", "/redoc"])
    async def test_every_asset_is_served_here(self, page: str, client: httpx.AsyncClient) -> None:
        html = (await client.get(page)).text
        assert not re.findall(r"""(?:https?:)?//[\w.-]+\.\w+""", html)
        assets = re.findall(r"""(?:src|href|spec-url)=["']([^"']+)["']|url: '([^']+)'""", html)
        addresses = {one or other for one, other in assets}
        assert len(addresses) >= 3
        for address in addresses:
            response = await client.get(address)
            assert response.status_code == 200, address
            assert len(response.content) > 1_000, address

    async def test_redoc_may_not_ask_others(self, client: httpx.AsyncClient) -> None:
        """Its script would fetch its maker's logo."""
        policy = (await client.get("/redoc")).headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "http" not in policy

    async def test_docs_and_document_agree(self, client: httpx.AsyncClient) -> None:
        assert (await client.get("/openapi.json")).json() == DOCUMENT

    async def test_they_stay_open_with_keys(self, tmp_path: Path) -> None:
        async with studio(tmp_path, api_keys="secret") as desk:
            for page in ("/docs", "/redoc", "/openapi.json"):
                assert (await desk.client.get(page)).status_code == 200
            assert (await desk.client.get("/api/v1/projects")).status_code == 401


class Placeholders:
    """One of each thing, by the id that the manual's examples have for it."""

    def __init__(self, desk: Studio, simulator: Simulator) -> None:
        self._desk = desk
        self._simulator = simulator
        self.real: dict[str, str] = {}

    async def make(self) -> None:
        desk = self._desk
        server = await desk.server(self._simulator)
        clip = await desk.clip(image_prompt="a car")
        done = await desk.finished(await desk.job(clip))
        item = await desk.post(
            "/pool", {"project_id": clip["project_id"], "source_clip_id": clip["id"]}
        )
        graph = {"1": {"class_type": "SaveImage", "inputs": {}}}
        workflow = {"project_id": clip["project_id"], "name": "Mine", "workflow_json": graph}
        webhooks = f"/projects/{clip['project_id']}/webhooks"
        told = {"url": "https://hooks.example.com/a", "secret": "at-least-16-characters"}
        self.real = {
            example_ids.SERVER: server,
            example_ids.PROJECT: clip["project_id"],
            example_ids.SCENE: clip["scene_id"],
            example_ids.CLIP: clip["id"],
            example_ids.JOB: done["id"],
            example_ids.TAKE: done["content_id"],
            example_ids.POOL_ITEM: item["id"],
            example_ids.CHARACTER: (await desk.post("/characters", {"name": "Mara"}))["id"],
            example_ids.TEMPLATE: (await desk.post("/style-templates", {"name": "Noir"}))["id"],
            example_ids.WORKFLOW: (await desk.post("/workflows", workflow))["id"],
            example_ids.WEBHOOK: (await desk.post(webhooks, told))["id"],
        }

    def in_body(self, example: Any) -> Any:
        if isinstance(example, dict):
            return {key: self.in_body(value) for key, value in example.items()}
        if isinstance(example, list):
            return [self.in_body(value) for value in example]
        return self.real.get(example, example) if isinstance(example, str) else example

    def in_path(self, path: str) -> str:
        names = {
            "project_id": example_ids.PROJECT,
            "scene_id": example_ids.SCENE,
            "clip_id": example_ids.CLIP,
            "job_id": example_ids.JOB,
            "server_id": example_ids.SERVER,
            "item_id": example_ids.POOL_ITEM,
            "content_id": example_ids.TAKE,
            "character_id": example_ids.CHARACTER,
            "template_id": example_ids.TEMPLATE,
            "workflow_id": example_ids.WORKFLOW,
            "webhook_id": example_ids.WEBHOOK,
        }
        return re.sub(r"\{(\w+)\}", lambda found: self.real[names[found[1]]], path)


def example_of(schema: dict[str, Any]) -> Any:
    """Compose the body that Swagger UI shows: the example of the whole, else of every field."""
    if "examples" in schema:
        return schema["examples"][0]
    if "$ref" in schema:
        return example_of(DOCUMENT["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
    if "anyOf" in schema:
        return example_of(schema["anyOf"][0])
    return {name: example_of(field) for name, field in schema["properties"].items()}


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[tuple[Studio, Placeholders]]:
    async with (
        Simulator(SimulatorOptions(seconds_per_step=0)) as simulator,
        studio(tmp_path) as running,
    ):
        things = Placeholders(running, simulator)
        await things.make()
        yield running, things


async def test_every_example_runs(desk: tuple[Studio, Placeholders]) -> None:
    """All in a row, as somebody does who tries one after the other with ids of their own."""
    running, things = desk
    refused = {}
    for name, (method, path, content) in BODIES.items():
        if name in STATEFUL:
            continue
        body = things.in_body(example_of(content["application/json"]["schema"]))
        answer = await running.client.request(method, things.in_path(path), json=body)
        if answer.status_code not in {200, 201}:
            refused[name] = (answer.status_code, answer.json()["detail"], body)
    assert refused == {}
    assert len(BODIES) > 20


async def test_examples_for_a_server_and_a_worker_run(desk: tuple[Studio, Placeholders]) -> None:
    running, things = desk
    server = example_of(BODIES["create_server"][2]["application/json"]["schema"])
    await running.post("/comfyui/servers", server)
    await running.client.delete(f"/api/v1/comfyui/servers/{things.real[example_ids.SERVER]}")
    clip = {"id": things.real[example_ids.CLIP]}
    worker = example_of(BODIES["register_server"][2]["application/json"]["schema"])
    await running.post("/queue/servers/node-7/register", worker, 200)
    job_id = await running.job(clip)
    leased = await running.get("/queue/servers/node-7/next")
    assert leased["id"] == job_id
    report = example_of(BODIES["complete_job"][2]["application/json"]["schema"])
    said = await running.post(f"/queue/jobs/{job_id}/complete", report, 200)
    assert said["job_id"] == job_id


@pytest.fixture
async def server(tmp_path: Path, embedded: EmbeddedDatabase) -> AsyncIterator[ServerProcess]:
    """A server process with a real database that this process can look into."""
    with server_process(tmp_path, mongo_url=embedded.url, db_name="manual") as running:
        running.start()
        await running.ready()
        yield running


async def projects_in(embedded: EmbeddedDatabase) -> list[dict[str, Any]]:
    async with AsyncMongoClient[dict[str, Any]](embedded.url) as mongo:
        return await mongo["manual"]["projects"].find().to_list()


async def test_swagger_ui_creates_a_project(
    server: ServerProcess, embedded: EmbeddedDatabase, tmp_path: Path
) -> None:
    """Press "Try it out" and "Execute"; without a browser, send what they would send."""
    program = find_chromium()
    if program is None:
        body = example_of(BODIES["create_project"][2]["application/json"]["schema"])
        async with httpx.AsyncClient(base_url=server.url) as client:
            assert (await client.post("/api/v1/projects", json=body)).status_code == 201
    else:
        async with browser_tab(program, tmp_path) as tab:
            await press_through(tab, server.url, tmp_path)
    found = await projects_in(embedded)
    assert [project["name"] for project in found] == ["Night Drive"]


def save(target: Path, png: bytes) -> None:
    """Keep what was seen, for whoever looks into a failure."""
    target.write_bytes(png)


async def press_through(tab: Tab, origin: str, folder: Path) -> None:
    await tab.open(f"{origin}/docs")
    await tab.until("document.querySelectorAll('.opblock').length >= 65")
    save(folder / "docs.png", await tab.screenshot())
    await tab.click(f"{CREATE_PROJECT} .opblock-summary-control")
    await tab.click(f"{CREATE_PROJECT} .try-out__btn")
    await tab.click(f"{CREATE_PROJECT} .execute")
    status = f"document.querySelector('{CREATE_PROJECT} {ANSWERED}')"
    shown = await tab.until(f"{status}?.innerText")
    save(folder / "executed.png", await tab.screenshot())
    assert shown.startswith("201")
    assert tab.strangers(origin) == []
    assert tab.problems == []


async def test_redoc_shows_every_route(server: ServerProcess, tmp_path: Path) -> None:
    program = find_chromium()
    if program is None:
        async with httpx.AsyncClient(base_url=server.url) as client:
            assert (await client.get("/redoc")).status_code == 200
        return
    async with browser_tab(program, tmp_path) as tab:
        await tab.open(f"{server.url}/redoc")
        await tab.until(
            "document.querySelectorAll('[data-section-id*=\"/operation/\"]').length >= 65"
        )
        save(tmp_path / "redoc.png", await tab.screenshot())
        assert await tab.value("document.body.innerText.includes('Create a project')")
        assert tab.strangers(server.url) == []
        assert tab.problems == []

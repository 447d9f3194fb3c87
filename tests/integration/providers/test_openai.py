"""The three routes that show what the video provider holds, against a gateway on loopback."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI
from pydantic import SecretStr

from backend.models.content import ContentType
from backend.models.job import Job
from backend.server import create_app
from backend.services.providers.openai.client import OpenAIVideoClient
from backend.services.providers.openai.transport import (
    ProviderTimeouts,
    is_retired,
    open_provider_session,
)
from backend.utils.clock import utc_now
from backend.utils.errors import UpstreamError, UpstreamTimeoutError
from backend.utils.ids import new_id
from tests.openai_gateway import KEY, Fault, Gateway, refusal
from tests.studio import Studio, quick_settings, serving

VIDEOS = "/api/v1/openai/videos"


pytestmark = pytest.mark.asyncio(loop_scope="module")


@asynccontextmanager
async def talking(
    tmp_path: Path, url: str, key: str | None = KEY, **changes: Any
) -> AsyncIterator[tuple[httpx.AsyncClient, FastAPI]]:
    settings = quick_settings(
        tmp_path,
        openai_base_url=url,
        openai_api_key=SecretStr(key) if key else None,
        openai_poll_seconds=0.02,
        **changes,
    )
    app = create_app(settings)
    async with serving(app) as client:
        yield client, app


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def one_gateway() -> AsyncIterator[Gateway]:
    async with Gateway() as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def desk(
    one_gateway: Gateway, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[httpx.AsyncClient]:
    """One app for all tests here: starting one takes longer than they do."""
    async with talking(tmp_path_factory.mktemp("app"), one_gateway.url) as (client, _):
        yield client


@pytest.fixture
def gateway(one_gateway: Gateway) -> Gateway:
    one_gateway.reset()
    return one_gateway


def error_of(response: httpx.Response, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.text
    body = response.json()
    assert body["detail"] == body["error"]["message"]
    return dict(body["error"])


async def test_list_in_pages(desk: httpx.AsyncClient, gateway: Gateway) -> None:
    for number in range(5):
        gateway.add(f"v{number}")
    first = (await desk.get(VIDEOS, params={"limit": 2})).json()
    assert [video["id"] for video in first["data"]] == ["v4", "v3"]
    assert {key: first[key] for key in ("object", "first_id", "last_id", "has_more")} == {
        "object": "list",
        "first_id": "v4",
        "last_id": "v3",
        "has_more": True,
    }
    rest = (await desk.get(VIDEOS, params={"after": "v3", "limit": 100})).json()
    assert [video["id"] for video in rest["data"]] == ["v2", "v1", "v0"]
    assert rest["has_more"] is False
    oldest = (await desk.get(VIDEOS, params={"order": "asc", "limit": 1})).json()
    assert oldest["data"] == [gateway.videos["v0"]]
    assert gateway.calls[0][1] == "/v1/videos?limit=2&order=desc"


async def test_an_empty_list(desk: httpx.AsyncClient, gateway: Gateway) -> None:
    assert (await desk.get(VIDEOS)).json() == {
        "object": "list",
        "data": [],
        "first_id": None,
        "last_id": None,
        "has_more": False,
    }
    assert gateway.count("list") == 1


async def test_one_video_passes_through(desk: httpx.AsyncClient, gateway: Gateway) -> None:
    gateway.add("v", quality="standard", error=None, nested={"a": 1})
    response = await desk.get(f"{VIDEOS}/v")
    assert response.status_code == 200
    expected = dict(gateway.videos["v"])
    del expected["nested"]
    assert response.json() == expected


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("succeeded", "completed"),
        ("processing", "in_progress"),
        ("pending", "queued"),
        ("cancelled", "failed"),
        ("error", "failed"),
    ],
)
async def test_statuses_are_the_four_of_the_api(
    desk: httpx.AsyncClient, gateway: Gateway, word: str, status: str
) -> None:
    gateway.add("v", status=word)
    assert (await desk.get(f"{VIDEOS}/v")).json()["status"] == status
    assert (await desk.get(VIDEOS)).json()["data"][0]["status"] == status


async def test_delete(desk: httpx.AsyncClient, gateway: Gateway) -> None:
    gateway.add("v")
    deleted = await desk.delete(f"{VIDEOS}/v")
    assert deleted.status_code == 200
    assert deleted.json() == {
        "id": "v",
        "object": "video.deleted",
        "deleted": True,
        "message": "Video deleted at the provider.",
    }
    assert gateway.videos == {}
    assert error_of(await desk.delete(f"{VIDEOS}/v"), 404)["code"] == "VIDEO_NOT_FOUND"


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (Fault(204), 200),
        (Fault(200, {"id": "v", "status": "deleted"}), 200),
        (Fault(200, {"id": "v", "deleted": False}), 502),
    ],
)
async def test_deletions_as_gateways_confirm_them(
    desk: httpx.AsyncClient, gateway: Gateway, fault: Fault, status: int
) -> None:
    gateway.fault("delete", fault)
    assert (await desk.delete(f"{VIDEOS}/v")).status_code == status


async def test_the_providers_404_is_ours(desk: httpx.AsyncClient, gateway: Gateway) -> None:
    error = error_of(await desk.get(f"{VIDEOS}/video_9"), 404)
    assert (error["code"], error["details"]) == ("VIDEO_NOT_FOUND", {"id": "video_9"})
    gateway.fault("list", Fault(404, {"detail": "Not Found"}))
    assert error_of(await desk.get(VIDEOS), 404)["code"] == "VIDEOS_NOT_FOUND"


async def test_an_id_is_one_part_of_a_path(desk: httpx.AsyncClient, gateway: Gateway) -> None:
    odd = "video_a+b=c:d?e#f g"
    gateway.add(odd)
    response = await desk.get(f"{VIDEOS}/video_a%2Bb=c:d%3Fe%23f%20g")
    assert response.json()["id"] == odd
    assert error_of(await desk.get(f"{VIDEOS}/%2E%2E"), 404)["code"] in {
        "VIDEO_NOT_FOUND",
        "ROUTE_NOT_FOUND",
    }
    assert gateway.count("retrieve") == 1


@pytest.mark.parametrize(
    ("fault", "words", "code"),
    [
        (refusal(400, "Invalid limit."), "Invalid limit.", "PROVIDER_REFUSED"),
        (refusal(403, "Not in your region."), "Not in your region.", "PROVIDER_REFUSED"),
        (refusal(401, "Bad key."), "Bad key.", "PROVIDER_UNAUTHORIZED"),
        (refusal(429, "Slow down.", **{"Retry-After": "7"}), "Slow down.", "PROVIDER_BUSY"),
        (refusal(500, "The server had an error."), "The server had", "PROVIDER_BUSY"),
        (Fault(500, b"<html>"), "refused (500)", "PROVIDER_BUSY"),
        (Fault(200, b"{not json"), "JSON", "PROVIDER_NONSENSE"),
        (Fault(200, b'{"id": NaN}'), "JSON", "PROVIDER_NONSENSE"),
        (Fault(200, {"hello": 1}), "did not", "PROVIDER_NONSENSE"),
        (Fault(200), "did not", "PROVIDER_NONSENSE"),
        (Fault(302, headers={"Location": "http://[::1]/"}), "redirects", "PROVIDER_REDIRECTS"),
    ],
)
@pytest.mark.parametrize(("action", "path"), [("list", ""), ("retrieve", "/v")])
async def test_other_refusals_are_502_with_its_sentence(
    desk: httpx.AsyncClient,
    gateway: Gateway,
    fault: Fault,
    words: str,
    code: str,
    action: str,
    path: str,
) -> None:
    gateway.fault(action, fault)
    error = error_of(await desk.get(f"{VIDEOS}{path}"), 502)
    assert error["code"] == code
    assert words in error["message"]
    if code == "PROVIDER_BUSY" and fault.headers:
        assert error["details"]["retry_after"] == 7


async def test_a_dropped_answer_and_a_closed_port_are_503(
    desk: httpx.AsyncClient, gateway: Gateway
) -> None:
    gateway.fault("list", Fault(drop=True), times=2)  # a read is tried twice
    dropped = await desk.get(VIDEOS)
    assert error_of(dropped, 503)["code"] == "PROVIDER_UNREACHABLE"
    assert int(dropped.headers["Retry-After"]) > 0
    port = await gateway.stop()
    assert error_of(await desk.get(VIDEOS), 503)["code"] == "PROVIDER_UNREACHABLE"
    await gateway.start(port)


async def test_a_slow_provider_is_504(gateway: Gateway) -> None:
    gateway.fault("list", Fault(hold=True))
    async with open_provider_session() as session:
        client = OpenAIVideoClient(
            session, base_url=gateway.url, api_key=KEY, timeouts=ProviderTimeouts(answer=0.1)
        )
        with pytest.raises(UpstreamTimeoutError) as caught:
            await client.page({"limit": 1})
    assert caught.value.status == 504


@pytest.mark.parametrize(
    "params",
    [{"limit": 0}, {"limit": 101}, {"limit": "x"}, {"order": "up"}, {"after": "x" * 501}],
)
async def test_queries_out_of_range(
    desk: httpx.AsyncClient, gateway: Gateway, params: dict[str, Any]
) -> None:
    assert error_of(await desk.get(VIDEOS, params=params), 422)["code"] == "VALIDATION_ERROR"
    assert gateway.calls == []


ROUTES = [("GET", ""), ("GET", "/video_1"), ("DELETE", "/video_1")]


async def test_without_a_key(tmp_path: Path, gateway: Gateway) -> None:
    async with talking(tmp_path, gateway.url, None) as (client, _):
        responses = [await client.request(method, f"{VIDEOS}{path}") for method, path in ROUTES]
    for response in responses:
        error = error_of(response, 503)
        assert error["code"] == "OPENAI_NOT_CONFIGURED"
        assert "OPENAI_API_KEY" in error["message"]
        assert "Retry-After" in response.headers
    assert gateway.calls == []


async def test_the_retired_host_is_never_called(tmp_path: Path) -> None:
    async with talking(tmp_path, "https://api.openai.com/v1") as (client, _):
        responses = [await client.request(method, f"{VIDEOS}{path}") for method, path in ROUTES]
    for response in responses:
        error = error_of(response, 503)
        assert error["code"] == "PROVIDER_RETIRED"
        assert "OPENAI_BASE_URL" in error["message"]


@pytest.mark.parametrize(
    ("url", "retired"),
    [
        ("https://api.openai.com/v1", True),
        ("http://API.OPENAI.COM:8443", True),
        ("https://eu.api.openai.com./v1", True),
        ("https://api.openai.com.example.org/v1", False),
        ("http://127.0.0.1:8000/api.openai.com", False),
        ("https://notapi.openai.com/v1", False),
    ],
)
async def test_which_host_is_retired(url: str, retired: bool) -> None:
    assert is_retired(url) is retired


async def test_the_key_is_in_no_answer_and_no_log(
    tmp_path: Path, gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    secret = "sk-wr0ng-and-secret"
    async with talking(tmp_path, gateway.url, secret) as (client, _):
        response = await client.get(VIDEOS)
    assert "[key]" in error_of(response, 502)["message"]
    assert gateway.keys_seen == [f"Bearer {secret}"]
    assert secret not in response.text
    assert secret not in caplog.text


async def test_a_half_hidden_key_is_hidden_whole(desk: httpx.AsyncClient, gateway: Gateway) -> None:
    gateway.fault("list", refusal(401, "Incorrect API key provided: sk-proj-****cdef."))
    assert "cdef" not in (await desk.get(VIDEOS)).text


async def test_metadata_addresses_are_not_dialled() -> None:
    async with open_provider_session() as session:
        client = OpenAIVideoClient(session, base_url="http://169.254.169.254/v1", api_key=KEY)
        with pytest.raises(UpstreamError) as caught:
            await client.page({"limit": 1})
    assert caught.value.code == "PROVIDER_UNREACHABLE"


async def test_the_three_operations_are_documented(desk: httpx.AsyncClient) -> None:
    paths = (await desk.get("/openapi.json")).json()["paths"]
    found = {
        (path, method): operation
        for path, operations in paths.items()
        for method, operation in operations.items()
        if "/openai/" in path
    }
    assert {place: operation["operationId"] for place, operation in found.items()} == {
        (VIDEOS, "get"): "list_openai_videos",
        (f"{VIDEOS}/{{video_id}}", "get"): "read_openai_video",
        (f"{VIDEOS}/{{video_id}}", "delete"): "delete_openai_video",
    }
    for operation in found.values():
        assert {"404", "502", "503", "504"} <= set(operation["responses"])


async def test_a_restart_of_everything_orders_once(tmp_path: Path, gateway: Gateway) -> None:
    """Two containers, one after the other, on one embedded database."""
    gateway.status_words = ["in_progress"]
    options = {"mongo_url": f"embedded:{tmp_path / 'db'}"}
    async with talking(tmp_path, gateway.url, **options) as (client, app):
        desk = Studio(client)
        clip = await desk.clip()
        job = _job_for(clip)
        await app.state.container.queue.manager.add_jobs([job])
        await desk.until(job.id, lambda now: now["progress"] > 0)
    gateway.status_words = ["completed"]
    async with talking(tmp_path, gateway.url, **options) as (client, app):
        desk = Studio(client)
        done = await desk.finished(job.id)
        takes = await desk.takes(clip)
        labels = 'server="OpenAI-compatible provider",status="completed"'
        # Counted once it is stored, and so a moment after others see it.
        async with asyncio.timeout(5):
            while f"storycanvas_jobs_ended_total{{{labels}}} 1.0" not in (
                (await client.get("/metrics")).text
            ):
                await asyncio.sleep(0.01)
    assert (done["status"], done["server_id"]) == ("completed", "openai")
    assert [take["id"] for take in takes] == [done["content_id"]]
    assert gateway.count("create") == 1


async def test_a_job_for_a_server_that_nobody_knows_is_refused(
    desk: httpx.AsyncClient, gateway: Gateway
) -> None:
    clip = await Studio(desk).clip()
    body = {
        "clip_id": clip["id"],
        "generation_type": "video",
        "prompt": "a red car",
        "server_id": "nobody",
        "params": {"provider": "openai"},
    }
    error = error_of(await desk.post("/api/v1/generate", json=body), 404)
    assert error["code"] == "SERVER_NOT_FOUND"
    assert gateway.count("create") == 0


def _job_for(clip: dict[str, Any]) -> Job:
    return Job(
        id=new_id(),
        project_id=clip["project_id"],
        scene_id=clip["scene_id"],
        clip_id=clip["id"],
        generation_type=ContentType.VIDEO,
        prompt="a red car",
        model="sora-2",
        provider="openai",
        params={"provider": "openai", "seed": 1},
        created_at=utc_now(),
    )

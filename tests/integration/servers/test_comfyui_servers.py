"""ComfyUI servers (5), and their API keys at rest."""

import io
import logging
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from backend.api.http.logs import JsonFormatter
from backend.comfyui_simulator.options import SimulatorOptions
from backend.comfyui_simulator.simulator import Simulator
from backend.container import Container
from backend.dtos.comfyui_dto import ServerInfoDTO
from backend.mongo.embedded import EmbeddedDatabase
from backend.server import create_app
from backend.utils.errors import SecretKeyMismatchError
from backend.utils.ids import random_id
from tests.conftest import API
from tests.studio import quick_settings, serving

FIELDS = {
    "id", "name", "url", "server_type", "has_api_key", "endpoint_id", "is_active",
    "max_concurrent", "is_online", "created_at", "updated_at",
}  # fmt: skip
INFO_FIELDS = {
    "server", "is_online", "models", "loras", "vaes", "samplers", "schedulers", "version",
    "devices", "queue_running", "queue_pending", "latency_ms", "supported_model_types",
    "text_encoders", "families",
}  # fmt: skip
#: Nothing listens there.
CLOSED = "http://127.0.0.1:9"
KEY = "rp-hunter2-key"

BAD_FIELDS: list[tuple[str, Any]] = [
    ("name", ""), ("name", " "), ("name", None), ("name", "x" * 201), ("url", ""), ("url", None),
    ("url", 5), ("url", "x" * 2001), ("server_type", "fast"), ("server_type", None),
    ("api_key", "a\r\nHost: evil"), ("api_key", "a b"), ("api_key", "schlüssel"),
    ("api_key", "x" * 4001), ("api_key", 5), ("endpoint_id", "../x"), ("endpoint_id", "a/b"),
    ("endpoint_id", "x" * 201), ("is_active", None), ("is_active", "perhaps"),
    ("max_concurrent", 0), ("max_concurrent", 65), ("max_concurrent", 1.5),
    ("max_concurrent", None), ("max_concurrent", "many"),
]  # fmt: skip

BAD_URLS = [
    "127.0.0.1:8188", "ftp://127.0.0.1", "file:///etc/passwd", "http://", "http:///x",
    "http://user:secret@127.0.0.1:8188", "http://169.254.169.254/latest", "http://[fe80::1]",
    "http://metadata.google.internal", "http://2852039166", "http://0xa9fea9fe",
    "http://127.0.0.1:0", "http://127.0.0.1:65536", "http://127.0.0.1/?a=b", "http://127.0.0.1/#a",
    "http://[::ffff:169.254.169.254]", "http://a b", "http://127.0.0.1/../x", "javascript:alert(1)",
]  # fmt: skip


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator(SimulatorOptions()) as running:
        yield running


async def register(client: httpx.AsyncClient, url: str = CLOSED, **fields: Any) -> dict[str, Any]:
    body = {"name": "Studio", "url": url, **fields}
    response = await client.post(f"{API}/comfyui/servers", json=body)
    assert response.status_code == 201, response.text
    return dict(response.json())


class TestCreate:
    async def test_online(self, client: httpx.AsyncClient, simulator: Simulator) -> None:
        server = await register(client, simulator.url + "/")
        assert set(server) == FIELDS
        assert server["url"] == simulator.url
        assert (server["is_online"], server["is_active"]) == (True, True)
        assert (server["server_type"], server["max_concurrent"]) == ("standard", 1)
        assert (await client.get(f"{API}/comfyui/servers")).json() == [server]

    async def test_offline_is_taken_too(self, client: httpx.AsyncClient) -> None:
        server = await register(client, server_type="runpod", endpoint_id="ep-1", api_key=KEY)
        assert (server["is_online"], server["has_api_key"]) == (False, True)
        assert server["endpoint_id"] == "ep-1"

    async def test_an_empty_key_is_none(self, client: httpx.AsyncClient) -> None:
        assert (await register(client, api_key="", endpoint_id=""))["has_api_key"] is False

    async def test_bad_fields_store_nothing(self, client: httpx.AsyncClient) -> None:
        for field, value in BAD_FIELDS:
            body = {"name": "a", "url": CLOSED, field: value}
            response = await client.post(f"{API}/comfyui/servers", json=body)
            assert response.status_code == 422, (field, value)
            assert "evil" not in response.text
        assert (await client.get(f"{API}/comfyui/servers")).json() == []

    async def test_bad_urls_store_nothing(self, client: httpx.AsyncClient) -> None:
        for url in BAD_URLS:
            response = await client.post(f"{API}/comfyui/servers", json={"name": "a", "url": url})
            assert response.status_code == 400, url
            assert response.json()["error"]["code"] == "INVALID_SERVER_URL"
            assert "secret" not in response.text
        assert (await client.get(f"{API}/comfyui/servers")).json() == []

    @pytest.mark.parametrize("same", [CLOSED, CLOSED + "/", "HTTP://127.0.0.1:9", "http://127.1:9"])
    async def test_a_url_is_registered_once(self, client: httpx.AsyncClient, same: str) -> None:
        first = await register(client)
        response = await client.post(f"{API}/comfyui/servers", json={"name": "b", "url": same})
        assert response.status_code == 409
        assert response.json()["error"]["code"] == "SERVER_URL_EXISTS"
        assert (await client.get(f"{API}/comfyui/servers")).json() == [first]


async def test_list_is_oldest_first_in_pages(client: httpx.AsyncClient) -> None:
    made = [await register(client, f"{CLOSED}/{number}") for number in range(4)]
    page = await client.get(f"{API}/comfyui/servers", params={"skip": 1, "limit": 2})
    assert {server["id"] for server in page.json()} <= {server["id"] for server in made}
    assert len(page.json()) == 2
    assert page.headers["X-Total-Count"] == "4"


class TestInfo:
    async def test_online(self, client: httpx.AsyncClient, simulator: Simulator) -> None:
        server = await register(client, simulator.url)
        info = (await client.get(f"{API}/comfyui/servers/{server['id']}/info")).json()
        assert set(info) == INFO_FIELDS
        assert info["is_online"] is True
        assert info["server"]["id"] == server["id"]
        assert {"name": "sd_xl_base_1.0.safetensors", "type": "sdxl"} in info["models"]
        assert info["samplers"]
        assert info["schedulers"]
        assert info["version"]
        assert info["latency_ms"] > 0
        assert "unknown" not in info["supported_model_types"]

    async def test_loras_and_vaes_say_what_they_are_for(self, client: httpx.AsyncClient) -> None:
        options = SimulatorOptions(
            models={
                "loras": ("style.safetensors", "pixel-art-xl.safetensors", "Flux.1 D/mara.sft"),
                "vae": ("ae.safetensors", "mystery.safetensors", "wan_2.1_vae.safetensors"),
            }
        )
        async with Simulator(options) as simulator:
            server = await register(client, simulator.url)
            info = (await client.get(f"{API}/comfyui/servers/{server['id']}/info")).json()
        ServerInfoDTO.model_validate(info)
        assert info["loras"] == [
            {"name": "Flux.1 D/mara.sft", "type": "flux_dev"},
            {"name": "pixel-art-xl.safetensors", "type": "sdxl"},
            {"name": "style.safetensors", "type": "unknown"},
        ]
        assert [(vae["name"], vae["type"]) for vae in info["vaes"]] == [
            ("ae.safetensors", "flux_dev"),
            ("mystery.safetensors", "unknown"),
            ("pixel_space", "unknown"),
            ("wan_2.1_vae.safetensors", "wan_2_1"),
        ]

    async def test_what_it_can_run_and_what_it_lacks(self, client: httpx.AsyncClient) -> None:
        options = SimulatorOptions(
            models={"text_encoders": ("umt5_base.safetensors",)},
            without_nodes=("SVD_img2vid_Conditioning",),
        )
        async with Simulator(options) as simulator:
            server = await register(client, simulator.url)
            info = (await client.get(f"{API}/comfyui/servers/{server['id']}/info")).json()
        assert info["text_encoders"] == ["umt5_base.safetensors"]
        assert all(device["vram_total"] > 0 for device in info["devices"])
        families = {family["family"]: family for family in info["families"]}
        assert len(families) == 18
        sdxl, wan = families["sdxl"], families["wan_2_1"]
        assert (sdxl["can_run"], sdxl["lacks"]) == (True, [])
        assert sdxl["kinds"] == ["text_to_image", "image_to_image", "inpaint"]
        assert sdxl["models"] == ["sd_xl_base_1.0.safetensors"]
        assert (wan["can_run"], wan["kinds"], len(wan["models"])) == (False, [], 1)
        text = next(lack for lack in wan["lacks"] if lack["kinds"] == ["text_to_video"])
        assert text["model"] == "wan2.1_t2v_1.3B_fp16.safetensors"
        assert text["missing"] == [
            {
                "folder": "text_encoders",
                "name": "umt5_xxl_fp8_e4m3fn_scaled.safetensors",
                "nearest": ["umt5_base.safetensors"],
            }
        ]
        (svd,) = families["svd"]["lacks"]
        assert ("nodes", "SVD_img2vid_Conditioning") in [
            (each["folder"], each["name"]) for each in svd["missing"]
        ]

    async def test_offline_is_an_answer(
        self, client: httpx.AsyncClient, simulator: Simulator
    ) -> None:
        server = await register(client, simulator.url)
        await simulator.die()
        began = time.monotonic()
        response = await client.get(f"{API}/comfyui/servers/{server['id']}/info")
        assert time.monotonic() - began < 5
        info = response.json()
        assert (response.status_code, info["is_online"]) == (200, False)
        assert (info["models"], info["version"], info["latency_ms"]) == ([], None, None)
        assert (info["families"], info["text_encoders"], info["devices"]) == ([], [], [])
        assert (info["loras"], info["vaes"]) == ([], [])
        assert info["server"]["is_online"] is False


class TestUpdate:
    async def test_only_what_is_sent(self, client: httpx.AsyncClient) -> None:
        server = await register(client, api_key=KEY, max_concurrent=3)
        url = f"{API}/comfyui/servers/{server['id']}"
        changed = (await client.put(url, json={"name": "b", "is_active": False})).json()
        assert changed == {
            **server, "name": "b", "is_active": False, "updated_at": changed["updated_at"],
        }  # fmt: skip
        assert (await client.put(url, json={"api_key": None})).json()["has_api_key"] is False

    async def test_another_url_is_another_server(
        self, client: httpx.AsyncClient, simulator: Simulator
    ) -> None:
        server = await register(client)
        url = f"{API}/comfyui/servers/{server['id']}"
        changed = (await client.put(url, json={"url": simulator.url})).json()
        assert (changed["url"], changed["is_online"]) == (simulator.url, True)
        assert (await client.put(url, json={"url": CLOSED})).json()["is_online"] is False
        assert (await client.get(f"{url}/info")).json()["models"] == []

    async def test_bad_fields_change_nothing(self, client: httpx.AsyncClient) -> None:
        other = await register(client, f"{CLOSED}/other")
        server = await register(client)
        url = f"{API}/comfyui/servers/{server['id']}"
        for field, value in BAD_FIELDS:
            response = await client.put(url, json={"name": "c", field: value})
            assert response.status_code == 422, (field, value)
        for bad in BAD_URLS:
            assert (await client.put(url, json={"name": "c", "url": bad})).status_code == 400
        taken = await client.put(url, json={"name": "c", "url": other["url"]})
        assert (taken.status_code, taken.json()["error"]["code"]) == (409, "SERVER_URL_EXISTS")
        assert server in (await client.get(f"{API}/comfyui/servers")).json()


async def test_delete(client: httpx.AsyncClient) -> None:
    server = await register(client)
    url = f"{API}/comfyui/servers/{server['id']}"
    assert (await client.delete(url)).json() == {"message": "Server removed.", "deleted": 1}
    assert (await client.get(f"{API}/comfyui/servers")).json() == []
    for method, path in (("DELETE", ""), ("GET", "/info"), ("PUT", "")):
        response = await client.request(method, url + path, json={} if method == "PUT" else None)
        assert response.status_code == 404
        assert response.json()["error"]["code"] == "SERVER_NOT_FOUND"


class TestKeysAtRest:
    """On the embedded database: the key of one life of the server is read in the next."""

    @pytest.fixture
    def place(self, embedded: EmbeddedDatabase) -> dict[str, Any]:
        return {"mongo_url": embedded.url, "db_name": f"keys-{random_id()[:8]}"}

    @pytest.fixture
    def log(self, caplog: pytest.LogCaptureFixture) -> Iterator[io.StringIO]:
        """Everything that is logged, as our formatter writes it."""
        stream = io.StringIO()
        handler = logging.StreamHandler(stream)
        handler.setFormatter(JsonFormatter())
        logging.getLogger().addHandler(handler)
        with caplog.at_level(logging.INFO):
            yield stream
        logging.getLogger().removeHandler(handler)

    async def stored(self, container: Container) -> Any:
        (document,) = await container.servers._servers._find_raw({"url": {"$gt": ""}})
        return document["api_key"]

    async def test_sealed_and_opened_with_the_same_key(
        self, tmp_path: Path, place: dict[str, Any], log: io.StringIO
    ) -> None:
        app = create_app(quick_settings(tmp_path, secret_key="long enough", **place))
        async with serving(app) as client:
            response = await client.post(
                f"{API}/comfyui/servers", json={"name": "a", "url": CLOSED, "api_key": KEY}
            )
            assert response.json()["has_api_key"] is True
            at_rest = await self.stored(app.state.container)
            assert set(at_rest) == {"sealed"}
            assert KEY not in str(at_rest)
            changed = await client.put(
                f"{API}/comfyui/servers/{response.json()['id']}", json={"name": "b"}
            )
            assert changed.json()["has_api_key"] is True
        async with serving(app):
            servers = app.state.container.servers._servers
            (server,) = await servers.list_all()
            assert server.require_key() == KEY
        assert KEY not in log.getvalue()
        assert KEY not in response.text

    async def test_a_plain_key_is_sealed_once_there_is_a_secret(
        self, tmp_path: Path, place: dict[str, Any]
    ) -> None:
        plain = create_app(quick_settings(tmp_path, **place))
        async with serving(plain) as client:
            await register(client, api_key=KEY)
            assert await self.stored(plain.state.container) == KEY
        sealing = create_app(quick_settings(tmp_path, secret_key="long enough", **place))
        async with serving(sealing) as client:
            assert (await client.get(f"{API}/comfyui/servers")).json()[0]["has_api_key"] is True
            assert set(await self.stored(sealing.state.container)) == {"sealed"}

    @pytest.mark.parametrize("secret_key", ["another one", ""], ids=["wrong", "missing"])
    async def test_another_secret_is_said_only_when_the_key_is_needed(
        self, tmp_path: Path, place: dict[str, Any], log: io.StringIO, secret_key: str
    ) -> None:
        first = create_app(quick_settings(tmp_path, secret_key="long enough", **place))
        async with Simulator(SimulatorOptions()) as simulator:
            async with serving(first) as client:
                server = await register(client, simulator.url, api_key=KEY)
                assert server["is_online"] is True
            second = create_app(quick_settings(tmp_path, secret_key=secret_key, **place))
            async with serving(second) as client:
                await self.check_locked(client, second.state.container, server)
                url = f"{API}/comfyui/servers/{server['id']}"
                mended = (await client.put(url, json={"api_key": "new"})).json()
                assert (mended["is_online"], mended["has_api_key"]) == (True, True)
        assert "SECRET_KEY" in log.getvalue()
        assert KEY not in log.getvalue()

    async def check_locked(
        self, client: httpx.AsyncClient, container: Container, server: dict[str, Any]
    ) -> None:
        (listed,) = (await client.get(f"{API}/comfyui/servers")).json()
        assert (listed["id"], listed["has_api_key"]) == (server["id"], True)
        info = await client.get(f"{API}/comfyui/servers/{server['id']}/info")
        assert (info.status_code, info.json()["is_online"]) == (200, False)
        renamed = await client.put(
            f"{API}/comfyui/servers/{server['id']}", json={"name": "renamed"}
        )
        assert (renamed.status_code, renamed.json()["has_api_key"]) == (200, True)
        assert set(await self.stored(container)) == {"sealed"}
        await self.check_no_job_waits_for_it(client, server)
        locked = await container.servers._servers.get(server["id"])
        with pytest.raises(SecretKeyMismatchError, match="renamed") as caught:
            locked.require_key()
        assert (caught.value.status, caught.value.code) == (503, "SECRET_KEY_MISMATCH")

    async def check_no_job_waits_for_it(
        self, client: httpx.AsyncClient, server: dict[str, Any]
    ) -> None:
        project = (await client.post(f"{API}/projects", json={"name": "a"})).json()
        body = {"project_id": project["id"], "name": "a"}
        scene = (await client.post(f"{API}/scenes", json=body)).json()
        clip = (await client.post(f"{API}/clips", json={"scene_id": scene["id"]})).json()
        order = {"clip_id": clip["id"], "prompt": "x", "server_id": server["id"]}
        response = await client.post(f"{API}/queue/jobs", json=order)
        assert response.status_code == 503
        assert response.json()["error"]["code"] == "SECRET_KEY_MISMATCH"
        assert response.headers["Retry-After"] == "60"
        assert KEY not in response.text

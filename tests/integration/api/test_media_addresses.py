"""Addresses of media in answers: loadable by a client at another origin, keys or none."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from backend.comfyui_simulator.options import SimulatorOptions
from backend.comfyui_simulator.simulator import Simulator
from backend.server import create_app
from tests.listening import listening, on_a_port
from tests.studio import ORIGIN, Studio, kept, quick_settings, studio
from tests.unit.services.media.media_samples import picture

KEY = "a-key"
BEARER = {"Authorization": f"Bearer {KEY}"}
SMALL = {"steps": 2, "width": 64, "height": 64}


@asynccontextmanager
async def keyed(folder: Path, **changes: Any) -> AsyncIterator[Studio]:
    """A studio that asks for a key, and has one."""
    async with studio(folder, api_keys=KEY, **changes) as desk:
        desk.client.headers.update(BEARER)
        yield desk


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator(SimulatorOptions(seconds_per_step=0)) as running:
        yield running


async def face(client: httpx.AsyncClient, **headers: str) -> str:
    """Upload a picture; gives its address as the answer has it."""
    files = {"file": ("a.png", picture(), "image/png")}
    answer = await client.post("/api/v1/media/upload-face-image", files=files, headers=headers)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["file_url"])


class TestWhereClientsReachUs:
    async def test_at_the_address_they_ask(self, tmp_path: Path) -> None:
        async with studio(tmp_path) as desk:
            assert (await face(desk.client)).startswith(f"{ORIGIN}/uploads/faces/")
            told = await face(desk.client, Host="192.168.1.7:8001")
            assert told.startswith("http://192.168.1.7:8001/uploads/faces/")

    async def test_a_host_that_is_none_is_not_repeated(self, tmp_path: Path) -> None:
        async with studio(tmp_path) as desk:
            odd = ("a:99999", "..", "a..b", "x" * 300)
            for host in ('evil"onload=', "a b", "user@evil.example", "evil.example/x", "", *odd):
                told = await face(desk.client, Host=host)
                assert told.startswith("http://storycanvas"), told

    async def test_public_url_wins(self, tmp_path: Path) -> None:
        async with studio(tmp_path, public_url="https://film.example/board/") as desk:
            told = await face(desk.client)
            assert told.startswith("https://film.example/board/uploads/faces/")
            for form in (told, kept(told).removeprefix("/board"), f"{ORIGIN}{kept(told)[6:]}"):
                mara = await desk.post("/characters", {"name": "Mara", "face_image": form})
                assert mara["face_image"] == told

    async def test_forwarded_headers_count_from_trusted_proxies_alone(self, tmp_path: Path) -> None:
        sent = {"X-Forwarded-Host": "film.example", "X-Forwarded-Proto": "https"}
        longer = {**sent, "X-Forwarded-Port": "8443", "X-Forwarded-Prefix": "/board/"}
        for trusted, expected, with_prefix in (
            ("", ORIGIN, ORIGIN),
            ("10.0.0.0/8", ORIGIN, ORIGIN),
            ("10.0.0.0/8, 127.0.0.1", "https://film.example", "https://film.example:8443/board"),
        ):
            async with studio(tmp_path, trusted_proxies=trusted) as desk:
                assert (await face(desk.client, **sent)).startswith(f"{expected}/uploads/")
                assert (await face(desk.client, **longer)).startswith(f"{with_prefix}/uploads/")
                chain = {
                    "X-Forwarded-Host": "film.example, cdn",
                    "X-Forwarded-Proto": "HTTPS, http",
                }
                assert (await face(desk.client, **chain)).startswith(f"{expected}/uploads/")
                bad = {"X-Forwarded-Host": "a b", "X-Forwarded-Prefix": "//evil.example/"}
                assert (await face(desk.client, **bad)).startswith(f"{ORIGIN}/uploads/")


class TestWithKeys:
    async def test_an_address_opens_its_file_and_nothing_else(self, tmp_path: Path) -> None:
        async with keyed(tmp_path) as desk:
            told = await face(desk.client)
            other = await face(desk.client)
            del desk.client.headers["Authorization"]
            page = {"Origin": "http://elsewhere.example"}
            found = await desk.client.get(told, headers=page)
            assert (found.status_code, found.content[:4]) == (200, b"\x89PNG")
            assert found.headers["Access-Control-Allow-Origin"] == "*"
            assert found.headers["Cache-Control"].startswith("private")
            assert (await desk.client.head(told)).status_code == 200
            part = await desk.client.get(told, headers={"Range": "bytes=0-7"})
            assert (part.status_code, part.content) == (206, b"\x89PNG\r\n\x1a\n")
            query = told.partition("?")[2]
            for path in (kept(told), f"{kept(other)}?{query}", f"/api/v1/projects?{query}"):
                assert (await desk.client.get(path)).status_code == 401
            for method in ("POST", "DELETE", "PUT"):
                assert (await desk.client.request(method, told)).status_code == 401

    async def test_it_outlives_a_restart_and_ends_with_its_key(self, tmp_path: Path) -> None:
        async with keyed(tmp_path) as desk:
            told = await face(desk.client)
        async with studio(tmp_path, api_keys=KEY) as desk:
            assert (await desk.client.get(told)).status_code == 200
        async with studio(tmp_path, api_keys="another") as desk:
            assert (await desk.client.get(told)).status_code == 401

    async def test_an_answer_may_be_sent_back(self, tmp_path: Path) -> None:
        async with keyed(tmp_path) as desk:
            told = await face(desk.client)
            mara = await desk.post("/characters", {"name": "Mara", "reference_images": [told]})
            again = await desk.client.put(f"/api/v1/characters/{mara['id']}", json=mara)
            assert again.json()["reference_images"] == [told]


async def test_every_form_is_taken_where_pictures_are(tmp_path: Path, simulator: Simulator) -> None:
    async with keyed(tmp_path) as desk:
        await desk.server(simulator)
        clip = await desk.clip()
        told = await face(desk.client)
        for form in (told, kept(told), f"{ORIGIN}{kept(told)}", f"{kept(told)}?v=2"):
            params = {**SMALL, "init_image": form, "denoise": 0.5}
            order = {"clip_id": clip["id"], "prompt": "dawn", "params": params}
            made = await desk.post("/generate", order, 200)
            assert made["content"]["generation_params"]["init_image"] == told
            job = await desk.get(f"/queue/jobs/{made['job_id']}")
            assert job["params"]["init_image"] == told
            item = {"project_id": clip["project_id"], "media_url": form}
            assert kept((await desk.post("/pool", item))["media_url"]) != kept(told)
        lent = await desk.post("/queue/servers/n/register", {"server_name": "N"}, 200)
        assert lent["mode"] == "pull"
        job_id = await desk.job(clip, server_id="n")
        assert (await desk.get("/queue/servers/n/next"))["id"] == job_id
        report = {"success": True, "result_url": told}
        await desk.post(f"/queue/jobs/{job_id}/complete", report, 200)


async def test_a_job_tells_its_result_and_its_prompt(tmp_path: Path, simulator: Simulator) -> None:
    async with studio(tmp_path) as desk:
        await desk.server(simulator)
        clip = await desk.clip()
        lora = {"name": "example_style.safetensors", "weight": 0.6}
        job_id = await desk.job(clip, prompt="a red car", params=SMALL, loras=[lora])
        waiting = await desk.get(f"/queue/jobs/{job_id}")
        assert waiting["params"]["prompt"] == "a red car"
        done = await desk.finished(job_id)
        (take,) = await desk.takes(clip)
        result = {"url": take["url"], "thumbnail_url": take["thumbnail_url"]}
        assert (done["result"], done["result_url"]) == (result, take["url"])
        (listed,) = await desk.get("/queue/jobs?status=processing,pending,completed")
        assert listed["result"] == result
        assert take["loras"] == [lora]
        assert take["generation_params"]["steps"] == 2
        assert {type(value) for value in take["generation_params"].values()} <= {
            str, int, float, bool,
        }  # fmt: skip


async def test_no_result_is_told_of_a_clip_that_is_gone(
    tmp_path: Path, simulator: Simulator
) -> None:
    async with studio(tmp_path) as desk:
        await desk.server(simulator)
        clip = await desk.clip()
        job_id = await desk.job(clip, params=SMALL)
        assert (await desk.finished(job_id))["result"]
        await desk.client.delete(f"/api/v1/clips/{clip['id']}")
        job = await desk.get(f"/queue/jobs/{job_id}")
        assert (job["status"], job["result"], job["result_url"]) == ("completed", None, None)


async def test_streams_have_the_address_of_their_request(
    tmp_path: Path, simulator: Simulator
) -> None:
    app = create_app(quick_settings(tmp_path, api_keys=KEY))
    async with (
        on_a_port(app) as base,
        httpx.AsyncClient(base_url=base, headers=BEARER, timeout=20) as client,
        httpx.AsyncClient(timeout=20) as stranger,
    ):
        desk = Studio(client)
        await desk.server(simulator)
        async with listening(base, "?types=job.completed,content", **BEARER) as heard:
            await desk.finished(await desk.job(await desk.clip(), params=SMALL))
            await heard.until("content.added", 1)
        (done,), (added,) = heard.of("job.completed"), heard.of("content.added")
        told = [done["data"]["result_url"], *done["data"]["result"].values()]
        for address in [*told, added["data"]["url"], added["data"]["thumbnail_url"]]:
            assert address.startswith(f"{base}/uploads/")
            assert (await stranger.get(address)).status_code == 200


async def test_an_error_tells_addresses_the_same_way(tmp_path: Path) -> None:
    async with studio(tmp_path) as desk:
        client, clip = desk.client, await desk.clip()
        told = await face(client)
        await desk.post("/queue/servers/n/register", {"server_name": "N"}, 200)
        job_id = await desk.job(clip)
        await desk.get("/queue/servers/n/next")
        report = {"success": True, "result_url": told, "server_id": "n"}
        await desk.post(f"/queue/jobs/{job_id}/complete", report, 200)
        late = await client.post(f"/api/v1/queue/jobs/{job_id}/complete", json=report)
        assert late.status_code == 409
        assert "/uploads/" not in str(late.json()).replace(f"{ORIGIN}/uploads/", "")


async def test_an_exported_film_names_its_media_and_comes_back(
    tmp_path: Path, simulator: Simulator
) -> None:
    async with keyed(tmp_path) as desk:
        await desk.server(simulator)
        clip = await desk.clip()
        params = {**SMALL, "init_image": await face(desk.client), "denoise": 0.5}
        await desk.finished(await desk.job(clip, params=params))
        mara = {"name": "Mara", "face_image": await face(desk.client)}
        await desk.post("/characters", {**mara, "project_id": clip["project_id"]})
        exported = await desk.client.get(f"/api/projects/{clip['project_id']}/export/json")
        film = exported.json()
        (media,) = film["timeline"]["media"]
        (take,) = film["clips"][0]["generated_images"]
        del desk.client.headers["Authorization"]
        begun_from = take["generation_params"]["init_image"]
        for address in (media["url"], begun_from, film["characters"][0]["face_image"]):
            assert (await desk.client.get(address)).status_code == 200
        desk.client.headers.update(BEARER)
        files = {"file": ("film.json", exported.content)}
        copied = await desk.client.post("/api/v1/projects/import", files=files)
        assert copied.json()["missing_files"] == 0, copied.text

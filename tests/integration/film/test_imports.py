"""What comes back: a project from its JSON export, and the timing of an edited cut."""

import json
from typing import Any

import httpx
import pytest

from backend.config import Settings
from backend.container import Container
from backend.mongo.embedded import EmbeddedDatabase
from tests.conftest import API, Maker
from tests.studio import quick_settings
from tests.takes import VIDEO, Gallery
from tests.unit.services.media.media_samples import video

#: What must differ between a project and its copy.
OWN = {"id", "project_id", "scene_id", "parent_scene_id", "parent_clip_id", "updated_at"}
OWN |= {"path", "thumbnail_path", "music_file_path", "music_file_url", "timeline_revision"}
OWN |= {"selected_image_id", "selected_video_id", "character_id", "size_bytes"}


@pytest.fixture
def gallery(container: Container, settings: Settings) -> Gallery:
    return Gallery(container, settings.upload_dir)


async def _export(client: httpx.AsyncClient, project_id: str) -> dict[str, Any]:
    response = await client.get(f"{API}/projects/{project_id}/export/json")
    assert response.status_code == 200
    return dict(response.json())


async def _import(client: httpx.AsyncClient, body: bytes) -> httpx.Response:
    return await client.post(f"{API}/projects/import", files={"file": ("film.json", body)})


def _bare(value: Any) -> Any:
    """Without what a copy has of its own."""
    if isinstance(value, dict):
        return {name: _bare(each) for name, each in value.items() if name not in OWN}
    return [_bare(each) for each in value] if isinstance(value, list) else value


async def _film(client: httpx.AsyncClient, make_clip: Maker, gallery: Gallery) -> str:
    """Takes, music, a character with words, alternates of a clip and a scene."""
    first = await make_clip(name="Wide", length=2.5, image_prompt="a roof", auto_generate=False)
    project_id = str(first["project_id"])
    character = {"name": "Mara", "project_id": project_id, "trigger_words": "ohwx woman"}
    made = (await client.post(f"{API}/characters", json=character)).json()
    await client.post(f"{API}/characters/{made['id']}/apply/{first['id']}")
    await gallery.hang(first)
    await gallery.hang(first, VIDEO, duration=2.0, fps=8.0, size_bytes=len(video()))
    second = await make_clip(scene_id=first["scene_id"], length=1.2, timeline_position=3)
    await gallery.hang(second)
    for path in (f"clips/{first['id']}", f"scenes/{first['scene_id']}"):
        assert (await client.post(f"{API}/{path}/create-alternate")).status_code == 201
    return project_id


class TestProject:
    async def test_comes_back_equal(
        self, client: httpx.AsyncClient, make_clip: Maker, gallery: Gallery
    ) -> None:
        project_id = await _film(client, make_clip, gallery)
        before = await _export(client, project_id)
        response = await _import(client, json.dumps(before).encode())
        assert response.status_code == 201, response.text
        told = response.json()
        assert told["missing_files"] == 0
        assert (told["scenes"], told["clips"], told["characters"]) == (2, 6, 1)
        assert told["project"]["id"] != project_id
        after = await _export(client, told["project"]["id"])
        for part in ("project", "characters", "scenes"):
            assert _bare(after[part]) == _bare(before[part]), part
        by_name = [
            sorted(json.dumps(_bare(clip), sort_keys=True) for clip in film["clips"])
            for film in (before, after)
        ]
        assert by_name[0] == by_name[1]
        assert [i["record_out"] for i in after["timeline"]["items"]] == [
            i["record_out"] for i in before["timeline"]["items"]
        ]

    async def test_has_files_and_ids_of_its_own(
        self, client: httpx.AsyncClient, make_clip: Maker, gallery: Gallery
    ) -> None:
        project_id = await _film(client, make_clip, gallery)
        body = json.dumps(await _export(client, project_id)).encode()
        copy = (await _import(client, body)).json()["project"]["id"]
        assert (await client.delete(f"{API}/projects/{project_id}")).status_code == 200
        clips = (await client.get(f"{API}/projects/{copy}/clips")).json()
        takes = [take for clip in clips for take in clip["generated_images"]]
        assert takes
        for take in takes:
            assert (await client.get(take["url"])).status_code == 200
        character_id = next(clip["character_id"] for clip in clips if clip["character_id"])
        character = (await client.get(f"{API}/characters/{character_id}")).json()
        assert character["project_id"] == copy
        selected = [clip["selected_image_id"] for clip in clips if clip["generated_images"]]
        assert set(selected) <= {take["id"] for take in takes}

    async def test_of_another_server_keeps_what_is_known_of_its_takes(
        self, client: httpx.AsyncClient, make_clip: Maker, gallery: Gallery
    ) -> None:
        project_id = await _film(client, make_clip, gallery)
        film = await _export(client, project_id)
        await client.delete(f"{API}/projects/{project_id}")
        told = (await _import(client, json.dumps(film).encode())).json()
        assert told["takes"] == told["missing_files"] > 0
        report = await client.get(f"{API}/projects/{told['project']['id']}/export/preflight")
        assert "missing_file" in {finding["code"] for finding in report.json()["findings"]}

    @pytest.mark.parametrize(
        "path", ["../../etc/passwd", "/etc/passwd", ".incoming/x/y.png", "a/../b.png", "a//b", ""]
    )
    async def test_takes_no_file_from_elsewhere(
        self, client: httpx.AsyncClient, make_clip: Maker, gallery: Gallery, path: str
    ) -> None:
        film = await _export(client, await _film(client, make_clip, gallery))
        film["clips"][0]["generated_images"][0]["path"] = path
        response = await _import(client, json.dumps(film).encode())
        error = response.json()["error"]
        assert (response.status_code, error["code"]) == (422, "PROJECT_FILE_INVALID")
        assert path not in error["message"] or not path

    @pytest.mark.parametrize(
        "body",
        [
            b"{}",
            b"[]",
            b"null",
            b"{",
            b"\xff\xfe",
            b'{"format": "other", "version": 1}',
            b'{"format": "storycanvas", "version": 2, "project": {}, "scenes": [], "clips": []}',
            b"[" * 5000,
            b'{"a": "\\u0000"}',
        ],
    )
    async def test_what_is_no_export_is_refused(
        self, client: httpx.AsyncClient, body: bytes
    ) -> None:
        response = await _import(client, body)
        error = response.json()["error"]
        assert (response.status_code, error["code"]) == (422, "PROJECT_FILE_INVALID")
        assert (await client.get(f"{API}/projects")).json()["total"] == 0

    @pytest.mark.parametrize(
        ("place", "value"),
        [
            (("project", "fps"), 16),
            (("project", "name"), ""),
            (("scenes", 0, "id"), "same"),
            (("clips", 0, "scene_id"), "gone"),
            (("clips", 0, "length"), -1),
            (("clips", 0, "timeline_position"), 1e9),
            (("clips", 0, "generated_images", 0, "seed"), 2**70),
            (("clips", 0, "generated_images", 0, "generation_params"), {"steps": 2**63}),
            (("clips", 0, "character_words"), {"character_id": 5}),
        ],
    )
    async def test_values_beyond_the_limits_are_refused(
        self,
        client: httpx.AsyncClient,
        make_clip: Maker,
        gallery: Gallery,
        place: tuple[str | int, ...],
        value: object,
    ) -> None:
        film = await _export(client, await _film(client, make_clip, gallery))
        film["scenes"][1]["id"] = "same" if value == "same" else film["scenes"][1]["id"]
        target: Any = film
        for step in place[:-1]:
            target = target[step]
        target[place[-1]] = value
        total = (await client.get(f"{API}/projects")).json()["total"]
        response = await _import(client, json.dumps(film).encode())
        assert response.status_code == 422, response.text
        assert (await client.get(f"{API}/projects")).json()["total"] == total


async def _two_shots(
    client: httpx.AsyncClient, make_clip: Maker, gallery: Gallery
) -> tuple[dict[str, Any], dict[str, Any]]:
    first = await make_clip(name="Wide", length=4)
    second = await make_clip(scene_id=first["scene_id"], name="Close", length=3)
    for clip in (first, second):
        await gallery.hang(clip)
    return first, second


async def _timing(
    client: httpx.AsyncClient, project_id: str, body: bytes, *, dry_run: bool = False
) -> httpx.Response:
    url = f"{API}/projects/{project_id}/import-timing"
    return await client.post(
        url, files={"file": ("cut", body)}, params={"dry_run": str(dry_run).lower()}
    )


class TestTiming:
    @pytest.mark.parametrize("kind", ["fcpxml", "resolve", "otio", "edl"])
    async def test_our_own_export_changes_nothing(
        self, client: httpx.AsyncClient, make_clip: Maker, gallery: Gallery, kind: str
    ) -> None:
        first, _ = await _two_shots(client, make_clip, gallery)
        body = (await client.get(f"{API}/projects/{first['project_id']}/export/{kind}")).content
        told = (await _timing(client, first["project_id"], body)).json()
        assert (told["unchanged"], told["changes"], told["remarks"]) == (2, [], [])

    async def test_an_edited_cut_moves_clips_and_totals(
        self, client: httpx.AsyncClient, make_clip: Maker, gallery: Gallery
    ) -> None:
        first, second = await _two_shots(client, make_clip, gallery)
        project_id = first["project_id"]
        edl = (await client.get(f"{API}/projects/{project_id}/export/edl")).text
        edited = edl.replace(
            "00:00:04:00 01:00:00:00 01:00:04:00", "00:00:02:12 01:00:00:00 01:00:02:12"
        ).replace("01:00:04:00 01:00:07:00", "01:00:02:12 01:00:05:12")
        dry = await _timing(client, project_id, edited.encode(), dry_run=True)
        assert dry.json()["dry_run"]
        assert [c["clip_id"] for c in dry.json()["changes"]] == [first["id"], second["id"]]
        assert (await client.get(f"{API}/clips/{first['id']}")).json()["length"] == 4.0
        told = (await _timing(client, project_id, edited.encode())).json()
        assert told["changes"] == dry.json()["changes"]
        after = [(await client.get(f"{API}/clips/{c['id']}")).json() for c in (first, second)]
        assert [(c["timeline_position"], c["length"]) for c in after] == [(0.0, 2.5), (2.5, 3.0)]
        project = (await client.get(f"{API}/projects/{project_id}")).json()
        assert project["duration"] == 5.5
        assert (await client.get(f"{API}/projects/{project_id}/export/edl")).text == edited

    async def test_a_cut_that_the_scenes_cannot_carry_is_refused_whole(
        self, client: httpx.AsyncClient, make_clip: Maker, make_scene: Maker, gallery: Gallery
    ) -> None:
        first = await make_clip(name="Wide", length=4)
        scene = await make_scene(project_id=first["project_id"])
        second = await make_clip(scene_id=scene["id"], name="Close", length=4)
        for clip in (first, second):
            await gallery.hang(clip)
        url = f"{API}/projects/{first['project_id']}/export/edl"
        lines = (await client.get(url)).text
        swapped = lines.replace("01:00:00:00 01:00:04:00", "@").replace(
            "01:00:04:00 01:00:08:00", "01:00:00:00 01:00:04:00"
        )
        body = swapped.replace("@", "01:00:04:00 01:00:08:00").encode()
        dry = (await _timing(client, first["project_id"], body, dry_run=True)).json()
        assert [conflict["clip_id"] for conflict in dry["conflicts"]] == [second["id"]]
        refused = await _timing(client, first["project_id"], body)
        error = refused.json()["error"]
        assert (refused.status_code, error["code"]) == (409, "TIMING_CONFLICT")
        assert error["details"]["conflicts"][0]["clip_id"] == second["id"]
        assert (await client.get(url)).text == lines

    @pytest.mark.parametrize(
        ("body", "status"),
        [
            (b"\x89PNG\r\n\x1a\n", 415),
            (b"", 415),
            (b"<fcpxml>", 422),
            (b"{}", 422),
            (b"TITLE: x\n001  AX  V  C  00:00:00:00\n001 AX 00:00:00:00 x", 422),
            (b"x" * (33 << 20), 413),
        ],
    )
    async def test_bad_files_are_refused(
        self, client: httpx.AsyncClient, make_clip: Maker, body: bytes, status: int
    ) -> None:
        clip = await make_clip()
        response = await _timing(client, clip["project_id"], body)
        assert response.status_code == status, response.text
        assert response.json()["error"]["code"]

    async def test_an_unknown_project(self, client: httpx.AsyncClient) -> None:
        response = await _timing(client, "none", b"TITLE: x\n")
        assert response.json()["error"]["code"] == "PROJECT_NOT_FOUND"


class TestOnTheEmbeddedDatabase:
    @pytest.fixture
    def settings(self, tmp_path: Any, embedded: EmbeddedDatabase) -> Settings:
        return quick_settings(tmp_path, mongo_url=embedded.url, db_name="imports")

    async def test_both_ways_back(
        self, client: httpx.AsyncClient, make_clip: Maker, gallery: Gallery
    ) -> None:
        project_id = await _film(client, make_clip, gallery)
        film = await _export(client, project_id)
        film["clips"][0]["generated_images"][0]["generation_params"] = {
            "a.b": 1,
            "$where": {"$set": 2},
            "": [],
        }
        response = await _import(client, json.dumps(film).encode())
        assert response.status_code == 201, response.text
        copy = response.json()["project"]["id"]
        again = await _export(client, copy)
        kept = [take for clip in again["clips"] for take in clip["generated_images"]]
        assert {"a.b": 1, "$where": {"$set": 2}, "": []} in [t["generation_params"] for t in kept]
        edl = (await client.get(f"{API}/projects/{copy}/export/edl")).content
        told = (await _timing(client, copy, edl)).json()
        assert (told["changes"], told["conflicts"]) == ([], [])

    async def test_nothing_is_left_of_one_that_the_database_refuses(
        self, client: httpx.AsyncClient, make_clip: Maker, gallery: Gallery
    ) -> None:
        """A take that is larger than a document may be."""
        film = await _export(client, await _film(client, make_clip, gallery))
        files = gallery.files()
        count = (await client.get(f"{API}/projects")).json()["total"]
        takes = film["clips"][0]["generated_images"]
        for number in range(400):
            takes.append({**takes[0], "id": f"t{number}", "prompt": "x" * 50_000})
        response = await _import(client, json.dumps(film).encode())
        assert response.status_code == 413
        assert gallery.files() == files
        projects = (await client.get(f"{API}/projects")).json()["projects"]
        assert film["project"]["name"] in {project["name"] for project in projects}
        assert len(projects) == count

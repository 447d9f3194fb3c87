"""Projects (7)."""

from pathlib import Path
from typing import Any

import httpx

from backend.config import Settings
from backend.container import Container
from tests.conftest import API, Maker

FIELDS = {
    "id", "name", "description", "music_file_path", "music_file_url", "music_duration", "fps",
    "drop_frame", "width", "height", "scene_count", "clip_count", "duration", "created_at",
    "updated_at",
}  # fmt: skip
RATES = [23.976, 24, 25, 29.97, 30, 50, 59.94, 60]

NAMES = [
    "a",
    "x" * 200,
    "🎬 Nacht ✓",
    "שלום עולם",
    "\u202eflipped",
    'a"b\\c<d>&e',
    "..",
    "$set",
    "a.b",
]

BAD_FIELDS: list[tuple[str, Any]] = [
    ("name", ""), ("name", "   "), ("name", "\t\n\u3000"), ("name", "x" * 201), ("name", None),
    ("name", 7), ("name", ["a"]), ("name", {"$ne": ""}), ("description", None),
    ("description", "x" * 2001), ("fps", 12), ("fps", 0), ("fps", -24), ("fps", None),
    ("fps", "fast"), ("fps", "NaN"), ("fps", "Infinity"), ("fps", 1e300), ("drop_frame", None),
    ("drop_frame", "perhaps"), ("drop_frame", True), ("width", 15), ("width", 16_385),
    ("width", 1920.5), ("width", None), ("width", 2**70), ("width", -(2**63)), ("height", 0),
    ("height", "tall"), ("height", []),
]  # fmt: skip


async def read(client: httpx.AsyncClient, project_id: str) -> dict[str, Any]:
    response = await client.get(f"{API}/projects/{project_id}")
    assert response.status_code == 200, response.text
    return dict(response.json())


class TestCreate:
    async def test_defaults(self, client: httpx.AsyncClient, make_project: Maker) -> None:
        project = await make_project(name="  Night Drive ")
        assert set(project) == FIELDS
        assert project["name"] == "Night Drive"
        assert (project["fps"], project["width"], project["height"]) == (24, 1920, 1080)
        assert (project["scene_count"], project["clip_count"], project["duration"]) == (0, 0, 0)
        assert project["created_at"] == project["updated_at"]
        assert project["created_at"].endswith("Z")
        assert await read(client, project["id"]) == project

    async def test_every_rate(self, make_project: Maker) -> None:
        for fps in RATES:
            assert (await make_project(fps=fps))["fps"] == fps
        for fps in (29.97, 59.94):
            assert (await make_project(fps=fps, drop_frame=True))["drop_frame"] is True

    async def test_any_name(self, client: httpx.AsyncClient, make_project: Maker) -> None:
        for name in NAMES:
            project = await make_project(name=name, description=name)
            assert (await read(client, project["id"]))["name"] == name

    async def test_unknown_fields_are_ignored(self, make_project: Maker) -> None:
        project = await make_project(id="mine", _id="mine", scene_count=7, color="red", duration=9)
        assert set(project) == FIELDS
        assert project["id"] != "mine"
        assert (project["scene_count"], project["duration"]) == (0, 0)

    async def test_bad_fields_store_nothing(self, client: httpx.AsyncClient) -> None:
        for field, value in BAD_FIELDS:
            response = await client.post(f"{API}/projects", json={"name": "a", field: value})
            assert response.status_code == 422, (field, value)
            faults = response.json()["error"]["details"]["errors"]
            assert all(fault["loc"][0] == "body" for fault in faults)
        assert (await client.get(f"{API}/projects")).json() == {"projects": [], "total": 0}


class TestList:
    async def test_newest_change_first(
        self, client: httpx.AsyncClient, make_project: Maker
    ) -> None:
        made = [await make_project(name=name) for name in "abc"]
        await client.put(f"{API}/projects/{made[0]['id']}", json={"description": "changed"})
        response = await client.get(f"{API}/projects")
        listed = response.json()["projects"]
        assert listed[0]["name"] == "a"
        assert listed == sorted(listed, key=lambda project: project["updated_at"], reverse=True)
        assert response.headers["X-Total-Count"] == "3"

    async def test_work_inside_counts_as_change(
        self, client: httpx.AsyncClient, make_project: Maker, make_scene: Maker, make_clip: Maker
    ) -> None:
        first = await make_project(name="first")
        await make_project(name="second")
        scene = await make_scene(project_id=first["id"])
        assert (await read(client, first["id"]))["updated_at"] >= scene["updated_at"]
        await make_clip(scene_id=scene["id"])
        names = [p["name"] for p in (await client.get(f"{API}/projects")).json()["projects"]]
        assert names == ["first", "second"]

    async def test_pages_hold_each_once(
        self, client: httpx.AsyncClient, make_project: Maker
    ) -> None:
        """Many change within one millisecond, and yet no page repeats or drops one."""
        made = {(await make_project(name=f"{number}"))["id"] for number in range(12)}
        seen: list[str] = []
        for skip in range(0, 15, 5):
            response = await client.get(f"{API}/projects", params={"skip": skip, "limit": 5})
            assert response.json()["total"] == 12
            seen += [project["id"] for project in response.json()["projects"]]
        assert len(seen) == 12
        assert set(seen) == made

    async def test_search_is_literal_whatever_the_case(
        self, client: httpx.AsyncClient, make_project: Maker
    ) -> None:
        for name, description in (
            ("Night Drive", ""), ("Day (cut 2.5)", ""), ("Rain", "at NIGHT"), ("ÄÖ", "100%"),
        ):  # fmt: skip
            await make_project(name=name, description=description)
        for search, names in {
            "night": {"Night Drive", "Rain"},
            "  NIGHT ": {"Night Drive", "Rain"},
            "(cut 2.5)": {"Day (cut 2.5)"},
            "2x5": set(),
            ".*": set(),
            "[": set(),
            "\\": set(),
            "100%": {"ÄÖ"},
            "^Night": set(),
            "": {"Night Drive", "Day (cut 2.5)", "Rain", "ÄÖ"},
        }.items():
            response = await client.get(f"{API}/projects", params={"search": search})
            found = response.json()
            assert {project["name"] for project in found["projects"]} == names, search
            assert found["total"] == len(names)

    async def test_search_has_a_limit(self, client: httpx.AsyncClient) -> None:
        response = await client.get(f"{API}/projects", params={"search": "x" * 201})
        assert response.status_code == 422


class TestRead:
    async def test_unknown(self, client: httpx.AsyncClient) -> None:
        for method, path in (
            ("GET", "/projects/none"), ("GET", "/projects/none/with-scenes"),
            ("GET", "/projects/none/clips"), ("DELETE", "/projects/none"),
        ):  # fmt: skip
            response = await client.request(method, f"{API}{path}")
            assert response.status_code == 404
            assert response.json()["error"]["code"] == "PROJECT_NOT_FOUND"
            assert response.json()["error"]["details"] == {"id": "none"}
        assert (await client.put(f"{API}/projects/none", json={})).status_code == 404

    async def test_with_scenes(
        self, client: httpx.AsyncClient, make_project: Maker, make_scene: Maker, make_clip: Maker
    ) -> None:
        project = await make_project()
        second = await make_scene(project_id=project["id"], name="second", order=5)
        first = await make_scene(project_id=project["id"], name="first", order=2)
        late = await make_clip(scene_id=first["id"], timeline_position=10)
        early = await make_clip(scene_id=first["id"], timeline_position=1)
        url = f"{API}/projects/{project['id']}/with-scenes"
        plain = (await client.get(url)).json()
        assert set(plain) == FIELDS | {"scenes"}
        assert [scene["id"] for scene in plain["scenes"]] == [first["id"], second["id"]]
        assert plain["scenes"][0]["clips"] is None
        full = (await client.get(url, params={"include_clips": "true"})).json()
        clips = [[clip["id"] for clip in scene["clips"]] for scene in full["scenes"]]
        assert clips == [[early["id"], late["id"]], []]

    async def test_clips_in_story_order(
        self, client: httpx.AsyncClient, make_project: Maker, make_scene: Maker, make_clip: Maker
    ) -> None:
        project = await make_project()
        expected = []
        for order in (3, 1, 2):
            scene = await make_scene(project_id=project["id"], order=order)
            for position in (5, 0):
                clip = await make_clip(scene_id=scene["id"], timeline_position=position)
                expected.append((order, position, clip["id"]))
        story = [clip_id for _, _, clip_id in sorted(expected)]
        for skip, limit in ((0, 100), (0, 1), (1, 3), (3, 2), (5, 5), (6, 1), (100, 1)):
            response = await client.get(
                f"{API}/projects/{project['id']}/clips", params={"skip": skip, "limit": limit}
            )
            assert [clip["id"] for clip in response.json()] == story[skip : skip + limit]
            assert response.headers["X-Total-Count"] == "6"


class TestUpdate:
    async def test_only_what_is_sent(self, client: httpx.AsyncClient, make_project: Maker) -> None:
        project = await make_project(description="old", fps=25)
        response = await client.put(f"{API}/projects/{project['id']}", json={"name": "new"})
        assert response.status_code == 200
        assert response.json() == {
            **project, "name": "new", "updated_at": response.json()["updated_at"],
        }  # fmt: skip
        assert await read(client, project["id"]) == response.json()

    async def test_the_whole_project_may_come_back(
        self, client: httpx.AsyncClient, make_project: Maker
    ) -> None:
        """What a client read, it may send again: derived fields are ignored."""
        project = await make_project()
        sent = {**project, "name": "again", "scene_count": 9, "duration": 5, "id": "other"}
        response = await client.put(f"{API}/projects/{project['id']}", json=sent)
        assert response.status_code == 200, response.text
        assert (response.json()["id"], response.json()["scene_count"]) == (project["id"], 0)

    async def test_bad_fields_change_nothing(
        self, client: httpx.AsyncClient, make_project: Maker
    ) -> None:
        project = await make_project()
        for field, value in BAD_FIELDS:
            response = await client.put(
                f"{API}/projects/{project['id']}", json={"description": "x", field: value}
            )
            assert response.status_code == 422, (field, value)
        assert await read(client, project["id"]) == project

    async def test_drop_frame_needs_its_rates(
        self, client: httpx.AsyncClient, make_project: Maker
    ) -> None:
        project = await make_project(fps=29.97, drop_frame=True)
        url = f"{API}/projects/{project['id']}"
        response = await client.put(url, json={"fps": 25})
        assert (response.status_code, response.json()["error"]["code"]) == (422, "DROP_FRAME_RATE")
        response = await client.put(url, json={"fps": 25, "drop_frame": False})
        assert (response.status_code, response.json()["fps"]) == (200, 25)

    async def test_music_comes_by_upload_only(
        self, client: httpx.AsyncClient, make_project: Maker
    ) -> None:
        project = await make_project()
        for path in ("../../etc/passwd", "", "projects/other/music/a.mp3"):
            response = await client.put(
                f"{API}/projects/{project['id']}", json={"music_file_path": path}
            )
            assert response.status_code == 422
            assert response.json()["error"]["code"] == "MUSIC_BY_UPLOAD"
        assert await read(client, project["id"]) == project


async def test_delete_takes_everything_inside_along(
    client: httpx.AsyncClient,
    make_project: Maker,
    make_scene: Maker,
    make_clip: Maker,
    settings: Settings,
) -> None:
    other = await make_clip(image_prompt="stays")
    project = await make_project()
    clips = []
    scenes = [await make_scene(project_id=project["id"]) for _ in range(2)]
    for scene in scenes:
        clips += [await make_clip(scene_id=scene["id"], image_prompt="goes") for _ in range(2)]
    folder = settings.upload_dir / "projects" / project["id"] / clips[0]["id"]
    folder.mkdir(parents=True)
    (folder / "take.png").write_bytes(b"x")
    response = await client.delete(f"{API}/projects/{project['id']}")
    assert response.status_code == 200
    assert set(response.json()) == {"message", "deleted"}
    assert response.json()["deleted"] == 7
    for path in (
        f"/projects/{project['id']}",
        f"/scenes/{scenes[0]['id']}",
        f"/clips/{clips[0]['id']}",
    ):
        assert (await client.get(f"{API}{path}")).status_code == 404
    assert not folder.parent.exists()
    jobs = (await client.get(f"{API}/queue/jobs")).json()
    statuses = {job["clip_id"]: job["status"] for job in jobs}
    assert statuses.pop(other["id"]) == "pending"
    assert set(statuses.values()) == {"cancelled"}
    assert len(statuses) == 4
    assert (await client.get(f"{API}/clips/{other['id']}")).status_code == 200
    assert (await client.delete(f"{API}/projects/{project['id']}")).status_code == 404


async def test_a_scene_that_comes_too_late_is_not_left_behind(
    client: httpx.AsyncClient, container: Container, make_project: Maker
) -> None:
    """The project goes between the check and the write: the scene must not stay without it."""
    project = await make_project()
    read_project = container.film.projects.get

    class Vanishing:
        """A repository whose project is deleted right after it was read."""

        async def get(self, project_id: str) -> Any:
            found = await read_project(project_id)
            await container.film.projects.delete(project_id)
            return found

        async def adjust(self, *args: Any, **kwargs: Any) -> bool:
            return False

    container.film.scenes._projects = Vanishing()  # type: ignore[assignment]
    body = {"project_id": project["id"], "name": "late"}
    response = await client.post(f"{API}/scenes", json=body)
    assert response.status_code == 404
    assert await container.film.scenes._scenes.list_for_project(project["id"]) == []


def test_uploads_lie_in_the_folder_of_the_settings(settings: Settings, tmp_path: Path) -> None:
    assert settings.upload_dir.is_relative_to(tmp_path)

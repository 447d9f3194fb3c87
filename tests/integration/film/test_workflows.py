"""Saved workflows: kept by a project, checked when saved, rendered by their id."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from backend.comfyui_simulator.options import SimulatorOptions
from backend.comfyui_simulator.simulator import Simulator
from backend.mongo.embedded import EmbeddedDatabase
from tests.studio import Studio, studio

CANVAS: dict[str, Any] = {
    "1": {
        "class_type": "EmptyImage",
        "inputs": {"width": "{{width}}", "height": 64, "batch_size": 1, "color": 255},
        "_meta": {"title": "Canvas {{height}}"},
    },
    "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "mine"}},
}
FROM_PICTURE: dict[str, Any] = {
    "1": {"class_type": "LoadImage", "inputs": {"image": "{{image}}"}},
    "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "mine"}},
}
#: The picture is bound by the title alone: the editor's file chooser takes no braces.
TITLED: dict[str, Any] = {
    "1": {
        "class_type": "LoadImage",
        "inputs": {"image": "example.png"},
        "_meta": {"title": "{{image}}"},
    },
    "2": FROM_PICTURE["2"],
}


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Studio]:
    folder = tmp_path / "uploads"
    folder.mkdir()
    Image.new("RGB", (320, 192), (90, 90, 90)).save(folder / "start.png")
    async with studio(tmp_path) as running:
        yield running


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator(SimulatorOptions(seconds_per_step=0)) as running:
        yield running


async def saved(desk: Studio, project_id: str, graph: Any, **fields: Any) -> dict[str, Any]:
    body = {"project_id": project_id, "name": "Mine", "workflow_json": graph, **fields}
    return await desk.post("/workflows", body)


async def generate(desk: Studio, clip: dict[str, Any], **params: Any) -> Any:
    body = {"clip_id": clip["id"], "prompt": "a red car", "params": params}
    return await desk.client.post("/api/v1/generate", json=body)


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


class TestKeeping:
    async def test_it_is_kept_with_what_it_takes_and_needs(
        self, tmp_path: Path, embedded: EmbeddedDatabase
    ) -> None:
        async with studio(tmp_path, mongo_url=embedded.url, db_name="workflows") as desk:
            project = await desk.post("/projects", {"name": "Film"})
            loader = {
                "class_type": "CheckpointLoaderSimple",
                "inputs": {"ckpt_name": "sd_xl_base_1.0.safetensors", "note": "{{promt}}"},
            }
            made = await saved(desk, project["id"], {**CANVAS, "3": loader}, description="Red.")
            assert await desk.get(f"/workflows/{made['id']}") == made
        where = {"node_id": "1", "class_type": "EmptyImage", "title": "Canvas {{height}}"}
        assert made["bindings"] == [
            {**where, "input_name": "height", "bound_to": "height", "by": "title"},
            {**where, "input_name": "width", "bound_to": "width", "by": "input"},
        ]
        assert made["unknown_placeholders"] == ["promt"]
        assert made["node_classes"] == ["CheckpointLoaderSimple", "EmptyImage", "SaveImage"]
        assert made["files"] == [{"folder": "checkpoints", "name": "sd_xl_base_1.0.safetensors"}]
        assert made["workflow_json"] == {**CANVAS, "3": loader}
        assert (made["name"], made["description"]) == ("Mine", "Red.")

    async def test_lists_are_of_a_project_and_paged(self, desk: Studio) -> None:
        films = [await desk.post("/projects", {"name": "Film"}) for _ in range(2)]
        ids = [(await saved(desk, film["id"], CANVAS))["id"] for film in (*films, films[0])]
        listed = await desk.get("/workflows")
        assert [each["id"] for each in listed] == ids
        assert all("workflow_json" not in each for each in listed)
        page = await desk.client.get(f"/api/v1/workflows?project_id={films[0]['id']}&limit=1")
        assert ([each["id"] for each in page.json()], page.headers["X-Total-Count"]) == (
            [ids[0]],
            "2",
        )

    async def test_what_is_sent_changes_and_null_does_not_clear(self, desk: Studio) -> None:
        project = await desk.post("/projects", {"name": "Film"})
        made = await saved(desk, project["id"], CANVAS, description="Red.")
        url = f"/api/v1/workflows/{made['id']}"
        wrapped = {"prompt": FROM_PICTURE, "client_id": "x"}
        changed = (await desk.client.put(url, json={"workflow_json": wrapped})).json()
        assert changed["workflow_json"] == FROM_PICTURE
        assert [each["bound_to"] for each in changed["bindings"]] == ["image"]
        assert (changed["name"], changed["description"]) == ("Mine", "Red.")
        assert changed["updated_at"] >= made["updated_at"]
        for body in ({"name": None}, {"workflow_json": None}, {"name": " "}):
            assert (await desk.client.put(url, json=body)).status_code == 422
        assert (await desk.client.get(url)).json() == changed

    async def test_it_goes_by_itself_and_with_its_project(self, desk: Studio) -> None:
        project = await desk.post("/projects", {"name": "Film"})
        other = await desk.post("/projects", {"name": "Other"})
        first, second = [await saved(desk, project["id"], CANVAS) for _ in range(2)]
        kept = await saved(desk, other["id"], CANVAS)
        gone = await desk.client.delete(f"/api/v1/workflows/{first['id']}")
        assert gone.json() == {"message": "Workflow deleted.", "deleted": 1}
        deleted = await desk.client.delete(f"/api/v1/projects/{project['id']}")
        assert deleted.json()["deleted"] == 2
        assert [each["id"] for each in await desk.get("/workflows")] == [kept["id"]]
        for method, body in (("GET", None), ("PUT", {"name": "b"}), ("DELETE", None)):
            url = f"/api/v1/workflows/{second['id']}"
            answer = await desk.client.request(method, url, json=body)
            assert code(answer) == (404, "WORKFLOW_NOT_FOUND")

    @pytest.mark.parametrize(
        ("graph", "words"),
        [
            ({"nodes": [{"id": 1}], "links": []}, "Export (API)"),
            ({"1": {"class_type": "LoadImage", "inputs": {"image": "../../x.png"}}}, "outside"),
            ({"1": {"class_type": "SaveImage", "inputs": {"images": ["7", 0]}}}, "not there"),
            ({"1": {"class_type": "SaveImage", "inputs": {"a": "of {{image}}"}}}, "nothing but"),
            (
                {"1": {"class_type": "X", "inputs": {}, "_meta": {"title": "{{seed}}"}}},
                "in its title",
            ),
            ({}, "no nodes"),
            ("{broken", "no JSON"),
            ("[1]", "object of nodes"),
            ({"1": {"class_type": "X", "inputs": {"a": "y" * 1_000_000}}}, "bytes"),
            ({"1": {"class_type": "X", "inputs": {}, "_meta": [[[[]] * 2] * 2]}}, None),
        ],
    )
    async def test_what_can_never_run_is_not_kept(
        self, desk: Studio, graph: Any, words: str | None
    ) -> None:
        project = await desk.post("/projects", {"name": "Film"})
        body = {"project_id": project["id"], "name": "Mine", "workflow_json": graph}
        answer = await desk.client.post("/api/v1/workflows", json=body)
        if words is None:  # odd, and harmless: it comes back as it was sent
            assert answer.json()["workflow_json"] == graph
            return
        assert code(answer) == (422, "WORKFLOW_REJECTED")
        assert words in answer.json()["detail"]
        assert await desk.get("/workflows") == []
        made = await saved(desk, project["id"], CANVAS)
        url = f"/api/v1/workflows/{made['id']}"
        assert (await desk.client.put(url, json={"workflow_json": graph})).status_code == 422
        assert (await desk.client.get(url)).json() == made

    async def test_depth_without_end_and_projects_that_are_not_there(self, desk: Studio) -> None:
        deep: Any = "x"
        for _ in range(100):
            deep = [deep]
        graph = {"1": {"class_type": "X", "inputs": {}, "_meta": deep}}
        project = await desk.post("/projects", {"name": "Film"})
        body = {"project_id": project["id"], "name": "Mine", "workflow_json": graph}
        answer = await desk.client.post("/api/v1/workflows", json=body)
        assert "nested too deeply" in answer.json()["detail"]
        body = {"project_id": "nobody", "name": "Mine", "workflow_json": CANVAS}
        answer = await desk.client.post("/api/v1/workflows", json=body)
        assert code(answer) == (404, "PROJECT_NOT_FOUND")


class TestRendering:
    async def test_it_makes_a_take(self, desk: Studio, simulator: Simulator) -> None:
        await desk.server(simulator)
        clip = await desk.clip()
        made = await saved(desk, clip["project_id"], CANVAS)
        answer = await generate(desk, clip, workflow_id=made["id"], width=128, height=96)
        take = answer.json()["content"]
        assert (take["width"], take["height"]) == (128, 96)
        assert take["generation_params"]["workflow_id"] == made["id"]
        assert [each["id"] for each in await desk.takes(clip)] == [take["id"]]

    @pytest.mark.parametrize("graph", [FROM_PICTURE, TITLED])
    @pytest.mark.parametrize("name", ["init_image", "input_reference_url"])
    async def test_it_begins_from_the_requests_picture(
        self, desk: Studio, simulator: Simulator, graph: dict[str, Any], name: str
    ) -> None:
        await desk.server(simulator)
        clip = await desk.clip()
        made = await saved(desk, clip["project_id"], graph)
        picture = {name: "/uploads/start.png"}
        take = (await generate(desk, clip, workflow_id=made["id"], **picture)).json()["content"]
        assert (take["width"], take["height"]) == (320, 192)

    @pytest.mark.parametrize(
        ("picture", "kind"),
        [
            ({}, "picture_missing"),
            ({"init_image": "https://example.org/a.png"}, "picture_elsewhere"),
        ],
    )
    async def test_without_a_picture_of_ours_it_is_refused(
        self, desk: Studio, picture: dict[str, str], kind: str
    ) -> None:
        clip = await desk.clip()
        made = await saved(desk, clip["project_id"], FROM_PICTURE)
        answer = await generate(desk, clip, workflow_id=made["id"], **picture)
        assert code(answer) == (422, "WORKFLOW_REJECTED")
        (error,) = answer.json()["error"]["details"]["errors"]
        assert (error["type"], error["loc"]) == (kind, ["workflow", "1", "image"])
        assert await desk.get("/queue/jobs") == []

    async def test_unknown_ones_and_those_of_others_are_refused(self, desk: Studio) -> None:
        clip, other = await desk.clip(), await desk.clip()
        made = await saved(desk, other["project_id"], CANVAS)
        assert code(await generate(desk, clip, workflow_id="none")) == (404, "WORKFLOW_NOT_FOUND")
        foreign = await generate(desk, clip, workflow_id=made["id"])
        assert code(foreign) == (422, "WORKFLOW_OF_ANOTHER_PROJECT")
        both = await generate(desk, other, workflow_id=made["id"], workflow_json=CANVAS)
        assert "not both" in both.json()["detail"]
        body = {"clip_ids": [clip["id"]], "prompt": "x", "params": {"workflow_id": "none"}}
        batch = await desk.client.post("/api/v1/generate/batch", json=body)
        assert code(batch) == (404, "WORKFLOW_NOT_FOUND")
        assert await desk.get("/queue/jobs") == []

    async def test_a_queued_job_keeps_the_graph_it_was_queued_with(
        self, desk: Studio, simulator: Simulator
    ) -> None:
        clip = await desk.clip()
        made = await saved(desk, clip["project_id"], CANVAS)
        params = {"workflow_id": made["id"], "width": 128, "height": 96}
        before = await desk.job(clip, params=params)
        wide = {**CANVAS, "1": {**CANVAS["1"], "inputs": {**CANVAS["1"]["inputs"], "width": 256}}}
        url = f"/api/v1/workflows/{made['id']}"
        assert (await desk.client.put(url, json={"workflow_json": wide})).status_code == 200
        after = await desk.job(clip, params=params)
        assert (await desk.client.delete(url)).status_code == 200
        await desk.server(simulator)
        jobs = await asyncio.gather(desk.finished(before), desk.finished(after))
        width_of = {take["id"]: take["width"] for take in await desk.takes(clip)}
        assert [width_of[job["content_id"]] for job in jobs] == [128, 256]

    async def test_a_batch_fails_for_clips_of_others_alone(
        self, desk: Studio, simulator: Simulator
    ) -> None:
        await desk.server(simulator)
        clip, other = await desk.clip(), await desk.clip()
        made = await saved(desk, clip["project_id"], CANVAS)
        params = {"workflow_id": made["id"], "width": 64, "height": 64}
        body = {"clip_ids": [clip["id"], other["id"]], "prompt": "x", "params": params}
        mine, foreign = (await desk.post("/generate/batch", body))["results"]
        assert (await desk.finished(mine["job_id"]))["status"] == "completed"
        assert (foreign["job_id"], "another project" in foreign["error"]) == (None, True)

    async def test_the_picture_may_be_the_characters(
        self, desk: Studio, simulator: Simulator
    ) -> None:
        await desk.server(simulator)
        clip, plain = await desk.clip(), await desk.clip()
        mara = await desk.post("/characters", {"name": "Mara", "face_image": "/uploads/start.png"})
        await desk.client.put(f"/api/v1/clips/{clip['id']}", json={"character_id": mara["id"]})
        params = {"use_custom_workflow": True, "workflow_json": FROM_PICTURE}
        body = {"clip_ids": [clip["id"], plain["id"]], "prompt": "x", "params": params}
        shown, without = (await desk.post("/generate/batch", body))["results"]
        assert (await desk.finished(shown["job_id"]))["status"] == "completed"
        assert (without["job_id"], "begins from a picture" in without["error"]) == (None, True)

    async def test_a_new_clip_is_there_even_if_its_character_brings_anothers(
        self, desk: Studio
    ) -> None:
        clip, other = await desk.clip(), await desk.clip()
        made = await saved(desk, other["project_id"], CANVAS)
        params = {"workflow_id": made["id"]}
        mara = await desk.post("/characters", {"name": "Mara", "generation_params": params})
        body = {"image_prompt": "x", "character_id": mara["id"]}
        new = await desk.post("/clips", {"scene_id": clip["scene_id"], **body})
        assert new["queued_job_ids"] == []
        mine = await desk.post("/clips", {"scene_id": other["scene_id"], **body})
        (job_id,) = mine["queued_job_ids"]
        assert (await desk.get(f"/queue/jobs/{job_id}"))["params"]["workflow_id"] == made["id"]

    async def test_a_template_brings_one_and_the_request_wins(self, desk: Studio) -> None:
        clip = await desk.clip()
        made = await saved(desk, clip["project_id"], CANVAS)
        kept = {"name": "Mine", "params": {"workflow_id": made["id"]}}
        template = await desk.post("/style-templates", kept)
        brought = await desk.job(clip, template_id=template["id"])
        own = {
            "use_custom_workflow": True,
            "workflow_json": FROM_PICTURE,
            "init_image": "/uploads/x",
        }
        for params, graph in (
            ({}, CANVAS),
            (own, FROM_PICTURE),
            ({"use_custom_workflow": False}, None),
        ):
            job_id = await desk.job(clip, template_id=template["id"], params=params)
            assert (await desk.get(f"/queue/jobs/{job_id}"))["params"].get("workflow_id") == (
                made["id"] if graph is CANVAS else None
            )
        await desk.client.delete(f"/api/v1/workflows/{made['id']}")
        body = {"clip_id": clip["id"], "prompt": "x", "template_id": template["id"]}
        answer = await desk.client.post("/api/v1/generate", json=body)
        assert code(answer) == (422, "WORKFLOW_GONE")
        assert (await desk.get(f"/queue/jobs/{brought}"))["status"] == "pending"

"""A film from start to end, through HTTP on the embedded database: every operation succeeds once.

What the document lists and the story never reaches fails the test by name.
"""

import re
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from backend.comfyui_simulator.options import SimulatorOptions
from backend.comfyui_simulator.simulator import Simulator
from backend.mongo.embedded import EmbeddedDatabase
from tests.conftest import API
from tests.integration.media.test_media import sound
from tests.openai_gateway import KEY, Gateway
from tests.studio import Studio, kept, studio
from tests.unit.services.media.media_samples import picture

#: Operations, by operationId, that this story leaves to others, and to which.
LEFT_OUT = {
    "read_events": "never ends: test_events.py",
    "hand_in_result": "a worker's file, with its lease: test_workers.py",
    "create_webhook": "needs somebody who listens, like all of its kind: test_webhooks.py",
    "list_webhooks": "test_webhooks.py",
    "read_webhook": "test_webhooks.py",
    "update_webhook": "test_webhooks.py",
    "delete_webhook": "test_webhooks.py",
    "ping_webhook": "test_webhooks.py",
    "list_deliveries": "test_webhooks.py",
    "retry_delivery": "test_webhooks.py",
}
#: Reads without a tale, asked of the finished film: add a new one here. {ids} are the film's.
READS = (
    "/", "/health", "/models", "/models/types", "/models/presets/sdxl", "/models/parameters/sdxl",
    "/models/defaults/sdxl", "/projects", "/projects/{project}", "/projects/{project}/with-scenes",
    "/projects/{project}/clips", "/projects/{project}/scenes", "/projects/{project}/timeline",
    "/scenes/project/{project}", "/scenes/{scene}", "/scenes/{scene}/clips",
    "/scenes/{scene}/timeline-analysis", "/clips/scene/{scene}", "/clips/{clip}",
    "/clips/{clip}/gallery", "/characters", "/characters/{character}",
    "/characters/{character}/gallery", "/style-templates",
    "/style-templates/{template}", "/workflows", "/workflows/{workflow}",
    "/comfyui/servers", "/comfyui/servers/{server}",
    "/comfyui/servers/{server}/info", "/comfyui/servers/{server}/workflows", "/queue/jobs",
    "/queue/status", "/queue/projects/{project}/jobs", "/generate/batches", "/openai/videos",
    "/pool/{project}", "/projects/{project}/export/preflight",
    "/projects/{project}/export/fcpxml", "/projects/{project}/export/otio",
)  # fmt: skip
LEGACY = ("fcpxml", "edl", "resolve", "json")
SMALL = {"steps": 2, "width": 64, "height": 64}


#: What holds the address of a medium; texts elsewhere that look like one count too.
ADDRESSES = {
    "url", "thumbnail_url", "file_url", "music_file_url", "music_file_path", "media_url",
    "preview_url", "result_url", "face_image", "reference_images", "file_urls",
}  # fmt: skip
KEYS = {"without_keys": "", "with_keys": "a-key"}


def media_in(value: Any, name: str = "") -> Iterator[str]:
    """Every address of a medium in a JSON value."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield from media_in(each, key)
    elif isinstance(value, list):
        for each in value:
            yield from media_in(each, name)
    elif isinstance(value, str) and ("/uploads/" in value or name in ADDRESSES):
        yield value


class Story:
    """A studio, a note of which addresses gave what, and a page elsewhere that loads media."""

    def __init__(self, desk: Studio, page: httpx.AsyncClient) -> None:
        self.desk = desk
        self.page = page
        self.loaded: Counter[str] = Counter()
        self.ids: dict[str, str] = {}
        self.seen: Counter[tuple[str, str]] = Counter()

    async def do(self, method: str, path: str, **content: Any) -> Any:
        """Ask for it under /api/v1, and have it succeed."""
        url = API + path.format(**self.ids)
        response = await self.desk.client.request(method, url, **content)
        assert response.is_success, f"{method} {url}: {response.status_code} {response.text}"
        is_json = response.headers.get("content-type", "") == "application/json"
        return response.json() if is_json else response.content

    async def make(self, name: str, path: str, /, **body: Any) -> dict[str, Any]:
        """Create something and keep its id under a name."""
        made: dict[str, Any] = await self.do("POST", path, json=body)
        self.ids[name] = made.get("id") or made["job_id"]
        return made

    async def note(self, response: httpx.Response) -> None:
        if not response.is_success:
            return
        self.seen[response.request.method, response.request.url.path] += 1
        if response.headers.get("content-type") == "application/json":
            await response.aread()
            for address in media_in(response.json()):
                await self.load(address, response.request.url.path)

    async def load(self, address: str, told_by: str) -> None:
        """Load it as `<img src>` of a page at another origin does: with no key."""
        own = str(self.desk.client.base_url)
        if address in self.loaded or (address.startswith("http") and not address.startswith(own)):
            return
        assert address.startswith("http"), f"{told_by} tells a relative address: {address}"
        found = await self.page.get(address)
        assert found.is_success, f"{told_by}: {address} gives {found.status_code}"
        assert found.headers["Access-Control-Allow-Origin"] == "*"
        self.loaded[kept(address)] += 1

    def unreached(self, document: dict[str, Any]) -> list[str]:
        """Operations of the document that no noted address belongs to, but for those left out."""
        paths = document["paths"]
        reached = {(method, _template(paths, method, path)) for method, path in self.seen}
        return [
            f"{method.upper()} {path} ({operation['operationId']})"
            for path, methods in paths.items()
            for method, operation in methods.items()
            if (method.upper(), path) not in reached and operation["operationId"] not in LEFT_OUT
        ]


def _template(paths: dict[str, Any], method: str, path: str) -> str:
    """The path of the document that an address belongs to: of two that fit, the more literal."""
    fits = [
        template
        for template, methods in paths.items()
        if method.lower() in methods and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path)
    ]
    return min(fits, key=lambda template: template.count("{"), default="")


@pytest.fixture(params=KEYS)
async def story(
    tmp_path: Path, embedded: EmbeddedDatabase, request: pytest.FixtureRequest
) -> AsyncIterator[Story]:
    key = KEYS[request.param]
    async with Simulator(SimulatorOptions(seconds_per_step=0)) as simulator, Gateway() as gateway:
        gateway.add("video_68d7")
        settings: dict[str, Any] = {
            "mongo_url": embedded.url, "db_name": f"contract_{request.param}", "api_keys": key,
            "openai_api_key": KEY, "openai_base_url": gateway.url,
        }  # fmt: skip
        async with studio(tmp_path, **settings) as desk, page_of(desk) as page:
            story = Story(desk, page)
            desk.client.headers["Authorization"] = f"Bearer {key or 'none'}"
            desk.client.event_hooks["response"].append(story.note)
            story.ids["server"] = await desk.server(simulator)
            yield story


def page_of(desk: Studio) -> httpx.AsyncClient:
    """A page from somewhere else, at the same server."""
    elsewhere = {"Origin": "http://web-client.example"}
    return httpx.AsyncClient(transport=desk.client._transport, headers=elsewhere)


async def plan(story: Story) -> None:
    """A project with music, two scenes, two clips with words of their own."""
    await story.make("project", "/projects", name="Night Drive", fps=25)
    await story.do("PUT", "/projects/{project}", json={"description": "Two minutes of rain."})
    music = {"file": ("song.wav", sound("wav", "pcm_s16le", 0.5), "audio/wav")}
    for path in ("/media/projects/{project}/upload-music", "/projects/{project}/upload-music"):
        assert (await story.do("POST", path, files=music))["duration"] == pytest.approx(0.5)
    project = story.ids["project"]
    await story.make("scene", "/scenes", project_id=project, name="Verse")
    await story.make("last_scene", "/scenes", project_id=project, name="End")
    await story.do("PUT", "/scenes/{scene}", json={"lyrics": "Turn the key and wait"})
    for name in ("clip", "last_clip"):
        await story.make(name, "/clips", scene_id=story.ids["scene"], length=2)
    await story.do("PUT", "/clips/{clip}", json={"lyrics": "la"})
    await story.do("PUT", "/clips/{clip}/prompts", json={"image_prompt": "a red car"})
    await story.do("PUT", "/clips/{last_clip}/timeline-position", json={"position": 3})


async def cast(story: Story) -> None:
    """Somebody who looks the same everywhere, and a look for all of it."""
    face = {"file": ("mara.png", picture(), "image/png")}
    await story.do("POST", "/upload-face-image", files=face)
    url = (await story.do("POST", "/media/upload-face-image", files=face))["file_url"]
    pictures = [("files", face["file"]), ("files", face["file"])]
    told = await story.do("POST", "/upload-character-images", files=pictures)
    assert len(told["file_urls"]) == 2
    await story.make("character", "/characters", name="Mara", trigger_words="ohwx", face_image=url)
    await story.do("PUT", "/characters/{character}", json={"style_notes": "film grain"})
    worn = await story.do("POST", "/characters/{character}/apply/{clip}")
    assert worn["image_prompt"] == "ohwx, a red car, film grain"
    order = {"prompt": "portrait", "params": SMALL}
    portrait = await story.do("POST", "/characters/{character}/generate", json=order)
    assert portrait["content"]["prompt"] == "ohwx, portrait, film grain"
    await story.make("template", "/style-templates", name="Noir", negative_prompt="text")
    await story.do("PUT", "/style-templates/{template}", json={"category": "film"})
    assert (await story.do("POST", "/style-templates/{template}/use"))["use_count"] == 1


async def generate(story: Story) -> None:
    """One take that is waited for, a batch, and one more by a job."""
    ids = story.ids
    await story.do("PUT", "/comfyui/servers/{server}", json={"max_concurrent": 2})
    order = {"clip_id": ids["clip"], "generation_type": "image", "params": SMALL}
    words = {"prompt": "a red car", "template_id": ids["template"]}
    made = await story.do("POST", "/generate", json={**order, **words})
    assert made["total_images"] == 1
    clips = [ids["clip"], ids["last_clip"]]
    batch = {"clip_ids": clips, "generation_type": "image", "prompt": "rain", "params": SMALL}
    jobs = (await story.make("batch", "/generate/batch", **batch))["job_ids"]
    await story.make("job", "/queue/jobs", **order, prompt="neon")
    for job_id in (*jobs, ids["job"]):
        assert (await story.desk.finished(job_id))["status"] == "completed"
    done = await story.do("GET", "/generate/batch/{batch}")
    assert (done["status"], done["completed"]) == ("completed", 2)
    assert (await story.do("GET", "/queue/jobs/{job}"))["progress"] == 1


async def repeat(story: Story) -> None:
    """A take once more, by the graph that made it."""
    (take,) = await story.desk.takes({"id": story.ids["last_clip"]})
    story.ids["take"] = take["id"]
    made = await story.do("POST", "/clips/{last_clip}/gallery/{take}/regenerate")
    assert made["content"]["provenance"]["graph_hash"] == take["provenance"]["graph_hash"]
    gallery = await story.do("GET", "/clips/{last_clip}/gallery?include=workflow")
    assert gallery["images"][0]["workflow"] == gallery["images"][1]["workflow"]


async def own_graph(story: Story) -> None:
    """A graph of one's own, rendered by its id."""
    canvas = {"width": "{{width}}", "height": 64, "batch_size": 1, "color": 255}
    saving = {"images": ["1", 0], "filename_prefix": "mine"}
    graph = {
        "1": {"class_type": "EmptyImage", "inputs": canvas},
        "2": {"class_type": "SaveImage", "inputs": saving},
    }
    project = story.ids["project"]
    await story.make("workflow", "/workflows", project_id=project, name="Mine", workflow_json=graph)
    await story.do("PUT", "/workflows/{workflow}", json={"description": "A red canvas."})
    order = {"clip_id": story.ids["last_clip"], "prompt": "red"}
    params = {"workflow_id": story.ids["workflow"], "width": 96, "height": 64}
    made = await story.do("POST", "/generate", json={**order, "params": params})
    assert made["content"]["width"] == 96


async def choose(story: Story) -> None:
    """Another take, another go, and what is kept for later."""
    takes = await story.desk.takes({"id": story.ids["clip"]})
    assert len(takes) == 3
    chosen = {"content_id": takes[-1]["id"], "content_type": "image"}
    await story.do("PUT", "/clips/{clip}/select-content", params=chosen)
    await story.do("POST", "/clips/{clip}/create-alternate")
    await story.do("POST", "/scenes/{scene}/create-alternate")
    kept = {"project_id": story.ids["project"], "source_clip_id": story.ids["clip"]}
    await story.make("item", "/pool", **kept)
    await story.do("PUT", "/pool/item/{item}", json={"tags": ["rain"]})
    await story.do("GET", "/pool/item/{item}")
    await story.do("POST", "/pool/item/{item}/apply-to-clip/{last_clip}")
    assert len(await story.desk.takes({"id": story.ids["last_clip"]})) == 3


async def read_all(story: Story) -> None:
    for path in READS:
        await story.do("GET", path)
    film = await story.do("GET", "/projects/{project}/timeline")
    assert sorted(len(scene["clips"]) for scene in film["scenes"]) == [0, 3, 3]
    for name in LEGACY:
        address = f"/api/projects/{story.ids['project']}/export/{name}"
        exported = await story.desk.client.get(address)
        assert "attachment" in exported.headers["Content-Disposition"], name
    assert b"storycanvas" in (await story.desk.client.get("/metrics")).content


async def hand_over(story: Story) -> None:
    """An unchanged cut comes back and changes nothing; a second project is made of the first."""
    cut = await story.do("GET", "/projects/{project}/export/edl")
    told = await story.do("POST", "/projects/{project}/import-timing", files={"file": cut})
    assert told["changes"] == []
    film = {"file": ("film.json", await exported_film(story))}
    copied = await story.do("POST", "/projects/import", files=film)
    story.ids["copy"] = copied["project"]["id"]
    package = await story.do("GET", "/projects/{project}/export/bundle.zip")
    assert package.startswith(b"PK")
    paper = await story.do("GET", "/projects/{project}/export/storyboard.pdf")
    assert paper.startswith(b"%PDF-")
    page = await story.do("GET", "/projects/{project}/export/storyboard.html")
    assert page.startswith(b"<!DOCTYPE html>")
    animatic = "/projects/{project}/export/animatic.mp4"
    assert (await story.do("GET", f"{animatic}?height=1080"))["status"] == "pending"
    assert (await story.do("DELETE", animatic))["deleted"] == 1


async def exported_film(story: Story) -> bytes:
    address = f"{API}/projects/{story.ids['project']}/export/json"
    return (await story.desk.client.get(address)).content


async def lend(story: Story) -> None:
    """The server goes; a worker takes a job and gives it up; what is left is cleared away."""
    await story.do("DELETE", "/comfyui/servers/{server}")
    node = {"server_name": "Node", "is_online": True, "max_concurrent": 1}
    await story.do("POST", "/queue/servers/node-7/register", json=node)
    order = {"clip_id": story.ids["clip"], "prompt": "dawn", "max_retries": 0}
    await story.make("lent", "/queue/jobs", **order)
    assert (await story.do("GET", "/queue/servers/node-7/next"))["id"] == story.ids["lent"]
    report = {"success": False, "error": "out of paper"}
    await story.do("POST", "/queue/jobs/{lent}/complete", json=report)
    await story.make("dropped", "/queue/jobs", **order)
    await story.do("POST", "/queue/jobs/{dropped}/cancel")
    await story.do("POST", "/queue/jobs/{dropped}/retry")
    await story.do("POST", "/queue/jobs/{dropped}/cancel")
    assert (await story.do("DELETE", "/queue/jobs/{dropped}"))["deleted"] == 1
    assert (await story.do("DELETE", "/queue/clear"))["deleted_count"] >= 4
    await story.do("GET", "/openai/videos/video_68d7")
    await story.do("DELETE", "/openai/videos/video_68d7")


async def strike(story: Story) -> None:
    """Everything goes, the smallest first."""
    for path in (
        "/pool/item/{item}", "/clips/{last_clip}", "/scenes/{last_scene}",
        "/characters/{character}", "/style-templates/{template}", "/workflows/{workflow}",
        "/projects/{project}", "/projects/{copy}",
    ):  # fmt: skip
        assert (await story.do("DELETE", path))["deleted"] >= 1, path
    assert await story.do("GET", "/projects") == {"projects": [], "total": 0}


async def test_a_film_from_start_to_end(story: Story) -> None:
    for chapter in (
        plan,
        cast,
        generate,
        repeat,
        choose,
        own_graph,
        read_all,
        hand_over,
        lend,
        strike,
    ):
        await chapter(story)
    story.desk.client.event_hooks["response"].remove(story.note)
    document = (await story.desk.client.get("/openapi.json")).json()
    missing = story.unreached(document)
    assert not missing, (
        "the story reaches each operation of the document once, and not these: tell it about them"
        f" (a plain read: one line in READS), or say in LEFT_OUT who else does. {missing}"
    )
    assert len(story.seen) >= 65
    assert len(story.loaded) >= 12

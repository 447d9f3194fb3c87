"""Every family and kind runs at the simulator, to files of the size and length that were told.

The pictures that graphs begin from are brought there first.
"""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from PIL import Image

from backend.comfyui_simulator import Simulator, SimulatorOptions
from backend.models.comfyui_server import ComfyUIServer
from backend.models.content import ContentType
from backend.models.render import RenderRequest
from backend.services.comfyui.catalog import ServerCatalog
from backend.services.comfyui.client import ComfyUIClient, open_session
from backend.services.comfyui.messages import PromptOutcome, PromptState
from backend.services.families import VARIANTS
from backend.services.families.base import GraphKind, ModelFamily, NegativeRule
from backend.services.media.media_files import MediaFiles
from backend.services.media.media_probe import MediaInfo, probe
from backend.services.queue.input_images import InputImages
from backend.services.workflows import BuiltWorkflow, build_workflow
from backend.utils.errors import UnprocessableError, UpstreamError
from backend.utils.ids import new_id
from tests.unit.services.workflows.workflow_samples import (
    END,
    MASK,
    START,
    full_nodes,
    pictures_for,
)

SERVER_ID = "s"
PICTURE_SIZE = (320, 192)


@pytest.fixture(scope="module")
def uploads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("uploads")
    for number, source in enumerate((START, END, MASK)):
        picture = Image.new("RGB", PICTURE_SIZE, (40 * number, 90, 90))
        picture.save(folder / source.removeprefix("/uploads/"))
    (folder / "notes.txt").write_text("no picture")
    return folder


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    models = full_nodes().models
    async with Simulator(SimulatorOptions(every_model=True, models=models)) as running:
        yield running


@pytest.fixture
async def client() -> AsyncIterator[ComfyUIClient]:
    async with open_session() as session:
        yield ComfyUIClient(session)


def server_at(url: str) -> ComfyUIServer:
    now = datetime(2026, 11, 22, tzinfo=UTC)
    return ComfyUIServer(id=SERVER_ID, name="A", url=url, created_at=now, updated_at=now)


def small(family: ModelFamily, kind: GraphKind) -> RenderRequest:
    """Ask for little: the simulator really draws each frame."""
    video: dict[str, Any] = {"frames": 9, "fps": 12} if kind.makes is ContentType.VIDEO else {}
    size: dict[str, Any] = {} if kind is GraphKind.EDIT else {"width": 133, "height": 101}
    asked: dict[str, Any] = {
        "model": family.official_model,
        "prompt": "a boat",
        "steps": 2,
        "seed": 7,
    }
    return RenderRequest(kind=kind.makes, **asked, **size, **video, **pictures_for(kind))


async def ended(client: ComfyUIClient, server: ComfyUIServer, prompt_id: str) -> PromptOutcome:
    async with asyncio.timeout(20):
        while (outcome := await client.history(server, prompt_id)) is None:
            await asyncio.sleep(0.005)
    return outcome


class Studio:
    """A server, and how a graph gets there and its file back."""

    def __init__(self, simulator: Simulator, client: ComfyUIClient, uploads: Path) -> None:
        self.server = server_at(simulator.url)
        self.client = client
        self.images = InputImages(MediaFiles(uploads), client)

    async def rendered(self, built: BuiltWorkflow, target: Path) -> MediaInfo:
        placed = await self.images.place(self.server, built)
        prompt_id = new_id()
        await self.client.submit(self.server, placed.graph, prompt_id=prompt_id, client_id=new_id())
        outcome = await ended(self.client, self.server, prompt_id)
        assert outcome.state is PromptState.SUCCESS, outcome.error
        await self.client.download(self.server, outcome.files[0], target, max_bytes=50_000_000)
        return await asyncio.to_thread(probe, target)


@pytest.fixture
def studio(simulator: Simulator, client: ComfyUIClient, uploads: Path) -> Studio:
    return Studio(simulator, client, uploads)


async def test_every_family_makes_what_it_told(studio: Studio, tmp_path: Path) -> None:
    catalog = await studio.client.catalog(studio.server)
    made = 0
    for family in VARIANTS:
        for kind in sorted(family.kinds):
            built = build_workflow(small(family, kind), catalog)
            info = await studio.rendered(built, tmp_path / f"{family.key}-{kind}")
            assert info.content_type is kind.makes
            if built.width is not None:
                assert (info.width, info.height) == (built.width, built.height), built.kind
            if kind.makes is ContentType.VIDEO:
                _check_film(built, info)
            made += 1
    assert made == sum(len(family.kinds) for family in VARIANTS)


def _check_film(built: BuiltWorkflow, info: MediaInfo) -> None:
    assert built.duration is not None
    assert info.fps == built.fps == 12
    assert info.duration == pytest.approx(built.duration, abs=0.02)


async def test_an_edit_has_the_size_that_its_model_makes_of_the_picture(
    studio: Studio, tmp_path: Path
) -> None:
    catalog = await studio.client.catalog(studio.server)
    sizes = {}
    for key in ("flux_kontext", "qwen_edit", "qwen_edit_2509"):
        family = next(family for family in VARIANTS if family.key == key)
        info = await studio.rendered(
            build_workflow(small(family, GraphKind.EDIT), catalog), tmp_path / key
        )
        sizes[key] = (info.width, info.height)
    # 320x192 is 5:3: the nearest of Kontext's sizes, and one megapixel in whole cells of 8.
    qwen = (1320, 792)
    assert sizes == {"flux_kontext": (1328, 800), "qwen_edit": qwen, "qwen_edit_2509": qwen}


async def test_a_batch_begun_from_a_picture_gives_a_take_each(
    studio: Studio, tmp_path: Path
) -> None:
    family = next(family for family in VARIANTS if family.key == "sd15")
    request = small(family, GraphKind.IMAGE_TO_IMAGE).model_copy(update={"batch_size": 3})
    built = build_workflow(request, await studio.client.catalog(studio.server))
    placed = await studio.images.place(studio.server, built)
    prompt_id = new_id()
    await studio.client.submit(studio.server, placed.graph, prompt_id=prompt_id, client_id="c")
    assert len((await ended(studio.client, studio.server, prompt_id)).files) == 3


async def test_the_same_picture_gets_the_same_name_so_graphs_repeat(studio: Studio) -> None:
    family = next(family for family in VARIANTS if family.key == "wan_2_2_i2v")
    catalog = await studio.client.catalog(studio.server)
    built = build_workflow(small(family, GraphKind.FIRST_LAST_FRAME), catalog)
    first = await studio.images.place(studio.server, built)
    assert (await studio.images.place(studio.server, built)).graph == first.graph
    names = {node["inputs"].get("image") for node in first.graph.values()} - {None}
    loaded = [name for name in names if isinstance(name, str)]
    assert len(loaded) == 2
    assert all(name.startswith("storycanvas/") and name.endswith(".png") for name in loaded)


async def test_a_graph_without_pictures_stays_as_it_is(studio: Studio) -> None:
    family = next(family for family in VARIANTS if family.key == "sdxl")
    catalog = await studio.client.catalog(studio.server)
    built = build_workflow(small(family, GraphKind.TEXT_TO_IMAGE), catalog)
    assert await studio.images.place(studio.server, built) is built


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("/uploads/gone.png", "no such file"),
        ("/uploads/notes.txt", "can't be used"),
        ("/uploads/../secret.png", "leaves the media folder"),
        ("/uploads/%2e%2e/secret.png", "leaves the media folder"),
        ("/uploads/.incoming/a.png", "under /uploads/"),
        ("/uploads/", "leaves the media folder"),
    ],
)
async def test_what_is_no_picture_of_ours_is_refused(
    studio: Studio, source: str, words: str
) -> None:
    family = next(family for family in VARIANTS if family.key == "svd")
    request = small(family, GraphKind.IMAGE_TO_VIDEO).model_copy(update={"init_image": source})
    built = build_workflow(request, await studio.client.catalog(studio.server))
    with pytest.raises(UnprocessableError) as refusal:
        await studio.images.place(studio.server, built)
    assert refusal.value.code == "INPUT_IMAGE_REFUSED"
    assert words in refusal.value.message


@pytest.mark.parametrize(
    ("status", "body"),
    [(413, ""), (500, "Server got itself in trouble"), (200, "[]"), (200, '{"name": ""}'),
     (200, '{"name": "a.png", "subfolder": 5}')],
)  # fmt: skip
async def test_a_server_that_does_not_take_the_picture(
    client: ComfyUIClient, uploads: Path, status: int, body: str
) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=status, text=body)

    app = web.Application()
    app.router.add_post("/upload/image", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        server = server_at(f"http://127.0.0.1:{runner.addresses[0][1]}")
        with pytest.raises(UpstreamError):
            await client.upload_image(server, b"x", name="a.png", subfolder="s")
    finally:
        await runner.cleanup()


def test_no_negative_prompt_reaches_families_that_take_none() -> None:
    catalog = ServerCatalog.from_object_info(full_nodes().info)
    for family in VARIANTS:
        if family.negative is NegativeRule.NONE:
            request = small(family, sorted(family.kinds)[0])
            built = build_workflow(request.model_copy(update={"negative_prompt": "x9"}), catalog)
            assert "x9" not in str(built.graph)

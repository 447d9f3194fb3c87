"""Every family's job, pictures and all: from the queue to a take of the size and length told."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from backend.comfyui_simulator import Simulator, SimulatorOptions
from backend.models.content import ContentType
from backend.services.families import FAMILIES
from backend.services.families.base import GraphKind
from backend.services.workflows.intent import sample_request
from tests.studio import Studio, studio
from tests.unit.services.workflows.workflow_samples import full_nodes

NAMES = ("init_image", "end_image", "mask")


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Studio]:
    folder = tmp_path / "uploads"
    folder.mkdir()
    for name in NAMES:
        Image.new("RGB", (320, 192), (90, 90, 90)).save(folder / f"{name}.png")
    async with studio(tmp_path) as running:
        yield running


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    options = SimulatorOptions(every_model=True, models=full_nodes().models)
    async with Simulator(options) as running:
        yield running


async def test_every_family_ends_in_the_gallery(desk: Studio, simulator: Simulator) -> None:
    await desk.server(simulator, max_concurrent=2)
    asked: dict[str, tuple[dict[str, Any], str]] = {}
    for family in FAMILIES:
        clip = await desk.clip()
        sample = sample_request(family, family.official_model)
        pictures = {name: f"/uploads/{name}.png" for name in NAMES if getattr(sample, name)}
        params: dict[str, Any] = {"steps": 2, **pictures}
        if GraphKind.EDIT not in family.kinds:
            params |= {"width": 133, "height": 101}
        if sample.kind is ContentType.VIDEO:
            params |= {"video_frames": 9, "video_fps": 12}
        order = {"model": family.official_model, "generation_type": sample.kind, "params": params}
        asked[family.id] = (clip, await desk.job(clip, **order))
    for family in FAMILIES:
        clip, job_id = asked[family.id]
        job = await desk.finished(job_id, 60)
        assert job["status"] == "completed", (family.id, job["error"])
        (take,) = await desk.takes(clip)
        assert take["model_type"] == family.id
        if GraphKind.EDIT not in family.kinds:
            size = (family.side(133, 0), family.side(101, 0))
            assert (take["width"], take["height"]) == size
        if family.frame_rule is not None:
            frames = family.frame_rule.nearest(9)
            assert take["duration"] == pytest.approx(frames / 12, abs=0.02)


async def test_a_picture_that_is_gone_fails_the_job_in_words(
    desk: Studio, simulator: Simulator
) -> None:
    await desk.server(simulator)
    params = {"init_image": "/uploads/gone.png", "steps": 2}
    job_id = await desk.job(await desk.clip(), model="sd_xl_base_1.0", params=params)
    job = await desk.finished(job_id)
    assert (job["status"], job["error_code"]) == ("failed", "INPUT_IMAGE_REFUSED")
    assert "gone.png" in job["error"]


async def test_what_the_graph_has_no_use_for_is_named(desk: Studio, simulator: Simulator) -> None:
    await desk.server(simulator)
    params = {"denoise": 0.5, "motion_bucket_id": 9, "steps": 2, "glow": 1}
    job_id = await desk.job(await desk.clip(), model="sd_xl_base_1.0", params=params)
    job = await desk.finished(job_id)
    assert job["ignored_params"] == ["denoise", "glow", "motion_bucket_id"]
    assert job["status"] == "completed"

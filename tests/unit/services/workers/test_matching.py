"""Which jobs a worker gets, from what it says that it can make."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from backend.models.content import ContentType
from backend.models.job import Job
from backend.models.worker import Worker
from backend.services.workers.matching import facts_for_worker, why_not

NOW = datetime(2026, 3, 1, tzinfo=UTC)
XL = "sd_xl_base_1.0.safetensors"


def job(**fields: Any) -> Job:
    values = {
        "id": "j",
        "project_id": "p",
        "scene_id": "s",
        "clip_id": "c",
        "generation_type": ContentType.IMAGE,
        "params": {"seed": 7},
        "created_at": NOW,
        **fields,
    }
    return Job(**values)


def worker(**fields: Any) -> Worker:
    return Worker(id="w", name="Node", last_heartbeat=NOW, created_at=NOW, **fields)


@pytest.mark.parametrize(
    ("wish", "able"),
    [
        ({}, {}),
        ({"model": XL}, {}),
        ({"model": XL}, {"models": (XL,)}),
        ({"model": "sd_xl_base_1.0"}, {"models": (f"sdxl/{XL}",)}),
        ({"model": XL}, {"models": ("sdxl",)}),
        ({}, {"models": ("sdxl",)}),
        ({"workflow_json": "{}", "model": "x"}, {"models": ("sdxl",)}),
        ({"generation_type": ContentType.VIDEO}, {"generation_types": (ContentType.VIDEO,)}),
        ({"pinned_server_id": "w"}, {"generation_types": (ContentType.IMAGE,)}),
        ({"not_before": NOW}, {}),
    ],
)
def test_it_may(wish: dict[str, Any], able: dict[str, Any]) -> None:
    assert why_not(job(**wish), worker(**able), NOW) is None


@pytest.mark.parametrize(
    ("wish", "able", "words"),
    [
        ({"generation_type": ContentType.VIDEO}, {"generation_types": (ContentType.IMAGE,)}, "vid"),
        ({}, {"generation_types": ()}, "makes no images"),
        ({"model": XL}, {"models": ("wan_2_1", "other.safetensors")}, f"'{XL}'"),
        ({"model": XL}, {"models": ()}, "does not have"),
        ({"workflow_json": "{}"}, {"custom_workflows": False}, "workflows"),
        ({"pinned_server_id": "x"}, {}, "another server"),
        ({"provider": "openai"}, {}, "provider"),
        ({"not_before": NOW + timedelta(seconds=1)}, {}, "waits"),
    ],
)
def test_it_may_not(wish: dict[str, Any], able: dict[str, Any], words: str) -> None:
    assert words in str(why_not(job(**wish), worker(**able), NOW))


def test_what_its_take_says() -> None:
    assert facts_for_worker(job(model=XL)) == {
        "model_name": XL,
        "model_type": "sdxl",
        "seed": 7,
    }
    assert facts_for_worker(job())["model_type"] is None

"""Files, classes and endpoint counts that the specification names: each is where it says."""

from importlib import import_module

import pytest
from fastapi.routing import APIRoute

from backend.config import ROOT

CLASSES = {
    "services.project_service": "ProjectService",
    "services.generation_service": "GenerationService",
    "services.comfyui_service": "ComfyUIService",
    "services.queue_manager": "QueueManager",
    "services.export_service": "ExportService",
    "services.batch_generator": "BatchGenerator",
    "services.gallery_manager": "GalleryManager",
    "services.media_service": "MediaService",
    "services.model_config": "ModelConfig",
    "services.openai_video_service": "OpenAIVideoService",
    "repositories.base_repository": "BaseRepository",
    "repositories.project_repository": "ProjectRepository",
    "repositories.scene_repository": "SceneRepository",
    "repositories.clip_repository": "ClipRepository",
    "repositories.comfyui_repository": "ComfyUIRepository",
    "utils.errors": "StoryCanvasError",
    "config": "Settings",
    "database": "DatabaseManager",
    "container": "Container",
}
FILES = (
    "server", "utils/file_validator", "utils/timeline_validator", "utils/url_validator",
    "api/v1/dependencies",
)  # fmt: skip
#: Endpoints of each router under api/v1: 61 in all.
ENDPOINTS = {
    "health": 2, "projects": 7, "scenes": 6, "clips": 8, "generation": 4, "characters": 6,
    "templates": 6, "queue": 12, "comfyui": 5, "media": 2, "openai": 3,
}  # fmt: skip


@pytest.mark.parametrize(("place", "name"), CLASSES.items())
def test_a_class_is_defined_in_its_file(place: str, name: str) -> None:
    found = getattr(import_module(f"backend.{place}"), name)
    assert found.__module__ == f"backend.{place}"


@pytest.mark.parametrize("place", FILES)
def test_a_file_is_there(place: str) -> None:
    assert (ROOT / "backend" / f"{place}.py").stat().st_size > 0


@pytest.mark.parametrize(("name", "count"), ENDPOINTS.items())
def test_a_router_has_its_endpoints(name: str, count: int) -> None:
    router = import_module(f"backend.api.v1.{name}_router").router
    assert sum(isinstance(route, APIRoute) for route in router.routes) == count


def test_they_are_61_and_4_of_old() -> None:
    assert sum(ENDPOINTS.values()) == 61
    legacy = import_module("backend.api.v1.exports.legacy_exports_router").router
    assert [route.path.rpartition("/")[2] for route in legacy.routes] == [
        "fcpxml", "edl", "resolve", "json",
    ]  # fmt: skip

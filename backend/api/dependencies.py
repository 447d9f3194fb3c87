"""What routes ask for, as aliases that make a signature read as a sentence."""

from typing import Annotated, NamedTuple

from fastapi import Depends, Header, Path, Query, Request

from backend.services.batch_service import BatchService
from backend.services.clip_service import ClipService
from backend.services.clip_timeline import ClipTimeline
from backend.services.comfyui_service import ComfyUIService
from backend.services.export_service import ExportService
from backend.services.generation_service import GenerationService
from backend.services.health_service import HealthService
from backend.services.media_service import MediaService
from backend.services.project_service import ProjectService
from backend.services.queue_manager import QueueManager
from backend.services.queue_view import QueueView
from backend.services.scene_service import SceneService
from backend.services.worker_service import WorkerService


class Page(NamedTuple):
    skip: int
    limit: int


def _page(
    skip: Annotated[int, Query(ge=0, le=2**31 - 1, description="How many to leave out.")] = 0,
    limit: Annotated[int, Query(ge=1, le=500, description="How many to give.")] = 100,
) -> Page:
    return Page(skip, limit)


def _projects(request: Request) -> ProjectService:
    service: ProjectService = request.app.state.container.projects
    return service


def _scenes(request: Request) -> SceneService:
    service: SceneService = request.app.state.container.scenes
    return service


def _clips(request: Request) -> ClipService:
    service: ClipService = request.app.state.container.clips
    return service


def _timeline(request: Request) -> ClipTimeline:
    service: ClipTimeline = request.app.state.container.timeline
    return service


def _servers(request: Request) -> ComfyUIService:
    service: ComfyUIService = request.app.state.container.servers
    return service


def _generation(request: Request) -> GenerationService:
    service: GenerationService = request.app.state.container.generation
    return service


def _queue(request: Request) -> QueueManager:
    service: QueueManager = request.app.state.container.queue
    return service


def _batches(request: Request) -> BatchService:
    service: BatchService = request.app.state.container.batches
    return service


def _workers(request: Request) -> WorkerService:
    service: WorkerService = request.app.state.container.workers
    return service


def _queue_view(request: Request) -> QueueView:
    service: QueueView = request.app.state.container.queue_view
    return service


def _health(request: Request) -> HealthService:
    service: HealthService = request.app.state.container.health
    return service


def _media(request: Request) -> MediaService:
    service: MediaService = request.app.state.container.media
    return service


def _exports(request: Request) -> ExportService:
    service: ExportService = request.app.state.container.exports
    return service


ProjectServiceDep = Annotated[ProjectService, Depends(_projects)]
SceneServiceDep = Annotated[SceneService, Depends(_scenes)]
ClipServiceDep = Annotated[ClipService, Depends(_clips)]
TimelineDep = Annotated[ClipTimeline, Depends(_timeline)]
ComfyUIServiceDep = Annotated[ComfyUIService, Depends(_servers)]
GenerationServiceDep = Annotated[GenerationService, Depends(_generation)]
QueueManagerDep = Annotated[QueueManager, Depends(_queue)]
BatchServiceDep = Annotated[BatchService, Depends(_batches)]
WorkerServiceDep = Annotated[WorkerService, Depends(_workers)]
QueueViewDep = Annotated[QueueView, Depends(_queue_view)]
HealthServiceDep = Annotated[HealthService, Depends(_health)]
MediaServiceDep = Annotated[MediaService, Depends(_media)]
ExportServiceDep = Annotated[ExportService, Depends(_exports)]

PageDep = Annotated[Page, Depends(_page)]
Id = Annotated[str, Path(min_length=1, max_length=100, description="Its id.")]
IdempotencyKey = Annotated[
    str | None,
    Header(min_length=1, max_length=200, description="A repeat with it answers the first job."),
]
Prefer = Annotated[
    str | None, Header(description="'respond-async': do not wait, answer 202 at once.")
]

"""What routes ask for, as aliases that make a signature read as a sentence.

All are coroutines though none waits: FastAPI sends a plain function to a thread, which costs
more than the whole route.
"""

from collections.abc import Callable, Coroutine
from operator import attrgetter
from typing import Annotated, Any, NamedTuple

from fastapi import Depends, Header, Path, Query
from starlette.requests import HTTPConnection

from backend.services.batch_generator import BatchGenerator
from backend.services.comfyui_service import ComfyUIService
from backend.services.events.stream import EventStreams
from backend.services.events.webhook_service import WebhookService
from backend.services.export_service import ExportService
from backend.services.exports.animatic_service import AnimaticService
from backend.services.exports.bundle import BundleService
from backend.services.exports.storyboard_export import StoryboardService
from backend.services.exports.timing_service import TimingService
from backend.services.film.alternates_service import AlternatesService
from backend.services.film.character_service import CharacterService
from backend.services.film.clip_service import ClipService
from backend.services.film.pool_service import PoolService
from backend.services.film.project_import import ProjectImporter
from backend.services.film.scene_service import SceneService
from backend.services.film.story_reader import StoryReader
from backend.services.film.template_service import TemplateService
from backend.services.film.timeline_analysis import TimelineAnalyzer
from backend.services.film.workflow_service import WorkflowService
from backend.services.generation.character_pictures import CharacterPictures
from backend.services.generation.take_graphs import TakeGraphs
from backend.services.generation_service import GenerationService
from backend.services.media_service import MediaService
from backend.services.monitoring.health_service import HealthService
from backend.services.monitoring.live_board import LiveBoard
from backend.services.monitoring.queue_view import QueueView
from backend.services.openai_video_service import OpenAIVideoService
from backend.services.project_service import ProjectService
from backend.services.queue_manager import QueueManager
from backend.services.servers.model_library import ModelLibrary
from backend.services.workers.reports import WorkerReports
from backend.services.workers.service import WorkerService


class Page(NamedTuple):
    skip: int
    limit: int


async def _page(
    skip: Annotated[int, Query(ge=0, le=2**31 - 1, description="How many to leave out.")] = 0,
    limit: Annotated[int, Query(ge=1, le=500, description="How many to give.")] = 100,
) -> Page:
    return Page(skip, limit)


def _part(place: str) -> Callable[[HTTPConnection], Coroutine[Any, Any, Any]]:
    """Make what gives a part of the container to a route, by its place there."""
    find = attrgetter(place)

    async def part(connection: HTTPConnection) -> Any:
        return find(connection.app.state.container)

    return part


ProjectServiceDep = Annotated[ProjectService, Depends(_part("film.projects"))]
SceneServiceDep = Annotated[SceneService, Depends(_part("film.scenes"))]
ClipServiceDep = Annotated[ClipService, Depends(_part("film.clips"))]
CharacterServiceDep = Annotated[CharacterService, Depends(_part("film.characters"))]
CharacterPicturesDep = Annotated[CharacterPictures, Depends(_part("generation.character_pictures"))]
TemplateServiceDep = Annotated[TemplateService, Depends(_part("film.templates"))]
WorkflowServiceDep = Annotated[WorkflowService, Depends(_part("film.workflows"))]
StoryReaderDep = Annotated[StoryReader, Depends(_part("film.story"))]
TimelineAnalystDep = Annotated[TimelineAnalyzer, Depends(_part("film.timeline_analyst"))]
ComfyUIServiceDep = Annotated[ComfyUIService, Depends(_part("servers"))]
ModelLibraryDep = Annotated[ModelLibrary, Depends(_part("fleet.library"))]
GenerationServiceDep = Annotated[GenerationService, Depends(_part("generation.service"))]
QueueManagerDep = Annotated[QueueManager, Depends(_part("queue.manager"))]
BatchServiceDep = Annotated[BatchGenerator, Depends(_part("generation.batches"))]
WorkerReportsDep = Annotated[WorkerReports, Depends(_part("queue.worker_reports"))]
WorkerServiceDep = Annotated[WorkerService, Depends(_part("queue.workers"))]
LiveBoardDep = Annotated[LiveBoard, Depends(_part("monitoring.live_board"))]
QueueViewDep = Annotated[QueueView, Depends(_part("monitoring.queue_view"))]
HealthServiceDep = Annotated[HealthService, Depends(_part("monitoring.health"))]
MediaServiceDep = Annotated[MediaService, Depends(_part("film.media"))]
ExportServiceDep = Annotated[ExportService, Depends(_part("exports.service"))]
BundleServiceDep = Annotated[BundleService, Depends(_part("exports.bundles"))]
StoryboardServiceDep = Annotated[StoryboardService, Depends(_part("exports.storyboards"))]
AnimaticServiceDep = Annotated[AnimaticService, Depends(_part("exports.animatics"))]
TimingServiceDep = Annotated[TimingService, Depends(_part("exports.timing"))]
ProjectImporterDep = Annotated[ProjectImporter, Depends(_part("exports.importer"))]
AlternatesServiceDep = Annotated[AlternatesService, Depends(_part("film.alternates"))]
PoolServiceDep = Annotated[PoolService, Depends(_part("film.pool"))]
WebhookServiceDep = Annotated[WebhookService, Depends(_part("events.webhooks"))]
TakeGraphsDep = Annotated[TakeGraphs, Depends(_part("generation.take_graphs"))]
EventStreamsDep = Annotated[EventStreams, Depends(_part("events.streams"))]
OpenAIVideoServiceDep = Annotated[OpenAIVideoService, Depends(_part("runners.openai_videos"))]

PageDep = Annotated[Page, Depends(_page)]
Id = Annotated[str, Path(min_length=1, max_length=100, description="Its id.")]
#: A ComfyUI server's id, or the name that an external worker gives itself.
WorkerId = Annotated[
    str,
    Path(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._:@-]{0,99}$",
        description="A ComfyUI server's id, or the worker's own name.",
        examples=["render-node-7"],
    ),
]
Reporter = Annotated[
    str | None,
    Query(
        min_length=1,
        max_length=100,
        description="The worker that reports.",
        examples=["render-node-7"],
    ),
]
IdempotencyKey = Annotated[
    str | None,
    Header(min_length=1, max_length=200, description="A repeat with it answers the first job."),
]
Prefer = Annotated[
    str | None, Header(description="'respond-async': do not wait, answer 202 at once.")
]

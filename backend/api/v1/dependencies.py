"""What routes ask for, as aliases that make a signature read as a sentence.

All are coroutines though none waits: FastAPI sends a plain function to a thread, which costs
more than the whole route.
"""

from typing import Annotated, NamedTuple

from fastapi import Depends, Header, Path, Query, Request
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


async def _projects(request: Request) -> ProjectService:
    service: ProjectService = request.app.state.container.projects
    return service


async def _scenes(request: Request) -> SceneService:
    service: SceneService = request.app.state.container.scenes
    return service


async def _clips(request: Request) -> ClipService:
    service: ClipService = request.app.state.container.clips
    return service


async def _characters(request: Request) -> CharacterService:
    service: CharacterService = request.app.state.container.characters
    return service


async def _character_pictures(request: Request) -> CharacterPictures:
    service: CharacterPictures = request.app.state.container.character_pictures
    return service


async def _templates(request: Request) -> TemplateService:
    service: TemplateService = request.app.state.container.templates
    return service


async def _saved_workflows(request: Request) -> WorkflowService:
    service: WorkflowService = request.app.state.container.workflows
    return service


async def _story(request: Request) -> StoryReader:
    service: StoryReader = request.app.state.container.story
    return service


async def _timeline_analyst(request: Request) -> TimelineAnalyzer:
    service: TimelineAnalyzer = request.app.state.container.timeline_analyst
    return service


async def _servers(request: Request) -> ComfyUIService:
    service: ComfyUIService = request.app.state.container.servers
    return service


async def _model_library(request: Request) -> ModelLibrary:
    service: ModelLibrary = request.app.state.container.model_library
    return service


async def _generation(request: Request) -> GenerationService:
    service: GenerationService = request.app.state.container.generation
    return service


async def _queue(request: Request) -> QueueManager:
    service: QueueManager = request.app.state.container.queue
    return service


async def _batches(request: Request) -> BatchGenerator:
    service: BatchGenerator = request.app.state.container.batches
    return service


async def _worker_reports(request: Request) -> WorkerReports:
    service: WorkerReports = request.app.state.container.worker_reports
    return service


async def _workers(request: Request) -> WorkerService:
    service: WorkerService = request.app.state.container.workers
    return service


async def _queue_view(request: Request) -> QueueView:
    service: QueueView = request.app.state.container.queue_view
    return service


async def _live_board(request: Request) -> LiveBoard:
    service: LiveBoard = request.app.state.container.live_board
    return service


async def _health(request: Request) -> HealthService:
    service: HealthService = request.app.state.container.health
    return service


async def _media(request: Request) -> MediaService:
    service: MediaService = request.app.state.container.media
    return service


async def _alternates(request: Request) -> AlternatesService:
    service: AlternatesService = request.app.state.container.alternates
    return service


async def _pool(request: Request) -> PoolService:
    service: PoolService = request.app.state.container.pool
    return service


async def _exports(request: Request) -> ExportService:
    service: ExportService = request.app.state.container.exports
    return service


async def _bundles(request: Request) -> BundleService:
    service: BundleService = request.app.state.container.bundles
    return service


async def _storyboards(request: Request) -> StoryboardService:
    service: StoryboardService = request.app.state.container.storyboards
    return service


async def _animatics(request: Request) -> AnimaticService:
    service: AnimaticService = request.app.state.container.animatics
    return service


async def _webhooks(request: Request) -> WebhookService:
    service: WebhookService = request.app.state.container.webhooks
    return service


async def _timing(request: Request) -> TimingService:
    service: TimingService = request.app.state.container.timing
    return service


async def _importer(request: Request) -> ProjectImporter:
    service: ProjectImporter = request.app.state.container.importer
    return service


async def _event_streams(connection: HTTPConnection) -> EventStreams:
    service: EventStreams = connection.app.state.container.event_streams
    return service


async def _take_graphs(request: Request) -> TakeGraphs:
    service: TakeGraphs = request.app.state.container.take_graphs
    return service


async def _openai_videos(request: Request) -> OpenAIVideoService:
    service: OpenAIVideoService = request.app.state.container.openai_videos
    return service


ProjectServiceDep = Annotated[ProjectService, Depends(_projects)]
SceneServiceDep = Annotated[SceneService, Depends(_scenes)]
ClipServiceDep = Annotated[ClipService, Depends(_clips)]
CharacterServiceDep = Annotated[CharacterService, Depends(_characters)]
CharacterPicturesDep = Annotated[CharacterPictures, Depends(_character_pictures)]
TemplateServiceDep = Annotated[TemplateService, Depends(_templates)]
WorkflowServiceDep = Annotated[WorkflowService, Depends(_saved_workflows)]
StoryReaderDep = Annotated[StoryReader, Depends(_story)]
TimelineAnalystDep = Annotated[TimelineAnalyzer, Depends(_timeline_analyst)]
ComfyUIServiceDep = Annotated[ComfyUIService, Depends(_servers)]
ModelLibraryDep = Annotated[ModelLibrary, Depends(_model_library)]
GenerationServiceDep = Annotated[GenerationService, Depends(_generation)]
QueueManagerDep = Annotated[QueueManager, Depends(_queue)]
BatchServiceDep = Annotated[BatchGenerator, Depends(_batches)]
WorkerReportsDep = Annotated[WorkerReports, Depends(_worker_reports)]
WorkerServiceDep = Annotated[WorkerService, Depends(_workers)]
LiveBoardDep = Annotated[LiveBoard, Depends(_live_board)]
QueueViewDep = Annotated[QueueView, Depends(_queue_view)]
HealthServiceDep = Annotated[HealthService, Depends(_health)]
MediaServiceDep = Annotated[MediaService, Depends(_media)]
ExportServiceDep = Annotated[ExportService, Depends(_exports)]
BundleServiceDep = Annotated[BundleService, Depends(_bundles)]
StoryboardServiceDep = Annotated[StoryboardService, Depends(_storyboards)]
AnimaticServiceDep = Annotated[AnimaticService, Depends(_animatics)]
TimingServiceDep = Annotated[TimingService, Depends(_timing)]
ProjectImporterDep = Annotated[ProjectImporter, Depends(_importer)]
AlternatesServiceDep = Annotated[AlternatesService, Depends(_alternates)]
PoolServiceDep = Annotated[PoolService, Depends(_pool)]
WebhookServiceDep = Annotated[WebhookService, Depends(_webhooks)]
TakeGraphsDep = Annotated[TakeGraphs, Depends(_take_graphs)]
EventStreamsDep = Annotated[EventStreams, Depends(_event_streams)]
OpenAIVideoServiceDep = Annotated[OpenAIVideoService, Depends(_openai_videos)]

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

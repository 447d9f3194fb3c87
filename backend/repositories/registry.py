"""All repositories, as one thing to build and to hand on."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from backend.repositories.animatic_repository import AnimaticRepository
from backend.repositories.batch_repository import BatchRepository
from backend.repositories.character_repository import CharacterRepository
from backend.repositories.character_take_repository import CharacterTakeRepository
from backend.repositories.clip_repository import ClipRepository
from backend.repositories.comfyui_repository import ComfyUIRepository
from backend.repositories.estimates_repository import EstimatesRepository
from backend.repositories.event_repository import EventRepository
from backend.repositories.graph_repository import GraphRepository
from backend.repositories.jobs.repository import JobRepository
from backend.repositories.lease_repository import LeaseRepository
from backend.repositories.pool_repository import PoolRepository
from backend.repositories.project_repository import ProjectRepository
from backend.repositories.scene_repository import SceneRepository
from backend.repositories.server_stats_repository import ServerStatsRepository
from backend.repositories.template_repository import TemplateRepository
from backend.repositories.webhook_repository import DeliveryRepository, WebhookRepository
from backend.repositories.worker_repository import WorkerRepository
from backend.repositories.workflow_repository import WorkflowRepository
from backend.utils.secret_box import SecretBox

#: Every kind, for the indexes that the database must have.
REPOSITORIES = (
    ProjectRepository,
    SceneRepository,
    ClipRepository,
    JobRepository,
    BatchRepository,
    ComfyUIRepository,
    WorkerRepository,
    ServerStatsRepository,
    CharacterRepository,
    CharacterTakeRepository,
    TemplateRepository,
    WorkflowRepository,
    PoolRepository,
    EventRepository,
    LeaseRepository,
    EstimatesRepository,
    WebhookRepository,
    DeliveryRepository,
    AnimaticRepository,
    GraphRepository,
)


@dataclass(frozen=True)
class Repositories:
    projects: ProjectRepository
    scenes: SceneRepository
    clips: ClipRepository
    jobs: JobRepository
    batches: BatchRepository
    servers: ComfyUIRepository
    workers: WorkerRepository
    stats: ServerStatsRepository
    characters: CharacterRepository
    character_takes: CharacterTakeRepository
    templates: TemplateRepository
    workflows: WorkflowRepository
    pool: PoolRepository
    events: EventRepository
    leases: LeaseRepository
    estimates: EstimatesRepository
    webhooks: WebhookRepository
    deliveries: DeliveryRepository
    animatics: AnimaticRepository
    graphs: GraphRepository


def repositories_on(
    database: Any, gate: Callable[[], None], box: SecretBox | None = None
) -> Repositories:
    """All repositories on one driver handle; `gate` raises at once while the database is away."""
    return Repositories(
        projects=ProjectRepository(database, gate),
        scenes=SceneRepository(database, gate),
        clips=ClipRepository(database, gate),
        jobs=JobRepository(database, gate),
        batches=BatchRepository(database, gate),
        servers=ComfyUIRepository(database, gate, box),
        workers=WorkerRepository(database, gate),
        stats=ServerStatsRepository(database, gate),
        characters=CharacterRepository(database, gate),
        character_takes=CharacterTakeRepository(database, gate),
        templates=TemplateRepository(database, gate),
        workflows=WorkflowRepository(database, gate),
        pool=PoolRepository(database, gate),
        events=EventRepository(database, gate),
        leases=LeaseRepository(database, gate),
        estimates=EstimatesRepository(database, gate),
        webhooks=WebhookRepository(database, gate, box),
        deliveries=DeliveryRepository(database, gate),
        animatics=AnimaticRepository(database, gate),
        graphs=GraphRepository(database, gate),
    )

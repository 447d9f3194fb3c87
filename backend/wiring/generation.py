"""From a wish to a job, one or thousands."""

from dataclasses import dataclass

from backend.services.batch_generator import BatchGenerator
from backend.services.film.clip_creation import ClipCreator
from backend.services.generation.awaited_jobs import AwaitedJobs
from backend.services.generation.batch_filler import BatchClips, BatchFiller
from backend.services.generation.character_pictures import CharacterPictures
from backend.services.generation.eligibility import EligibilityChecker
from backend.services.generation.job_factory import JobFactory
from backend.services.generation.render_context import RenderContextLoader
from backend.services.generation.take_graphs import TakeGraphs
from backend.services.generation_service import GenerationService
from backend.services.servers.fleet import Fleet
from backend.utils.clock import utc_now
from backend.wiring.foundation import Foundation
from backend.wiring.queue import QueueParts
from backend.wiring.runners import RunnerParts


@dataclass(frozen=True)
class GenerationParts:
    service: GenerationService
    take_graphs: TakeGraphs
    character_pictures: CharacterPictures
    batches: BatchGenerator
    batch_filler: BatchFiller


def build_generation(
    base: Foundation, fleet: Fleet, queue: QueueParts, runners: RunnerParts, creator: ClipCreator
) -> GenerationParts:
    repos = base.repositories
    eligibility = EligibilityChecker(repos.servers, repos.workers, fleet=fleet, clock=utc_now)
    factory = JobFactory(
        contexts=RenderContextLoader(repos.characters, repos.templates, repos.workflows),
        provider=runners.openai,
        eligibility=eligibility,
        max_retries=base.settings.queue_max_retries,
        clock=utc_now,
    )
    awaited = AwaitedJobs(
        queue.manager,
        base.galleries,
        eligibility=eligibility,
        wait_seconds=base.settings.generate_wait_seconds,
    )
    graphs = TakeGraphs(repos.clips, repos.graphs, factory=factory, awaited=awaited)
    filler, batches = _batches(base, queue, factory)
    return GenerationParts(
        service=GenerationService(
            repos.clips,
            clip_creator=creator,
            factory=factory,
            queue=queue.manager,
            awaited=awaited,
        ),
        take_graphs=graphs,
        character_pictures=CharacterPictures(
            repos.characters, base.galleries, factory=factory, awaited=awaited, graphs=graphs
        ),
        batches=batches,
        batch_filler=filler,
    )


def _batches(
    base: Foundation, queue: QueueParts, factory: JobFactory
) -> tuple[BatchFiller, BatchGenerator]:
    repos = base.repositories
    clips = BatchClips(repos.clips, repos.projects)
    filler = BatchFiller(
        repos.batches,
        repos.jobs,
        repos.projects,
        clips=clips,
        factory=factory,
        queue=queue.manager,
        limits=queue.limits,
        clock=utc_now,
    )
    batches = BatchGenerator(
        repos.batches,
        repos.jobs,
        clips=clips,
        filler=filler,
        factory=factory,
        limits=queue.limits,
        clock=utc_now,
    )
    return filler, batches

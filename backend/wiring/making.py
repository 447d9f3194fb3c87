"""What makes takes of clips, and hands the film over."""

from functools import cached_property

from backend.services.batch_generator import BatchGenerator
from backend.services.export_service import ExportService
from backend.services.exports.film import FilmLoader
from backend.services.exports.film_timelines import FilmTimelines
from backend.services.exports.timing_service import TimingService
from backend.services.film.project_import import ProjectImporter
from backend.services.generation.awaited_jobs import AwaitedJobs
from backend.services.generation.batch_filler import BatchClips, BatchFiller
from backend.services.generation.character_pictures import CharacterPictures
from backend.services.generation.eligibility import EligibilityChecker
from backend.services.generation.job_factory import JobFactory
from backend.services.generation.take_graphs import TakeGraphs
from backend.services.generation_service import GenerationService
from backend.utils.clock import utc_now
from backend.wiring.studio import StudioParts


class MakingParts(StudioParts):
    """Generation, batches, exports, and what comes back from editors."""

    @cached_property
    def generation(self) -> GenerationService:
        return GenerationService(
            self.repositories.clips,
            clip_creator=self.clip_creator,
            factory=self.job_factory,
            queue=self.queue,
            awaited=self.awaited_jobs,
        )

    @cached_property
    def job_factory(self) -> JobFactory:
        return JobFactory(
            contexts=self.render_contexts,
            provider=self.provider,
            eligibility=self.eligibility,
            max_retries=self._settings.queue_max_retries,
            clock=utc_now,
        )

    @cached_property
    def awaited_jobs(self) -> AwaitedJobs:
        return AwaitedJobs(
            self.queue,
            self.galleries,
            eligibility=self.eligibility,
            wait_seconds=self._settings.generate_wait_seconds,
        )

    @cached_property
    def eligibility(self) -> EligibilityChecker:
        repos = self.repositories
        return EligibilityChecker(repos.servers, repos.workers, fleet=self.fleet, clock=utc_now)

    @cached_property
    def take_graphs(self) -> TakeGraphs:
        return TakeGraphs(
            self.repositories.clips,
            self.repositories.graphs,
            factory=self.job_factory,
            awaited=self.awaited_jobs,
        )

    @cached_property
    def character_pictures(self) -> CharacterPictures:
        return CharacterPictures(
            self.repositories.characters,
            self.galleries,
            factory=self.job_factory,
            awaited=self.awaited_jobs,
            graphs=self.take_graphs,
        )

    @cached_property
    def batches(self) -> BatchGenerator:
        repos = self.repositories
        return BatchGenerator(
            repos.batches,
            repos.jobs,
            clips=self._batch_clips,
            filler=self.batch_filler,
            factory=self.job_factory,
            limits=self.queue_limits,
            clock=utc_now,
        )

    @cached_property
    def batch_filler(self) -> BatchFiller:
        repos = self.repositories
        return BatchFiller(
            repos.batches,
            repos.jobs,
            repos.projects,
            clips=self._batch_clips,
            factory=self.job_factory,
            queue=self.queue,
            limits=self.queue_limits,
            clock=utc_now,
        )

    @cached_property
    def _batch_clips(self) -> BatchClips:
        return BatchClips(self.repositories.clips, self.repositories.projects)

    @cached_property
    def exports(self) -> ExportService:
        return ExportService(self.film_timelines)

    @cached_property
    def timing(self) -> TimingService:
        return TimingService(
            self.film_timelines,
            self.repositories.clips,
            timeline=self.timeline,
            clock=utc_now,
        )

    @cached_property
    def importer(self) -> ProjectImporter:
        return ProjectImporter(self.repositories, self.media_files, clock=utc_now)

    @cached_property
    def film_timelines(self) -> FilmTimelines:
        repos = self.repositories
        films = FilmLoader(repos.projects, repos.scenes, repos.clips, repos.characters)
        return FilmTimelines(films, self._settings.upload_dir)

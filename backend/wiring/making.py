"""What makes takes of clips, and hands the film over."""

from functools import cached_property

from backend.services.batch_service import BatchService
from backend.services.export_service import ExportService
from backend.services.film import FilmLoader
from backend.services.generation_service import GenerationService
from backend.utils.clock import utc_now
from backend.wiring.studio import StudioParts


class MakingParts(StudioParts):
    """Generation, batches and exports."""

    @cached_property
    def generation(self) -> GenerationService:
        return GenerationService(
            self.repositories.clips,
            self.repositories.servers,
            intake=self.clip_intake,
            contexts=self.render_contexts,
            provider=self.provider,
            queue=self.queue,
            fleet=self.fleet,
            wait_seconds=self._settings.generate_wait_seconds,
            max_retries=self._settings.queue_max_retries,
            clock=utc_now,
        )

    @cached_property
    def batches(self) -> BatchService:
        repos = self.repositories
        return BatchService(
            repos.batches,
            repos.clips,
            repos.jobs,
            generation=self.generation,
            queue=self.queue,
            clock=utc_now,
        )

    @cached_property
    def exports(self) -> ExportService:
        repos = self.repositories
        films = FilmLoader(repos.projects, repos.scenes, repos.clips, repos.characters)
        return ExportService(films, self._settings.upload_dir)

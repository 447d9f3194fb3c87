"""What people plan a film with."""

from functools import cached_property
from typing import Any

from backend.services.events.webhook_service import WebhookService
from backend.services.film.alternates_service import AlternatesService
from backend.services.film.character_cascade import CharacterCascade
from backend.services.film.character_service import CharacterService
from backend.services.film.clip_creation import ClipCreator
from backend.services.film.clip_service import ClipService
from backend.services.film.clip_timeline import ClipTimeline
from backend.services.film.pool_service import PoolService
from backend.services.film.scene_service import SceneService
from backend.services.film.scene_spans import SceneSpans
from backend.services.film.story_reader import StoryReader
from backend.services.film.template_service import TemplateService
from backend.services.film.timeline_analysis import TimelineAnalyzer
from backend.services.film.workflow_service import WorkflowService
from backend.services.generation.render_context import RenderContextLoader
from backend.services.media_service import MediaService
from backend.services.project_service import ProjectService
from backend.utils.clock import utc_now
from backend.wiring.queue import QueueParts

_MEGABYTE = 1_048_576


class StudioParts(QueueParts):
    """Projects, scenes, clips, characters, templates, alternates and the pool."""

    @cached_property
    def projects(self) -> ProjectService:
        repos = self.repositories
        return ProjectService(
            repos.projects,
            repos.scenes,
            repos.clips,
            characters=self.characters,
            workflows=repos.workflows,
            pool=repos.pool,
            webhooks=self.webhooks,
            graphs=repos.graphs,
            **self._shared,
        )

    @cached_property
    def scenes(self) -> SceneService:
        repos = self.repositories
        return SceneService(
            repos.projects, repos.scenes, repos.clips, timeline=self.timeline, **self._shared
        )

    @cached_property
    def clips(self) -> ClipService:
        repos = self.repositories
        return ClipService(repos.scenes, repos.clips, timeline=self.timeline, **self._shared)

    @cached_property
    def clip_creator(self) -> ClipCreator:
        repos = self.repositories
        return ClipCreator(repos.scenes, repos.clips, timeline=self.timeline, clock=utc_now)

    @cached_property
    def timeline(self) -> ClipTimeline:
        repos = self.repositories
        return ClipTimeline(
            repos.projects, repos.scenes, repos.clips, spans=self.scene_spans, clock=utc_now
        )

    @cached_property
    def scene_spans(self) -> SceneSpans:
        return SceneSpans(self.repositories.clips)

    @cached_property
    def story(self) -> StoryReader:
        repos = self.repositories
        return StoryReader(repos.projects, repos.scenes, repos.clips)

    @cached_property
    def timeline_analyst(self) -> TimelineAnalyzer:
        return TimelineAnalyzer(self.repositories.scenes, self.scene_spans)

    @cached_property
    def characters(self) -> CharacterService:
        repos = self.repositories
        belongings = CharacterCascade(
            repos.character_takes, repos.graphs, jobs=self.queue, media=self.media_files
        )
        return CharacterService(
            repos.characters, repos.projects, repos.clips, belongings=belongings, clock=utc_now
        )

    @cached_property
    def templates(self) -> TemplateService:
        return TemplateService(self.repositories.templates, clock=utc_now)

    @cached_property
    def workflows(self) -> WorkflowService:
        return WorkflowService(
            self.repositories.workflows, self.repositories.projects, clock=utc_now
        )

    @cached_property
    def render_contexts(self) -> RenderContextLoader:
        repos = self.repositories
        return RenderContextLoader(repos.characters, repos.templates, repos.workflows)

    @cached_property
    def alternates(self) -> AlternatesService:
        repos = self.repositories
        return AlternatesService(
            repos.projects,
            repos.scenes,
            repos.clips,
            timeline=self.timeline,
            media=self.media_files,
            clock=utc_now,
        )

    @cached_property
    def pool(self) -> PoolService:
        repos = self.repositories
        return PoolService(
            repos.projects, repos.clips, repos.pool, media=self.media_files, clock=utc_now
        )

    @cached_property
    def webhooks(self) -> WebhookService:
        repos = self.repositories
        return WebhookService(
            repos.projects,
            repos.webhooks,
            deliveries=repos.deliveries,
            log=repos.events,
            dispatcher=self.webhook_dispatcher,
            private_hosts=self._settings.webhook_private_hosts,
            clock=utc_now,
        )

    @cached_property
    def media(self) -> MediaService:
        return MediaService(
            self.repositories.projects,
            self.media_files,
            max_music_bytes=self._settings.max_music_size_mb * _MEGABYTE,
            max_image_bytes=self._settings.max_image_size_mb * _MEGABYTE,
            clock=utc_now,
        )

    @property
    def _shared(self) -> dict[str, Any]:
        return {"jobs": self.queue, "media": self.media_files, "clock": utc_now}

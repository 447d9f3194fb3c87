"""What people plan a film with."""

from dataclasses import dataclass

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
from backend.services.media_service import MediaService
from backend.services.project_service import ProjectService
from backend.services.queue_manager import QueueManager
from backend.utils.clock import utc_now
from backend.wiring.events import EventParts
from backend.wiring.foundation import MEGABYTE, Foundation


@dataclass(frozen=True)
class FilmParts:
    projects: ProjectService
    scenes: SceneService
    clips: ClipService
    clip_creator: ClipCreator
    timeline: ClipTimeline
    timeline_analyst: TimelineAnalyzer
    story: StoryReader
    characters: CharacterService
    templates: TemplateService
    workflows: WorkflowService
    alternates: AlternatesService
    pool: PoolService
    media: MediaService


def build_film(base: Foundation, queue: QueueManager, events: EventParts) -> FilmParts:
    repos, files = base.repositories, base.media_files
    spans = SceneSpans(repos.clips)
    timeline = ClipTimeline(repos.projects, repos.scenes, repos.clips, spans=spans, clock=utc_now)
    story = (repos.projects, repos.scenes, repos.clips)
    characters = _characters(base, queue)
    return FilmParts(
        projects=ProjectService(
            *story,
            characters=characters,
            workflows=repos.workflows,
            pool=repos.pool,
            webhooks=events.webhooks,
            graphs=repos.graphs,
            jobs=queue,
            media=files,
            clock=utc_now,
        ),
        scenes=SceneService(*story, timeline=timeline, jobs=queue, media=files, clock=utc_now),
        clips=ClipService(
            repos.scenes, repos.clips, timeline=timeline, jobs=queue, media=files, clock=utc_now
        ),
        clip_creator=ClipCreator(repos.scenes, repos.clips, timeline=timeline, clock=utc_now),
        timeline=timeline,
        timeline_analyst=TimelineAnalyzer(repos.scenes, spans),
        story=StoryReader(*story),
        characters=characters,
        templates=TemplateService(repos.templates, clock=utc_now),
        workflows=WorkflowService(repos.workflows, repos.projects, clock=utc_now),
        alternates=AlternatesService(*story, timeline=timeline, media=files, clock=utc_now),
        pool=PoolService(repos.projects, repos.clips, repos.pool, media=files, clock=utc_now),
        media=_media(base),
    )


def _characters(base: Foundation, queue: QueueManager) -> CharacterService:
    repos = base.repositories
    belongings = CharacterCascade(
        repos.character_takes, repos.graphs, jobs=queue, media=base.media_files
    )
    return CharacterService(
        repos.characters, repos.projects, repos.clips, belongings=belongings, clock=utc_now
    )


def _media(base: Foundation) -> MediaService:
    return MediaService(
        base.repositories.projects,
        base.media_files,
        max_music_bytes=base.settings.max_music_size_mb * MEGABYTE,
        max_image_bytes=base.settings.max_image_size_mb * MEGABYTE,
        clock=utc_now,
    )

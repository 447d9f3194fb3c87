"""Services of several backend processes on one database, to play them against each other."""

from pathlib import Path
from typing import Any, NamedTuple

from mongomock_motor import AsyncMongoMockClient

from backend.dtos.scene_dto import SceneCreateDTO
from backend.models.project import Project
from backend.repositories.registry import Repositories, repositories_on
from backend.services.film.alternates_service import AlternatesService
from backend.services.film.clip_creation import ClipCreator
from backend.services.film.clip_service import ClipService
from backend.services.film.clip_timeline import ClipTimeline
from backend.services.film.scene_service import SceneService
from backend.services.film.scene_spans import SceneSpans
from backend.services.film.story_reader import StoryReader
from backend.services.film.timeline_analysis import TimelineAnalyzer
from backend.services.media.media_files import MediaFiles
from backend.utils.clock import utc_now


class NoJobs:
    """A queue that has nothing to cancel."""

    async def cancel_for(self, field: str, value: str, *, project_id: str) -> int:
        return 0


class Process(NamedTuple):
    """The film services of one backend process, with locks and caches of its own."""

    repos: Repositories
    scenes: SceneService
    clips: ClipService
    intake: ClipCreator
    alternates: AlternatesService
    analyst: TimelineAnalyzer
    story: StoryReader


def process_on(database: Any, folder: Path) -> Process:
    repos = repositories_on(database, lambda: None)
    media = MediaFiles(folder)
    shared: dict[str, Any] = {"jobs": NoJobs(), "media": media, "clock": utc_now}
    trio = (repos.projects, repos.scenes, repos.clips)
    spans = SceneSpans(repos.clips)
    timeline = ClipTimeline(*trio, spans=spans, clock=utc_now)
    return Process(
        repos,
        SceneService(*trio, timeline=timeline, **shared),
        ClipService(repos.scenes, repos.clips, timeline=timeline, **shared),
        ClipCreator(repos.scenes, repos.clips, timeline=timeline, clock=utc_now),
        AlternatesService(*trio, timeline=timeline, media=media, clock=utc_now),
        TimelineAnalyzer(repos.scenes, spans),
        StoryReader(*trio),
    )


async def two_processes(folder: Path, database: Any = None) -> tuple[list[Process], str]:
    """Two processes on one database, in memory unless one is given, and the id of a scene."""
    if database is None:
        database = AsyncMongoMockClient(tz_aware=True)["film"]
    processes = [process_on(database, folder) for _ in range(2)]
    now = utc_now()
    await processes[0].repos.projects.add(
        Project(id="p", name="Film", created_at=now, updated_at=now)
    )
    scene = await processes[0].scenes.create(SceneCreateDTO(project_id="p", name="Scene"))
    return processes, scene.id

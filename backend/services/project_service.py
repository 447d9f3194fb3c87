"""Projects: create, read, change, and delete with everything in them."""

from typing import Any, Protocol

from backend.dtos.project_dto import ProjectCreateDTO, ProjectUpdateDTO
from backend.models.exports.frame_rate import DROP_FRAME_FPS
from backend.models.project import Project
from backend.repositories.clip_repository import ClipRepository
from backend.repositories.pool_repository import PoolRepository
from backend.repositories.project_repository import ProjectRepository
from backend.repositories.scene_repository import SceneRepository
from backend.repositories.workflow_repository import WorkflowRepository
from backend.services.film.cascade import JobCanceller
from backend.services.media.media_files import MediaFiles, project_folder
from backend.utils.clock import Clock
from backend.utils.errors import UnprocessableError
from backend.utils.ids import new_id


class ProjectCascade(Protocol):
    """What goes with a project."""

    async def delete_for_project(self, project_id: str) -> int: ...


class ProjectService:
    def __init__(  # noqa: PLR0913 - a cascade touches what it deletes
        self,
        projects: ProjectRepository,
        scenes: SceneRepository,
        clips: ClipRepository,
        *,
        characters: ProjectCascade,
        workflows: WorkflowRepository,
        pool: PoolRepository,
        webhooks: ProjectCascade,
        graphs: ProjectCascade,
        jobs: JobCanceller,
        media: MediaFiles,
        clock: Clock,
    ) -> None:
        self._projects = projects
        self._scenes = scenes
        self._clips = clips
        self._characters = characters
        self._workflows = workflows
        self._pool = pool
        self._webhooks = webhooks
        self._graphs = graphs
        self._jobs = jobs
        self._media = media
        self._clock = clock

    async def create(self, dto: ProjectCreateDTO) -> Project:
        now = self._clock()
        return await self._projects.add(
            Project(id=new_id(), created_at=now, updated_at=now, **dto.model_dump())
        )

    async def get(self, project_id: str) -> Project:
        return await self._projects.get(project_id)

    async def list_newest(self, search: str, *, skip: int, limit: int) -> tuple[list[Project], int]:
        return await self._projects.list_newest(search=search.strip(), skip=skip, limit=limit)

    async def update(self, project_id: str, dto: ProjectUpdateDTO) -> Project:
        """Change what was sent; UnprocessableError when drop frame and rate do not go together."""
        project = await self._projects.get(project_id)
        changes = dto.changes()
        fps = changes.get("fps", project.fps)
        if changes.get("drop_frame", project.drop_frame) and fps not in DROP_FRAME_FPS:
            raise UnprocessableError(
                f"drop_frame needs fps 29.97 or 59.94, and this project has {fps:g}.",
                code="DROP_FRAME_RATE",
            )
        removes_music = _removes_music(project, changes)
        if removes_music:
            changes |= {"music_file_url": None, "music_duration": None}
        await self._projects.update(project_id, {**changes, "updated_at": self._clock()})
        if removes_music and project.music_file_path:
            await self._media.remove_file(project.music_file_path)
        return await self._projects.get(project_id)

    async def with_scenes(self, project_id: str) -> dict[str, object]:
        """The project's fields and `scenes` in order."""
        project = await self._projects.get(project_id)
        return {**dict(project), "scenes": await self._scenes.list_for_project(project_id)}

    async def delete(self, project_id: str) -> int:
        """Remove a project and all that is in it; the project itself goes last.

        A delete that was cut short can therefore be repeated. Gives the number of documents.
        """
        await self._projects.get(project_id)
        await self._jobs.cancel_for("project_id", project_id, project_id=project_id)
        # Scenes first: a clip that is being created now finds its scene gone and withdraws.
        removed = await self._scenes.delete_for_project(project_id)
        removed += await self._clips.delete_for_project(project_id)
        removed += await self._characters.delete_for_project(project_id)
        removed += await self._workflows.delete_for_project(project_id)
        removed += await self._pool.delete_for_project(project_id)
        removed += await self._webhooks.delete_for_project(project_id)
        await self._graphs.delete_for_project(project_id)
        await self._media.remove_folder(project_folder(project_id))
        await self._projects.delete(project_id)
        # What was being created or queued until now found the project still there.
        await self._jobs.cancel_for("project_id", project_id, project_id=project_id)
        removed += await self._characters.delete_for_project(project_id)
        await self._graphs.delete_for_project(project_id)
        removed += await self._workflows.delete_for_project(project_id)
        return removed + await self._pool.delete_for_project(project_id) + 1


def _removes_music(project: Project, changes: dict[str, Any]) -> bool:
    """Whether music goes. The path that is there may be sent back; another one is refused."""
    if "music_file_path" not in changes:
        return False
    path = changes["music_file_path"]
    if path is None:
        return True
    if path != project.music_file_path:
        raise UnprocessableError(
            "music_file_path can only be cleared; music comes by upload.", code="MUSIC_BY_UPLOAD"
        )
    return False

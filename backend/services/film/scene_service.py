"""Scenes of a project, in order."""

from typing import Any

from backend.dtos.scene_dto import LAST_ORDER, SceneCreateDTO, SceneUpdateDTO
from backend.models.scene import Scene
from backend.repositories.clip_repository import ClipRepository
from backend.repositories.project_repository import ProjectRepository
from backend.repositories.scene_repository import SceneRepository
from backend.services.film.cascade import JobCanceller
from backend.services.film.clip_timeline import ClipTimeline
from backend.services.media.media_files import MediaFiles, clip_folder
from backend.utils.clock import Clock
from backend.utils.errors import ConflictError, InvalidRequestError, ResourceNotFoundError
from backend.utils.ids import new_id


class SceneService:
    def __init__(  # noqa: PLR0913 - a cascade touches what it deletes
        self,
        projects: ProjectRepository,
        scenes: SceneRepository,
        clips: ClipRepository,
        *,
        timeline: ClipTimeline,
        jobs: JobCanceller,
        media: MediaFiles,
        clock: Clock,
    ) -> None:
        self._projects = projects
        self._scenes = scenes
        self._clips = clips
        self._timeline = timeline
        self._jobs = jobs
        self._media = media
        self._clock = clock

    async def create(self, dto: SceneCreateDTO) -> Scene:
        await self._projects.get(dto.project_id)
        if dto.parent_scene_id:
            await self._check_parent(dto.parent_scene_id, dto.project_id)
        fields = dto.changes()
        now = self._clock()
        # Two scenes that come at once must not both find the same last one.
        async with self._timeline.lock(dto.project_id):
            if "order" not in fields:
                fields["order"] = await self._next_order(dto.project_id)
            scene = Scene(id=new_id(), created_at=now, updated_at=now, **fields)
            await self._scenes.add(scene)
            if not await self._projects.adjust(dto.project_id, {"scene_count": 1}, now=now):
                await self._scenes.delete(scene.id)
                raise ResourceNotFoundError.of("project", dto.project_id)
        return scene

    async def get(self, scene_id: str) -> Scene:
        return await self._scenes.get(scene_id)

    async def page_for_project(
        self, project_id: str, *, skip: int, limit: int
    ) -> tuple[list[Scene], int]:
        """A page in story order, and how many there are; ResourceNotFoundError: no project."""
        scenes, total = await self._scenes.page_for_project(project_id, skip=skip, limit=limit)
        if not scenes:
            await self._projects.get(project_id)
        return scenes, total

    async def update(self, scene_id: str, dto: SceneUpdateDTO) -> Scene:
        scene = await self._scenes.get(scene_id)
        changes = dto.changes()
        _check_alternate(scene, changes)
        if changes.get("parent_scene_id"):
            await self._check_parent(changes["parent_scene_id"], scene.project_id, scene_id)
        now = self._clock()
        await self._scenes.update(scene_id, {**changes, "updated_at": now})
        await self._projects.adjust(scene.project_id, {}, now=now)
        return await self._scenes.get(scene_id)

    async def delete(self, scene_id: str) -> int:
        """Remove a scene with its clips; the scene goes last, so a cut-short delete repeats."""
        scene = await self._scenes.get(scene_id)
        await self._cancel_jobs(scene)
        # Nobody adds a clip meanwhile: it would stay behind without its scene.
        async with self._timeline.lock(scene_id):
            clip_ids = await self._clips.ids_for_scene(scene_id)
            removed = await self._clips.delete_for_scene(scene_id)
            await self._timeline.recount(scene_id)
            is_ours = await self._scenes.delete(scene_id)
            # Another process may have stored what it had counted in before.
            removed += await self._clips.delete_for_scene(scene_id)
            if is_ours and not scene.is_alternate:
                amounts = {"scene_count": -1}
                await self._projects.adjust(scene.project_id, amounts, now=self._clock())
        # What was being queued until now found its clip still there.
        await self._cancel_jobs(scene)
        for clip_id in clip_ids:
            await self._media.remove_folder(clip_folder(scene.project_id, clip_id))
        return removed + int(is_ours)

    async def _cancel_jobs(self, scene: Scene) -> None:
        await self._jobs.cancel_for("scene_id", scene.id, project_id=scene.project_id)

    async def _next_order(self, project_id: str) -> int:
        scenes = await self._scenes.list_for_project(project_id)
        return min(scenes[-1].order + 1, LAST_ORDER) if scenes else 0

    async def _check_parent(self, parent_id: str, project_id: str, child_id: str = "") -> None:
        """A parent is a scene of the same project that does not descend from the child."""
        parent: Scene | None = await self._scenes.get(parent_id)
        seen: set[str] = set()
        while parent is not None and parent.id not in seen:
            if parent.project_id != project_id:
                raise InvalidRequestError("The parent scene belongs to another project.")
            if parent.id == child_id:
                raise InvalidRequestError("A scene cannot be its own parent or ancestor.")
            seen.add(parent.id)
            above = parent.parent_scene_id
            parent = await self._scenes.find_by_id(above) if above else None


def _check_alternate(scene: Scene, changes: dict[str, Any]) -> None:
    """Its number counts among the alternates of its original: it can't go to another one."""
    if scene.is_alternate and changes.get("parent_scene_id", scene.parent_scene_id) != (
        scene.parent_scene_id
    ):
        raise ConflictError("An alternate stays with its original.", code="IS_ALTERNATE")

"""Reads the clips of a batch: those of a big one by their project, which is quicker than by id."""

from collections import Counter
from collections.abc import Iterable, Sequence

from backend.models.clip import Clip
from backend.repositories.clip_repository import ClipRepository
from backend.repositories.project_repository import ProjectRepository

#: Clips read by id, which tell the projects of the others.
_SAMPLE = 32
#: So few are read by id at once.
_FEW = 200
#: A clip costs three times as much by its id as among all of its project (embedded database).
_WORTH = 3
#: Projects that are read as a whole for one batch.
_PROJECTS = 8


class BatchClips:
    def __init__(self, clips: ClipRepository, projects: ProjectRepository) -> None:
        self._clips = clips
        self._projects = projects

    async def read(self, clip_ids: Sequence[str]) -> dict[str, Clip]:
        """Those that exist, by id; of many without their takes."""
        if len(clip_ids) <= _FEW:
            return {clip.id: clip for clip in await self._clips.list_by_ids(clip_ids)}
        wanted = set(clip_ids)
        found = {clip.id: clip for clip in await self._clips.list_by_ids(clip_ids[:_SAMPLE])}
        for project_id in await self._worth_reading(found.values(), len(wanted)):
            clips = await self._clips.to_render_of_project(project_id)
            found |= {clip.id: clip for clip in clips if clip.id in wanted}
        rest = [clip_id for clip_id in clip_ids[_SAMPLE:] if clip_id not in found]
        return found | {clip.id: clip for clip in await self._clips.list_by_ids(rest)}

    async def gone(self, clips: Iterable[Clip]) -> set[str]:
        """The ids of those that were deleted since they were read."""
        read = {clip.id: clip for clip in clips}
        there: set[str] = set()
        if len(read) > _FEW:
            for project_id in await self._worth_reading(read.values(), len(read)):
                there |= await self._clips.ids_of_project(project_id)
        # Of a project that was not read as a whole, or that these clips left with it.
        return set(read) - there - await self._clips.existing(sorted(set(read) - there))

    async def _worth_reading(self, clips: Iterable[Clip], wanted: int) -> list[str]:
        """The projects of these clips that have not many more clips than are wanted."""
        most = Counter(clip.project_id for clip in clips).most_common(_PROJECTS)
        projects = [await self._projects.find_by_id(project_id) for project_id, _ in most]
        left = _WORTH * wanted
        worth: list[str] = []
        for project in projects:
            if project is not None and project.clip_count <= left:
                left -= project.clip_count
                worth.append(project.id)
        return worth

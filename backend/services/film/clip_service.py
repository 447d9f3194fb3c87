"""Clips: create, read, change, delete; their galleries and prompts."""

from typing import Any

from backend.dtos.clip_dto import ClipUpdateDTO, PromptsDTO
from backend.models.clip import Clip
from backend.repositories.clip_repository import ClipRepository
from backend.repositories.scene_repository import SceneRepository
from backend.services.film.cascade import JobCanceller
from backend.services.film.character_words import reassigned
from backend.services.film.clip_timeline import ClipTimeline, TimelineReport
from backend.services.media.media_files import MediaFiles, clip_folder
from backend.utils.clock import Clock
from backend.utils.errors import (
    ConflictError,
    InvalidRequestError,
    ResourceNotFoundError,
)

#: Changing one of these moves the end of the clip.
_ON_TIMELINE = {"length", "timeline_position"}
#: Each lost try means that somebody else changed the clip; nobody loses this often in earnest.
_TRIES = 200


class ClipService:
    def __init__(
        self,
        scenes: SceneRepository,
        clips: ClipRepository,
        *,
        timeline: ClipTimeline,
        jobs: JobCanceller,
        media: MediaFiles,
        clock: Clock,
    ) -> None:
        self._scenes = scenes
        self._clips = clips
        self._timeline = timeline
        self._jobs = jobs
        self._media = media
        self._clock = clock

    async def get(self, clip_id: str) -> Clip:
        return await self._clips.get(clip_id)

    async def page_for_scene(
        self, scene_id: str, *, skip: int, limit: int
    ) -> tuple[list[Clip], int]:
        """A page along the timeline, and how many there are; ResourceNotFoundError: no scene."""
        clips, total = await self._clips.page_for_scene(scene_id, skip=skip, limit=limit)
        if not clips:
            # Where there are clips there is a scene: looking would cost as much as a page.
            await self._scenes.get(scene_id)
        return clips, total

    async def update(self, clip_id: str, dto: ClipUpdateDTO) -> Clip:
        clip = await self._clips.get(clip_id)
        changes = dto.changes()
        _check_selection(clip, changes)
        async with self._timeline.lock(clip.scene_id):
            await self._write(clip, {**changes, "updated_at": self._clock()})
            if _ON_TIMELINE & changes.keys():
                await self._timeline.follow(clip.scene_id, clip_id)
            elif "name" in changes:
                await self._timeline.renamed(clip.scene_id, clip_id, changes["name"])
        return await self._clips.get(clip_id)

    async def _write(self, clip: Clip, changes: dict[str, Any]) -> None:
        """Set fields; when the character is among them, its words come and go as one write."""
        if "character_id" not in changes:
            await self._clips.update(clip.id, changes)
            return
        for _ in range(_TRIES):
            if await self._clips.update_as_read(clip, reassigned(clip, changes)):
                return
            clip = await self._clips.get(clip.id)
        raise ConflictError("The clip is being changed. Try again.", code="CLIP_BUSY")

    async def set_prompts(self, clip_id: str, dto: PromptsDTO) -> Clip:
        changes = {**dto.changes(), "updated_at": self._clock()}
        if not await self._clips.update(clip_id, changes):
            raise ResourceNotFoundError.of("clip", clip_id)
        return await self._clips.get(clip_id)

    async def move(self, clip_id: str, position: float, *, check_overlap: bool) -> TimelineReport:
        """Move along the timeline; TimelineOverlapError suggests a position that fits."""
        clip = await self._clips.get(clip_id)
        return await self._timeline.place(clip, position, check_overlap=check_overlap)

    async def delete(self, clip_id: str) -> int:
        clip = await self._clips.get(clip_id)
        await self._jobs.cancel_for("clip_id", clip_id, project_id=clip.project_id)
        # New clips are counted before they are stored: nobody may count in between.
        async with self._timeline.lock(clip.scene_id):
            removed = await self._clips.delete(clip_id)
            await self._timeline.follow(clip.scene_id, clip_id)
        # What was being queued until now found the clip still there.
        await self._jobs.cancel_for("clip_id", clip_id, project_id=clip.project_id)
        await self._media.remove_folder(clip_folder(clip.project_id, clip_id))
        return int(removed)


def _check_selection(clip: Clip, changes: dict[str, Any]) -> None:
    for field, takes in (
        ("selected_image_id", clip.generated_images),
        ("selected_video_id", clip.generated_videos),
    ):
        chosen = changes.get(field)
        if chosen is not None and all(take.id != chosen for take in takes):
            raise InvalidRequestError(
                f"{field} names no take in this clip's gallery.", code="TAKE_NOT_FOUND"
            )

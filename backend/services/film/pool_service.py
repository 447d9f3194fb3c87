"""A project's pool: takes worth keeping, whatever becomes of their clips."""

from pathlib import PurePosixPath
from typing import NamedTuple

from backend.dtos.pool_dto import PoolItemCreateDTO, PoolItemUpdateDTO
from backend.models.clip import Clip
from backend.models.content import ContentType, GeneratedContent
from backend.models.pool_item import PoolItem, PoolSource
from backend.repositories.clip_repository import ClipRepository
from backend.repositories.pool_repository import PoolRepository
from backend.repositories.project_repository import ProjectRepository
from backend.services.gallery_manager import GalleryManager
from backend.services.media.media_files import MediaFiles, clip_folder
from backend.services.media.pool_media import PoolMedia, take_of, upload_path
from backend.utils.clock import Clock
from backend.utils.errors import (
    InvalidRequestError,
    ResourceNotFoundError,
    UnprocessableError,
)
from backend.utils.ids import derived_id, new_id


class _Kept(NamedTuple):
    take: GeneratedContent
    name: str


class PoolService:
    def __init__(
        self,
        projects: ProjectRepository,
        clips: ClipRepository,
        pool: PoolRepository,
        *,
        galleries: GalleryManager,
        media: MediaFiles,
        clock: Clock,
    ) -> None:
        self._projects = projects
        self._clips = clips
        self._pool = pool
        self._galleries = galleries
        self._files = media
        self._media = PoolMedia(media)
        self._clock = clock

    async def create(self, dto: PoolItemCreateDTO) -> PoolItem:
        """Keep a copy of a take or of an uploaded file; nothing is left behind when that fails."""
        _check_source(dto)
        await self._projects.get(dto.project_id)
        item_id = new_id()
        stored = False
        try:
            kept = await self._keep(dto, item_id)
            _check_kind(dto, kept.take)
            item = await self._pool.add(self._item(dto, item_id, kept))
            await self._projects.get(dto.project_id)
            stored = True
        finally:
            if not stored:
                await self._pool.delete(item_id)
                await self._media.remove(dto.project_id, item_id)
        return item

    async def get(self, item_id: str) -> PoolItem:
        return await self._pool.get(item_id)

    async def page(
        self, project_id: str, kind: ContentType | None, *, skip: int, limit: int
    ) -> tuple[list[PoolItem], int]:
        await self._projects.get(project_id)
        return await self._pool.page_for_project(project_id, kind, skip=skip, limit=limit)

    async def update(self, item_id: str, dto: PoolItemUpdateDTO) -> PoolItem:
        changes = dto.changes()
        if changes:
            await self._pool.update(item_id, changes)
        return await self._pool.get(item_id)

    async def delete(self, item_id: str) -> int:
        """Remove an item and its file; clips that it was applied to keep theirs."""
        item = await self._pool.get(item_id)
        removed = await self._pool.delete(item_id)
        await self._media.remove(item.project_id, item_id)
        return int(removed)

    async def apply(self, item_id: str, clip_id: str) -> Clip:
        """Put a copy into the clip's gallery, once however often, and have the clip show it.

        InvalidRequestError for a clip of another project.
        """
        item = await self._pool.get(item_id)
        clip = await self._clips.get(clip_id)
        if clip.project_id != item.project_id:
            raise InvalidRequestError(
                "The clip belongs to another project than the pool item.", code="OTHER_PROJECT"
            )
        folder = clip_folder(clip.project_id, clip.id)
        content_id = derived_id("pool", item.id, clip.id)
        take = await self._media.to_clip(item.take, folder, content_id)
        now = self._clock()
        shown = take.model_copy(update={"created_at": now})
        if not await self._galleries.add_and_select(clip_id, shown):
            await self._files.remove_folder(folder)
            raise ResourceNotFoundError.of("clip", clip_id)
        return await self._clips.get(clip_id)

    async def _keep(self, dto: PoolItemCreateDTO, item_id: str) -> _Kept:
        if dto.source_clip_id is not None:
            clip = await self._clips.get(dto.source_clip_id)
            if clip.project_id != dto.project_id:
                raise InvalidRequestError(
                    "The clip belongs to another project.", code="OTHER_PROJECT"
                )
            take = take_of(
                clip, dto.content_type, content_id=dto.content_id, media_url=dto.media_url
            )
            return _Kept(await self._media.keep_take(take, dto.project_id, item_id), clip.name)
        url = dto.media_url or ""
        name = PurePosixPath(upload_path(url)).stem
        now = self._clock()
        return _Kept(
            await self._media.keep_upload(url, dto.project_id, item_id=item_id, now=now), name
        )

    def _item(self, dto: PoolItemCreateDTO, item_id: str, kept: _Kept) -> PoolItem:
        by_clip, by_path = PoolSource.CLIP_GENERATION, PoolSource.MANUAL_UPLOAD
        given = dto.changes()
        return PoolItem(
            id=item_id,
            project_id=dto.project_id,
            name=dto.name or kept.name,
            description=dto.description,
            content_type=kept.take.content_type,
            source_type=dto.source_type or (by_clip if dto.source_clip_id else by_path),
            source_clip_id=dto.source_clip_id,
            take=kept.take,
            generation_params=given.get("generation_params", kept.take.generation_params),
            tags=tuple(dto.tags),
            metadata=dto.metadata,
            created_at=self._clock(),
        )


def _check_source(dto: PoolItemCreateDTO) -> None:
    by_clip = dto.source_type is PoolSource.CLIP_GENERATION
    if dto.source_clip_id is None and (by_clip or not dto.media_url):
        raise UnprocessableError(
            "Name what to keep: source_clip_id, or media_url for an uploaded file.",
            code="MEDIA_NOT_NAMED",
        )


def _check_kind(dto: PoolItemCreateDTO, take: GeneratedContent) -> None:
    wanted = dto.changes().get("content_type", take.content_type)
    if wanted != take.content_type:
        raise InvalidRequestError(
            f"That is of type {take.content_type}, not {wanted}.", code="WRONG_CONTENT_TYPE"
        )

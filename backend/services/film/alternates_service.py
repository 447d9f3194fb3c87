"""Alternates: numbered copies of a clip or scene that lie outside the timeline's totals.

The parent of an alternate is always the original, never another alternate. Its files are its
own, so deleting either leaves the other whole: alternates outlive their original.
"""

import re
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Protocol, TypeVar

from backend.models.clip import Clip
from backend.models.scene import Scene
from backend.repositories.clip_repository import ClipRepository
from backend.repositories.project_repository import ProjectRepository
from backend.repositories.scene_repository import SceneRepository
from backend.services.film.clip_timeline import ClipTimeline
from backend.services.media.media_files import MediaFiles, clip_folder
from backend.services.media.take_copies import TakeCopier
from backend.utils.clock import Clock
from backend.utils.errors import ConflictError
from backend.utils.ids import derived_id, new_id

#: Somebody else may take a number first, but of all who try one wins each time.
_TRIES = 100
_LONGEST_NAME = 200
_NUMBERED = re.compile(r" \(alternate \d+\)$")

A = TypeVar("A", Clip, Scene)


class AlternateStore(Protocol[A]):
    """Where alternates are numbered: `add` raises ConflictError for a number that is taken."""

    async def last_alternate(self, parent_id: str) -> int: ...

    async def add(self, model: A) -> A: ...


def alternate_name(name: str, number: int) -> str:
    """Give `Wide (alternate 2)`, for an alternate's own name too, and never over 200 characters."""
    ending = f" (alternate {number})"
    return _NUMBERED.sub("", name)[: _LONGEST_NAME - len(ending)] + ending


async def add_numbered(store: AlternateStore[A], copy: A, parent_id: str) -> A:
    """Store a copy under the next number of its parent, which the database gives out only once."""
    for left in reversed(range(_TRIES)):
        number = await store.last_alternate(parent_id) + 1
        name = alternate_name(copy.name, number)
        try:
            return await store.add(
                copy.model_copy(update={"alternate_number": number, "name": name})
            )
        except ConflictError:
            if not left:
                raise
    raise AssertionError("unreachable")


class AlternatesService:
    def __init__(
        self,
        projects: ProjectRepository,
        scenes: SceneRepository,
        clips: ClipRepository,
        *,
        timeline: ClipTimeline,
        media: MediaFiles,
        clock: Clock,
    ) -> None:
        self._projects = projects
        self._scenes = scenes
        self._clips = clips
        self._timeline = timeline
        self._media = media
        self._copier = TakeCopier(media)
        self._clock = clock

    async def of_clip(self, clip_id: str) -> Clip:
        """Copy a clip beside itself; ResourceNotFoundError when its scene goes meanwhile."""
        source = await self._clips.get(clip_id)
        parent_id = _root(source.id, source.parent_clip_id, is_alternate=source.is_alternate)
        async with AsyncExitStack() as undo:
            copy = await self._copied(source, source.scene_id, undo)
            copy = copy.model_copy(update={"is_alternate": True, "parent_clip_id": parent_id})
            async with self._timeline.lock(source.scene_id):
                undo.push_async_callback(self._clips.delete, copy.id)
                added = await add_numbered(self._clips, copy, parent_id)
                # It may have been deleted with its clips since they were read.
                await self._scenes.get(source.scene_id)
                await self._timeline.touch(source.scene_id)
            undo.pop_all()
        await self._projects.adjust(source.project_id, {}, now=self._clock())
        return added

    async def of_scene(self, scene_id: str) -> Scene:
        """Copy a scene with its clips; ResourceNotFoundError when it goes meanwhile."""
        source = await self._scenes.get(scene_id)
        parent_id = _root(source.id, source.parent_scene_id, is_alternate=source.is_alternate)
        now = self._clock()
        copy = source.model_copy(
            update={"id": new_id(), "is_alternate": True, "parent_scene_id": parent_id}
            | {"created_at": now, "updated_at": now}
        )
        # Nobody deletes the copy before all of it is there.
        async with AsyncExitStack() as undo, self._timeline.lock(copy.id):
            clips = {
                clip.id: await self._copied(clip, copy.id, undo)
                for clip in await self._clips.list_for_scene(scene_id)
            }
            undo.push_async_callback(self._scenes.delete, copy.id)
            undo.push_async_callback(self._clips.delete_for_scene, copy.id)
            await add_numbered(self._scenes, copy, parent_id)
            await self._clips.add_many([_at_home(clip, clips) for clip in clips.values()])
            await self._timeline.recount(copy.id)
            # A project that is being deleted loses its scenes first.
            await self._scenes.get(scene_id)
            undo.pop_all()
        await self._projects.adjust(source.project_id, {}, now=self._clock())
        return await self._scenes.get(copy.id)

    async def _copied(self, clip: Clip, scene_id: str, undo: AsyncExitStack) -> Clip:
        """Give a copy that has files of its own and is not stored yet."""
        copy_id, now = new_id(), self._clock()
        folder = clip_folder(clip.project_id, copy_id)
        undo.push_async_callback(self._media.remove_folder, folder)
        copy = await self._copier.copy_gallery(clip, folder)
        return copy.model_copy(
            update={"id": copy_id, "scene_id": scene_id, "created_at": now, "updated_at": now}
        )


def _root(own_id: str, parent_id: str | None, *, is_alternate: bool) -> str:
    return parent_id if is_alternate and parent_id else own_id


def _at_home(copy: Clip, copies: Mapping[str, Clip]) -> Clip:
    """Make a copied alternate that of the copied original; one without stays with its siblings."""
    parent_id = copy.parent_clip_id
    if not copy.is_alternate or parent_id is None:
        return copy
    original = copies.get(parent_id)
    home = original.id if original else derived_id(copy.scene_id, parent_id)
    return copy.model_copy(update={"parent_clip_id": home})

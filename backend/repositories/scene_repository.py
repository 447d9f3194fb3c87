"""Scenes."""

from datetime import datetime
from typing import NamedTuple

from backend.models.scene import Scene
from backend.repositories.base_repository import BaseRepository
from backend.repositories.shared.by_age import OLDEST_FIRST
from backend.utils.index_spec import IndexSpec


class Totals(NamedTuple):
    """What a scene keeps of its clips, alternates left out; `duration` is seconds."""

    clip_count: int
    duration: float


class SceneState(NamedTuple):
    """What tells whether something worked out from a scene's clips still holds."""

    id: str
    revision: int
    clip_count: int


_STORY_ORDER = (("order", 1), *OLDEST_FIRST)


class SceneRepository(BaseRepository[Scene]):
    collection = "scenes"
    kind = "scene"
    model = Scene
    indexes = (
        IndexSpec(
            name="along_story",
            keys=(("project_id", 1), *_STORY_ORDER),
            replaces=("by_order",),
        ),
        IndexSpec(name="by_change", keys=(("updated_at", -1),)),
        IndexSpec(
            name="one_number_each",
            keys=(("parent_scene_id", 1), ("alternate_number", 1)),
            unique=True,
            partial={"is_alternate": True},
        ),
    )

    async def list_for_project(
        self, project_id: str, *, skip: int = 0, limit: int = 0
    ) -> list[Scene]:
        return await self._find(
            {"project_id": project_id}, sort=_STORY_ORDER, skip=skip, limit=limit
        )

    async def states_of_project(self, project_id: str) -> list[SceneState]:
        """All scenes of a project in order, without what people wrote about them."""
        fields = {"order": 1, "created_at": 1, "timeline_revision": 1, "clip_count": 1}
        found = await self._find_raw({"project_id": project_id}, fields=fields)
        found.sort(key=lambda each: (each["order"], each["created_at"], each["_id"]))
        return [
            SceneState(each["_id"], each.get("timeline_revision", 0), each["clip_count"])
            for each in found
        ]

    async def page_for_project(
        self, project_id: str, *, skip: int, limit: int
    ) -> tuple[list[Scene], int]:
        where = {"project_id": project_id}
        return await self._page(where, sort=_STORY_ORDER, skip=skip, limit=limit)

    async def changed_since(self, moment: datetime) -> list[Scene]:
        return await self._find({"updated_at": {"$gte": moment}})

    async def replace_totals(self, scene: Scene, totals: Totals, *, now: datetime) -> bool:
        """Write new totals over the ones in `scene`; False when its timeline changed since.

        Totals are written when clips change, so this raises the timeline's revision. Who lost
        reads the clips again: this is what orders changes of several processes.
        """
        revision = scene.timeline_revision
        expected = {
            "clip_count": scene.clip_count,
            "duration": scene.duration,
            # Scenes of the first versions have none.
            "timeline_revision": revision or {"$in": [0, None]},
        }
        return await self._update_one(
            {"_id": scene.id, **expected},
            {"$set": {**totals._asdict(), "updated_at": now}, **_NEXT_REVISION},
        )

    async def raise_revision(self, scene_id: str) -> bool:
        """Say that a clip changed in a way that the totals do not show."""
        return await self._update_one({"_id": scene_id}, _NEXT_REVISION)

    async def last_alternate(self, parent_id: str) -> int:
        """The highest number among the alternates of a scene, 0 when it has none."""
        return await self._highest(
            {"parent_scene_id": parent_id, "is_alternate": True}, "alternate_number"
        )

    async def delete_for_project(self, project_id: str) -> int:
        return await self._delete_where({"project_id": project_id})


_NEXT_REVISION = {"$inc": {"timeline_revision": 1}}

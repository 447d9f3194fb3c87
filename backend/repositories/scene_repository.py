"""Scenes."""

from datetime import datetime
from typing import NamedTuple

from backend.models.scene import Scene
from backend.repositories.base import BaseRepository
from backend.utils.index_spec import IndexSpec


class Totals(NamedTuple):
    """What a scene keeps of its clips, alternates left out; `duration` is seconds."""

    clip_count: int
    duration: float


class SceneRepository(BaseRepository[Scene]):
    collection = "scenes"
    kind = "scene"
    model = Scene
    indexes = (
        IndexSpec(name="by_order", keys=(("project_id", 1), ("order", 1))),
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

    async def page_for_project(
        self, project_id: str, *, skip: int, limit: int
    ) -> tuple[list[Scene], int]:
        where = {"project_id": project_id}
        return await self._page(where, sort=_STORY_ORDER, skip=skip, limit=limit)

    async def changed_since(self, moment: datetime) -> list[Scene]:
        return await self._find({"updated_at": {"$gte": moment}})

    async def replace_totals(self, scene: Scene, totals: Totals, *, now: datetime) -> bool:
        """Write new totals over the ones in `scene`; False when somebody changed them since."""
        expected = {"clip_count": scene.clip_count, "duration": scene.duration}
        return await self._update_one(
            {"_id": scene.id, **expected}, {"$set": {**totals._asdict(), "updated_at": now}}
        )

    async def last_alternate(self, parent_id: str) -> int:
        """The highest number among the alternates of a scene, 0 when it has none."""
        return await self._highest(
            {"parent_scene_id": parent_id, "is_alternate": True}, "alternate_number"
        )

    async def delete_for_project(self, project_id: str) -> int:
        return await self._delete_where({"project_id": project_id})


_STORY_ORDER = (("order", 1), ("created_at", 1), ("_id", 1))

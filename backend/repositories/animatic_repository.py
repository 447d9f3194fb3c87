"""Renderings of animatics that are not finished: few, and each gone when it is."""

from datetime import datetime

from backend.models.exports.animatic import AnimaticRender, AnimaticStatus
from backend.repositories.base_repository import BaseRepository
from backend.repositories.shared.by_age import OLDEST_FIRST
from backend.utils.errors import ConflictError
from backend.utils.index_spec import IndexSpec


class AnimaticRepository(BaseRepository[AnimaticRender]):
    collection = "animatics"
    kind = "animatic"
    model = AnimaticRender
    indexes = (
        IndexSpec((("project_id", 1),), name="by_project"),
        IndexSpec(
            name="by_status_oldest_first",
            keys=(("status", 1), *OLDEST_FIRST),
            replaces=("by_status",),
        ),
    )

    async def ask(self, render: AnimaticRender) -> AnimaticRender:
        """Add it, or give the one that is there."""
        try:
            return await self.add(render)
        except ConflictError:
            return await self.find_by_id(render.id) or render

    async def list_for_project(self, project_id: str) -> list[AnimaticRender]:
        return await self._find({"project_id": project_id})

    async def list_in(self, status: AnimaticStatus) -> list[AnimaticRender]:
        """The oldest first."""
        return await self._find({"status": status.value}, sort=OLDEST_FIRST)

    async def claim(self, seen: AnimaticRender, owner: str, now: datetime) -> bool:
        """Take one that stands as `seen`; False when somebody else was faster."""
        as_seen = {"status": seen.status.value, "owner": seen.owner, "updated_at": seen.updated_at}
        changes = {
            "status": AnimaticStatus.PROCESSING.value,
            "owner": owner,
            "progress": 0.0,
            "updated_at": now,
        }
        return await self._update_one({"_id": seen.id, **as_seen}, {"$set": changes})

    async def note(self, render_id: str, owner: str, progress: float, now: datetime) -> bool:
        """Tell how far it is; False when it was cancelled, or is another's by now."""
        changes = {"progress": progress, "updated_at": now}
        return await self._update_one({"_id": render_id, "owner": owner}, {"$set": changes})

    async def fail(self, render_id: str, owner: str, error: str, now: datetime) -> bool:
        changes = {"status": AnimaticStatus.FAILED.value, "error": error, "updated_at": now}
        return await self._update_one({"_id": render_id, "owner": owner}, {"$set": changes})

    async def try_again(self, seen: AnimaticRender, now: datetime) -> bool:
        """Have a failed one rendered once more."""
        changes = {
            "status": AnimaticStatus.PENDING.value,
            "owner": None,
            "error": None,
            "progress": 0.0,
            "updated_at": now,
        }
        as_seen = {"status": seen.status.value, "updated_at": seen.updated_at}
        return await self._update_one({"_id": seen.id, **as_seen}, {"$set": changes})

    async def give_back(self, render_id: str, owner: str, now: datetime) -> bool:
        """Let another process take it at once."""
        changes = {"status": AnimaticStatus.PENDING.value, "owner": None, "updated_at": now}
        return await self._update_one({"_id": render_id, "owner": owner}, {"$set": changes})

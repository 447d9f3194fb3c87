"""The dispatcher's lease: one document, changed only under the condition that it is as read."""

from backend.models.lease import Lease
from backend.repositories.base_repository import BaseRepository
from backend.utils.errors import ConflictError

DISPATCHER = "dispatcher"


class LeaseRepository(BaseRepository[Lease]):
    collection = "leases"
    kind = "lease"
    model = Lease

    async def read(self) -> Lease | None:
        return await self.find_by_id(DISPATCHER)

    async def take(self, seen: Lease | None, owner: str, place: str) -> Lease | None:
        """Take the lease that stands as `seen`; None when somebody else was faster."""
        fence = seen.fence + 1 if seen else 1
        taken = Lease(id=DISPATCHER, owner=owner, place=place, fence=fence)
        if seen is None:
            try:
                return await self.add(taken)
            except ConflictError:
                return None
        as_seen = {"owner": seen.owner, "fence": seen.fence, "beat": seen.beat}
        changes = taken.model_dump(exclude={"id"})
        return taken if await self._change(as_seen, {"$set": changes}) else None

    async def renew(self, held: Lease) -> Lease | None:
        """Let it beat; None when it is somebody else's by now."""
        is_ours = await self._change(_held_by(held), {"$inc": {"beat": 1}})
        return held if is_ours else None

    async def release(self, held: Lease) -> None:
        """Let the next one take it at once."""
        await self._change(_held_by(held), {"$set": {"released": True}})

    async def _change(self, guard: dict[str, object], change: dict[str, object]) -> bool:
        return await self._update_one({"_id": DISPATCHER, **guard}, change)


def _held_by(lease: Lease) -> dict[str, object]:
    return {"owner": lease.owner, "fence": lease.fence}

"""The log of events: chunks under a number without holes, the oldest cut off.

Who writes takes the number after the last one that it has seen; the unique index lets one win,
and the others look and try the next. So a chunk is there before the one after it can be, and a
reader that goes on from the last number it saw misses nothing, whoever wrote.
"""

from typing import Any

from backend.models.event import EventChunk
from backend.repositories.base_repository import BaseRepository, Document
from backend.utils.errors import ConflictError
from backend.utils.index_spec import IndexSpec


class EventRepository(BaseRepository[EventChunk]):
    """`counters` keeps `{_id: "events", value}`: a number that is not past the last one."""

    collection = "events"
    kind = "event"
    model = EventChunk
    indexes = (IndexSpec(name="unique_number", keys=(("number", 1),), unique=True),)

    def __init__(self, database: Any, gate: Any) -> None:
        super().__init__(database, gate)
        self._counters = database["counters"]

    def to_document(self, model: EventChunk) -> Document:
        """Leave out what is empty: most events have few ids."""
        events = [
            {name: value for name, value in event.model_dump().items() if value not in (None, {})}
            for event in model.events
        ]
        return {"_id": model.id, "number": model.number, "events": events}

    async def last_number(self, *, first: int) -> int:
        """The number of the newest chunk; a log that is not there yet begins behind `first`."""
        known = await self._known_number(first)
        found = await self._find_raw({"number": {"$gt": known}}, fields={"_id": 0, "number": 1})
        return max((int(document["number"]) for document in found), default=known)

    async def append(self, chunk: EventChunk) -> bool:
        """Put a chunk at its place; False when another one is there."""
        try:
            await self.add(chunk)
        except ConflictError:
            return False
        return True

    async def after(self, number: int, *, limit: int) -> list[EventChunk]:
        """Chunks behind a number, in order, as far as the next `limit` numbers go."""
        found = await self._find({"number": {"$gt": number, "$lte": number + limit}})
        return sorted(found, key=lambda chunk: chunk.number)

    async def first_after(self, number: int, *, window: int) -> int | None:
        """The number of the next chunk: nearly always the next number, unless some were cut off.

        All behind are looked at only when there is none in the next `window` numbers.
        """
        near = {"number": {"$gt": number, "$lte": number + window}}
        for where in (near, {"number": {"$gt": number + window}}):
            found = await self._find_raw(where, fields={"_id": 0, "number": 1})
            if found:
                return min(int(document["number"]) for document in found)
        return None

    async def trim(self, below: int) -> int:
        """Cut off what is older than a number; gives how many chunks went."""
        return await self._delete_where({"number": {"$lt": below}})

    async def remember(self, number: int) -> None:
        """Note a number that the log has reached, so that the next start need not search."""
        with self._guarded():
            await self._counters.update_one(
                {"_id": self.collection, "value": {"$lt": number}}, {"$set": {"value": number}}
            )

    async def _known_number(self, first: int) -> int:
        with self._guarded():
            counter = await self._counters.find_one({"_id": self.collection})
        if counter is not None:
            return int(counter["value"])
        try:
            with self._guarded():
                await self._counters.insert_one({"_id": self.collection, "value": first})
        except ConflictError:
            return await self._known_number(first)
        return first

"""Cancels the jobs of a part of a film that is deleted."""

from typing import Protocol


class JobCanceller(Protocol):
    """The part of the queue that a cascade needs."""

    async def cancel_for(self, field: str, value: str, *, project_id: str) -> int: ...

"""Who drives the ComfyUI servers: the one process that holds the lease.

The holder renews it every 3 s and stops by itself when it could not for 9 s. Somebody else takes
it once it has not beaten for 10 s, or at once when the holder let go of it or, on the same
machine, is gone. All waiting is by the monotonic clock, so no two machines' clocks are compared,
and a process that was stopped and wakes up knows that it is late.
"""

import asyncio
import logging
import os
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from backend.models.lease import Lease
from backend.repositories.lease_repository import LeaseRepository
from backend.utils.errors import DatabaseUnavailableError
from backend.utils.ids import random_id

logger = logging.getLogger(__name__)

Monotonic = Callable[[], float]


@dataclass(frozen=True)
class LeaseTiming:
    """Seconds. `trusted` must be less than `expires`: the old holder stops first."""

    renew: float = 3.0
    trusted: float = 9.0
    expires: float = 10.0
    look: float = 1.0


class Leadership:
    """Ask `holds()` before every step that only the driving process may take."""

    def __init__(
        self,
        leases: LeaseRepository,
        *,
        pace: LeaseTiming | None = None,
        monotonic: Monotonic = time.monotonic,
    ) -> None:
        self._leases = leases
        self._pace = pace or LeaseTiming()
        self._monotonic = monotonic
        self._owner = random_id()
        self._held: Lease | None = None
        self._renewed = 0.0
        self._seen: Lease | None = None
        self._seen_at = 0.0

    @property
    def fence(self) -> int:
        """The number that every write of this holder carries; 0 without the lease."""
        return self._held.fence if self._held else 0

    def holds(self) -> bool:
        """Whether this process may still act; True is good for a second at least."""
        return self._held is not None and self._age() < self._pace.trusted

    async def acquire(self) -> None:
        """Wait until the lease is ours."""
        while True:
            if await self._try():
                return
            await asyncio.sleep(self._pace.look)

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[asyncio.Event]:
        """Renew the lease as long as the block runs; the event is set once it is lost."""
        lost = asyncio.Event()
        keeper = asyncio.create_task(self._keep(lost), name="lease")
        try:
            yield lost
        finally:
            keeper.cancel()
            await asyncio.gather(keeper, return_exceptions=True)
            await self._let_go()

    async def _try(self) -> bool:
        with suppress(DatabaseUnavailableError):
            lease = await self._leases.read()
            if self._is_free(lease):
                started = self._monotonic()
                self._held = await self._leases.take(lease, self._owner, place_of_process())
                self._renewed = started
        if self._held is not None:
            logger.info("This process drives the servers now (fence %s).", self.fence)
        return self._held is not None

    def _is_free(self, lease: Lease | None) -> bool:
        if lease is None or lease.released or _is_gone(lease.place):
            return True
        if self._seen is None or (lease.fence, lease.beat) != (self._seen.fence, self._seen.beat):
            self._seen, self._seen_at = lease, self._monotonic()
        return self._monotonic() - self._seen_at >= self._pace.expires

    async def _keep(self, lost: asyncio.Event) -> None:
        while self.holds():
            await asyncio.sleep(min(self._pace.renew, max(0.0, self._pace.trusted - self._age())))
            await self._renew()
        self._held = None
        logger.warning("This process no longer drives the servers.")
        lost.set()

    async def _renew(self) -> None:
        started = self._monotonic()
        if self._held is not None and self.holds():
            with suppress(DatabaseUnavailableError):
                self._held = await self._leases.renew(self._held)
                self._renewed = started

    async def _let_go(self) -> None:
        held, self._held = self._held, None
        if held is not None:
            with suppress(DatabaseUnavailableError):
                await self._leases.release(held)

    def _age(self) -> float:
        return self._monotonic() - self._renewed


def place_of_process(pid: int | None = None) -> str:
    """Name this process so that others on the same machine can tell whether it lives."""
    space = Path("/proc/self/ns/pid")
    namespace = str(space.readlink()) if space.is_symlink() else ""
    return f"{socket.gethostname()} {namespace} {pid or os.getpid()}"


def _is_gone(place: str) -> bool:
    """Whether the process of that place surely ended; False wherever it cannot be known."""
    host, _, pid = place.rpartition(" ")
    ours = place_of_process().rpartition(" ")
    if os.name != "posix" or host != ours[0] or not pid.isdigit():
        return False
    if pid == ours[2]:
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False

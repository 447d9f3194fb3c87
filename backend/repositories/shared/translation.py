"""Where the driver's errors become ours. Nobody above the repositories names pymongo."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import pymongo
from pymongo.errors import (
    BulkWriteError,
    ConnectionFailure,
    DocumentTooLarge,
    DuplicateKeyError,
    InvalidOperation,
    OperationFailure,
    PyMongoError,
)

from backend.utils.errors import (
    ConflictError,
    DatabaseUnavailableError,
    PayloadTooLargeError,
    StorageFullError,
    StoryCanvasError,
)

#: How long one call may take, the wait for a thread or a connection included.
CALL_SECONDS: Final = 3.0

_DUPLICATE_KEY: Final = 11000
_DISK_FULL: Final = 14031
#: BSONObjectTooLarge, and the two codes of an update whose result would be too large.
_TOO_LARGE: Final = frozenset({10334, 17419, 17420})


@contextmanager
def translated(seconds: float = CALL_SECONDS) -> Iterator[None]:
    """Run database calls under one deadline, and raise their failures as errors of our tree.

    The deadline counts from here on, not from when one of Motor's threads is free: behind a
    database that hangs, the calls queued for a thread then end together, not one after another.
    Give more seconds for a call that moves many documents. Never `yield` inside the block.

    A task that is cancelled meanwhile ends with the block: PyMongo's own client waits with
    asyncio.wait_for, which before Python 3.12 swallows that when its work was just done.
    """
    before = _cancellations()
    try:
        with pymongo.timeout(seconds):
            yield
        if _cancellations() > before:
            raise asyncio.CancelledError
    except (PyMongoError, DocumentTooLarge) as error:
        ours = _ours(error)
        if ours is None:
            raise
        raise ours from error


def _cancellations() -> int:
    """How often the task that runs was cancelled, and did not say that it goes on."""
    try:
        task = asyncio.current_task()
    except RuntimeError:  # nothing runs that could be cancelled
        return 0
    return task.cancelling() if task else 0


def _ours(error: PyMongoError | DocumentTooLarge) -> StoryCanvasError | None:
    """Say what an error of the driver means to us; None: a fault of ours, let it rise."""
    if isinstance(error, DocumentTooLarge) or ({_code(error)} | _bulk_codes(error)) & _TOO_LARGE:
        return PayloadTooLargeError("This is more than one document of the database can hold.")
    if _is_unavailable(error):
        return DatabaseUnavailableError("The database is not reachable. Try again shortly.")
    if isinstance(error, DuplicateKeyError) or _bulk_codes(error) == {_DUPLICATE_KEY}:
        return ConflictError("Something with these values exists already.")
    if _code(error) == _DISK_FULL:
        return StorageFullError("The disk of the database is full.")
    return None


def _is_unavailable(error: PyMongoError) -> bool:
    """Lost, unreachable, too slow, or closed: ours at shutdown is an InvalidOperation."""
    if isinstance(error, ConnectionFailure) or error.timeout:
        return True
    return isinstance(error, InvalidOperation) and "close" in str(error)


def _code(error: PyMongoError) -> int | None:
    return error.code if isinstance(error, OperationFailure) else None


def _bulk_codes(error: PyMongoError) -> set[int]:
    if not isinstance(error, BulkWriteError):
        return set()
    return {fault["code"] for fault in (error.details or {}).get("writeErrors", ())}

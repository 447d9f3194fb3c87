"""What writers of large files share: a full disk is told as such, and no half file stays."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from backend.utils.errors import StorageFullError

_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def storage_errors() -> Iterator[None]:
    """Turn a full disk or quota into StorageFullError; other OSErrors pass."""
    try:
        yield
    except OSError as error:
        if error.errno in _DISK_FULL:
            raise StorageFullError("There is no room left to store the result.") from error
        raise


@contextmanager
def removed_on_failure(path: Path) -> Iterator[None]:
    done = False
    try:
        yield
        done = True
    finally:
        if not done:
            path.unlink(missing_ok=True)

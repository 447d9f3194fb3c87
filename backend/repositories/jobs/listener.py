"""Who follows what jobs do, within the process in which they do it."""

from collections.abc import Sequence
from typing import Protocol

from backend.models.job import Job, JobStatus


class JobListener(Protocol):
    """Called right after each change is stored. Nothing here may wait or fail."""

    def queued(self, jobs: Sequence[Job]) -> None: ...

    def changed(self, before: Job, after: Job) -> None: ...

    def removed(self, job: Job) -> None: ...

    def cleared(self, status: JobStatus) -> None:
        """Every job of a status was removed."""
        ...

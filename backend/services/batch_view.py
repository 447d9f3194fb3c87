"""A batch as clients read it, from its jobs as they stand. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from backend.models.batch import Batch, batch_fields
from backend.models.job import JobStatus
from backend.repositories.job_rows import JobRow
from backend.utils.ids import derived_id


def job_id_of(batch_id: str, clip_id: str) -> str:
    """The id of a clip's job in a batch, whoever stores it, and whenever."""
    return derived_id("batch job", batch_id, clip_id)


class BatchView:
    """Rows are asked for a piece at a time: ten thousand at once would hold everybody up."""

    def __init__(self, batch: Batch, rows: Iterable[JobRow]) -> None:
        self._batch = batch
        self._rows = {row.clip_id: row for row in rows}
        self._errors = {entry.clip_id: entry.error for entry in batch.rejected}

    def fields(self) -> dict[str, Any]:
        counts: Counter[JobStatus] = Counter(row.status for row in self._rows.values())
        return batch_fields(self._batch, counts)

    def results(self, clip_ids: Iterable[str]) -> list[dict[str, Any]]:
        return [self._result(clip_id) for clip_id in clip_ids]

    def _result(self, clip_id: str) -> dict[str, Any]:
        row = self._rows.get(clip_id)
        if row is not None:
            return _shown(row)
        if clip_id in self._errors:
            return _without_job(clip_id, JobStatus.FAILED, self._errors[clip_id])
        if not self._batch.queued:
            return _to_come(clip_id, job_id_of(self._batch.id, clip_id))
        return _without_job(clip_id, JobStatus.CANCELLED, "Its job was deleted.")


def _shown(row: JobRow) -> dict[str, Any]:
    result = {"content_id": row.content_id, "url": row.result_url} if row.content_id else None
    return {
        "clip_id": row.clip_id,
        "job_id": row.id,
        "status": row.status,
        "result": result,
        "error": row.error,
    }


def _to_come(clip_id: str, job_id: str) -> dict[str, Any]:
    """Its job is not stored yet; for everybody else it waits."""
    return {
        "clip_id": clip_id,
        "job_id": job_id,
        "status": JobStatus.PENDING,
        "result": None,
        "error": None,
    }


def _without_job(clip_id: str, status: JobStatus, error: str) -> dict[str, Any]:
    return {"clip_id": clip_id, "job_id": None, "status": status, "result": None, "error": error}


def job_ids(results: Iterable[Mapping[str, Any]]) -> list[str]:
    return [result["job_id"] for result in results if result["job_id"] is not None]

"""A batch as JSON."""

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import Response
from pydantic import TypeAdapter

from backend.api.streams.long_json import arrays, long_json, portions_of, whole
from backend.dtos.batch_dto import BatchRowDTO, BatchSummaryDTO

#: Rows written without letting others have a turn.
_ROWS = 500

_IDS = TypeAdapter(list[str])
_RESULTS = TypeAdapter(list[BatchRowDTO])


async def batch_json(shown: Mapping[str, Any], *, status: int = 200) -> Response:
    """Answer with a whole BatchResponseDTO."""
    head = BatchSummaryDTO.model_validate(shown).model_dump_json().encode()
    fields = arrays(
        portions_of(shown["job_ids"], _ids_json, size=_ROWS, opening=b'"job_ids":['),
        portions_of(shown["results"], _results_json, size=_ROWS, opening=b'"results":['),
    )
    return await whole(long_json(fields, head=head[:-1] + b",", tail=b"}"), status=status)


def _ids_json(ids: Sequence[str]) -> bytes:
    return _IDS.dump_json(list(ids))[1:-1]


def _results_json(results: Sequence[Mapping[str, Any]]) -> bytes:
    return _RESULTS.dump_json(_RESULTS.validate_python(results))[1:-1]

"""A batch as JSON."""

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import Response
from pydantic import TypeAdapter

from backend.api.streams.long_json import Array, arrays, long_json, whole
from backend.dtos.batch_dto import BatchRowDTO, BatchSummaryDTO

#: Rows written without letting others have a turn.
_ROWS = 500

_IDS = TypeAdapter(list[str])
_RESULTS = TypeAdapter(list[BatchRowDTO])


async def batch_json(shown: Mapping[str, Any], *, status: int = 200) -> Response:
    """Answer with a whole BatchResponseDTO."""
    head = BatchSummaryDTO.model_validate(shown).model_dump_json().encode()
    fields = arrays(
        Array("job_ids", shown["job_ids"], lambda ids: _IDS.dump_json(list(ids))[1:-1]),
        Array("results", shown["results"], _results_json),
        size=_ROWS,
    )
    return await whole(long_json(fields, head=head[:-1] + b",", tail=b"}"), status=status)


def _results_json(results: Sequence[Mapping[str, Any]]) -> bytes:
    return _RESULTS.dump_json(_RESULTS.validate_python(results))[1:-1]

"""A batch as JSON, written piece by piece: ten thousand rows at once would hold everybody up."""

import asyncio
from collections.abc import Mapping
from typing import Any

from fastapi import Response
from pydantic import TypeAdapter

from backend.dtos.batch_dto import BatchRowDTO, BatchSummaryDTO

#: Rows written without letting others have a turn.
_ROWS = 500

_IDS = TypeAdapter(list[str])
_RESULTS = TypeAdapter(list[BatchRowDTO])


async def batch_json(shown: Mapping[str, Any], *, status: int = 200) -> Response:
    """Answer with a whole BatchResponseDTO."""
    head = BatchSummaryDTO.model_validate(shown).model_dump_json().encode()
    rows: list[bytes] = []
    results = shown["results"]
    for first in range(0, len(results), _ROWS):
        piece = _RESULTS.validate_python(results[first : first + _ROWS])
        rows.append(_RESULTS.dump_json(piece)[1:-1])
        await asyncio.sleep(0)
    ids = _IDS.dump_json(shown["job_ids"])
    body = b'%s,"job_ids":%s,"results":[%s]}' % (head[:-1], ids, b",".join(rows))
    return Response(body, status_code=status, media_type="application/json")

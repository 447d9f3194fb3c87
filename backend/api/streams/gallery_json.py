"""A gallery with the graphs of its takes as JSON: a graph that takes share is written once."""

import asyncio
from collections.abc import Mapping, Sequence

import orjson
from fastapi import Response

from backend.dtos.clip_dto import GalleryDTO, GeneratedContentDTO
from backend.dtos.provenance_dto import TakeGraphDTO
from backend.models.provenance import GraphPlan

#: Takes written without letting others have a turn.
_TAKES = 50


async def gallery_json(gallery: GalleryDTO, graphs: Mapping[str, GraphPlan]) -> Response:
    """Answer with a whole GalleryWithGraphsDTO; `graphs` are by their hash."""
    texts = {each: _graph_json(plan) for each, plan in graphs.items()}
    images = await _takes_json(gallery.images, texts)
    videos = await _takes_json(gallery.videos, texts)
    selected = {"selected_image_id", "selected_video_id"}
    rest = gallery.model_dump_json(include=selected).encode()[1:]
    return Response(
        b'{"images":[%s],"videos":[%s],%s' % (images, videos, rest), media_type="application/json"
    )


async def _takes_json(takes: Sequence[GeneratedContentDTO], graphs: Mapping[str, bytes]) -> bytes:
    pieces: list[bytes] = []
    for number, take in enumerate(takes):
        if number % _TAKES == 0:
            await asyncio.sleep(0)
        graph = graphs.get(take.provenance.graph_hash) if take.provenance else None
        pieces.append(b"%s,%s" % (take.model_dump_json().encode()[:-1], graph or _NO_GRAPH))
    return b",".join(pieces)


def _graph_json(plan: GraphPlan) -> bytes:
    told = {"workflow": plan.graph, "workflow_pictures": plan.pictures}
    return TakeGraphDTO.model_validate(told).model_dump_json().encode()[1:]


_NO_GRAPH = orjson.dumps({"workflow": None, "workflow_pictures": []})[1:]

"""A gallery with the graphs of its takes as JSON: a graph that takes share is written once."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

import orjson
from fastapi import Query, Response

from backend.api.streams.long_json import arrays, long_json, portions_of, whole
from backend.dtos.clip_dto import GalleryDTO, GeneratedContentDTO
from backend.dtos.provenance_dto import TakeGraphDTO
from backend.models.provenance import GraphPlan

WithGraphs = Annotated[
    Literal["workflow"] | None,
    Query(description="workflow: the graph of each take comes along."),
]

#: Takes written without letting others have a turn.
_TAKES = 50


async def gallery_json(gallery: GalleryDTO, graphs: Mapping[str, GraphPlan]) -> Response:
    """Answer with a whole GalleryWithGraphsDTO; `graphs` are by their hash."""
    texts = {each: _graph_json(plan) for each, plan in graphs.items()}

    def takes_json(takes: Sequence[GeneratedContentDTO]) -> bytes:
        return b",".join(_take_json(take, texts) for take in takes)

    fields = arrays(
        portions_of(gallery.images, takes_json, size=_TAKES, opening=b'"images":['),
        portions_of(gallery.videos, takes_json, size=_TAKES, opening=b'"videos":['),
    )
    selected = gallery.model_dump_json(include={"selected_image_id", "selected_video_id"})
    return await whole(long_json(fields, head=b"{", tail=b"," + selected.encode()[1:]))


def _take_json(take: GeneratedContentDTO, graphs: Mapping[str, bytes]) -> bytes:
    graph = graphs.get(take.provenance.graph_hash) if take.provenance else None
    return b"%s,%s" % (take.model_dump_json().encode()[:-1], graph or _NO_GRAPH)


def _graph_json(plan: GraphPlan) -> bytes:
    told = {"workflow": plan.graph, "workflow_pictures": plan.pictures}
    return TakeGraphDTO.model_validate(told).model_dump_json().encode()[1:]


_NO_GRAPH = orjson.dumps({"workflow": None, "workflow_pictures": []})[1:]

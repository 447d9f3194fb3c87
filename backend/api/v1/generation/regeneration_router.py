"""Takes made once more (1), beyond the 65."""

from fastapi import Response

from backend.api.http.generated import WAITED, generated
from backend.api.http.versioned_router import versioned_router
from backend.api.v1.dependencies import Id, Prefer, TakeGraphsDep
from backend.dtos.generation_dto import GeneratedDTO, GenerationQueuedDTO
from backend.dtos.provenance_dto import RegenerateDTO

router = versioned_router("/clips", tags=["Generation"])


@router.post(
    "/{clip_id}/gallery/{content_id}/regenerate",
    response_model=GeneratedDTO | GenerationQueuedDTO,
    summary="Render the graph of a take once more, and wait for it",
    responses={
        **WAITED,
        404: {"description": "No such clip, take or server."},
        409: {
            "description": "NO_GRAPH: nobody knows the graph of this take. Or the job was"
            " cancelled, or its take removed, meanwhile."
        },
        502: {"description": "The server could not make it."},
        503: {"description": "The server or the database is away."},
        504: {"description": "The server took too long."},
    },
)
async def regenerate_take(
    clip_id: Id,
    content_id: Id,
    graphs: TakeGraphsDep,
    response: Response,
    body: RegenerateDTO | None = None,
    prefer: Prefer = None,
) -> dict[str, object]:
    """Whatever became of the clip's prompts: the new take has the same `graph_hash`.

    It waits and answers like `POST /generate`. 422 MODEL_UNAVAILABLE tells what each server lacks:
    nodes and files must be there under these very names.
    """
    result = await graphs.regenerate(
        clip_id,
        content_id,
        server_id=body.server_id if body else None,
        wait="respond-async" not in (prefer or ""),
    )
    return generated(result, response)

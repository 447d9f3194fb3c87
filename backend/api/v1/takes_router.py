"""Takes: choose what a clip shows, render one once more, and make and read those of characters."""

from typing import Annotated

from fastapi import Query, Response
from fastapi.exceptions import RequestValidationError

from backend.api.http.generated import WAITED, generated, with_samples
from backend.api.http.versioned_router import versioned_router
from backend.api.streams.gallery_json import WithGraphs, gallery_json
from backend.api.v1.dependencies import (
    GalleryManagerDep,
    GenerationServiceDep,
    Id,
    Prefer,
)
from backend.api.v1.generation_router import generate
from backend.dtos.character_dto import (
    CharacterPictureDTO,
    PictureGeneratedDTO,
    PictureQueuedDTO,
)
from backend.dtos.clip_dto import ClipResponseDTO, GalleryDTO, GalleryWithGraphsDTO
from backend.dtos.generation_dto import GeneratedDTO, GenerationQueuedDTO
from backend.dtos.provenance_dto import RegenerateDTO
from backend.models.clip import Clip
from backend.models.content import ContentType

router = versioned_router()

TakeId = Annotated[str | None, Query(min_length=1, max_length=100, description="The id of a take.")]
# A web client that is about writes the version twice where it asks the video provider.
router.add_api_route("/v1/generate", generate, methods=["POST"], include_in_schema=False)


@router.put(
    "/clips/{clip_id}/select-content",
    response_model=ClipResponseDTO,
    tags=["Takes"],
    summary="Choose the image or video that a clip shows; gives the clip",
    responses={
        400: {"description": "The take is of the other kind."},
        404: {"description": "No such clip, or no such take in its gallery."},
    },
)
async def select_content(
    clip_id: Id,
    galleries: GalleryManagerDep,
    content_id: TakeId = None,
    content_type: Annotated[
        ContentType | None, Query(description="Which gallery it is in; goes with `content_id`.")
    ] = None,
    image_id: TakeId = None,
    video_id: TakeId = None,
) -> Clip:
    """Exports and the pool use what is selected.

    Name the take by `content_id` and `content_type`, or by `image_id`, `video_id` or both.
    """
    named = {ContentType.IMAGE: image_id, ContentType.VIDEO: video_id}
    if content_type is not None:
        named[content_type] = content_id
    wanted = [(take_id, kind) for kind, take_id in named.items() if take_id is not None]
    if not wanted or (content_type is None) is not (content_id is None):
        words = "name a take: content_id with its content_type, or image_id, or video_id"
        fault = {"type": "missing", "loc": ("query", "content_id"), "msg": words, "input": None}
        raise RequestValidationError([fault])
    chosen = [await galleries.select(clip_id, take_id, kind) for take_id, kind in wanted]
    return chosen[-1]


@router.post(
    "/clips/{clip_id}/gallery/{content_id}/regenerate",
    response_model=GeneratedDTO | GenerationQueuedDTO,
    tags=["Takes"],
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
    generation: GenerationServiceDep,
    response: Response,
    body: RegenerateDTO | None = None,
    prefer: Prefer = None,
) -> dict[str, object]:
    """Whatever became of the clip's prompts: the new take has the same `graph_hash`.

    It waits and answers like `POST /generate`. 422 MODEL_UNAVAILABLE tells what each server lacks:
    nodes and files must be there under these very names.
    """
    result = await generation.regenerate(
        clip_id,
        content_id,
        server_id=body.server_id if body else None,
        wait="respond-async" not in (prefer or ""),
    )
    return generated(result, response)


@router.post(
    "/characters/{character_id}/generate",
    response_model=PictureGeneratedDTO | PictureQueuedDTO,
    tags=["Characters"],
    summary="Generate a picture of a character and wait for it",
    responses={
        **WAITED,
        404: {"description": "No such character, server, template or workflow."},
        409: {"description": "The job was cancelled, or its take removed, meanwhile."},
        502: {"description": "The server could not make it."},
        503: {"description": "The server or the database is away."},
        504: {"description": "The server took too long."},
    },
)
async def generate_character_picture(
    character_id: Id,
    generation: GenerationServiceDep,
    response: Response,
    body: CharacterPictureDTO | None = None,
    prefer: Prefer = None,
) -> dict[str, object]:
    """It waits and answers like `POST /generate`; the take goes into the character's gallery.

    The character brings what it brings to its clips: words, LoRA, parameters, and its reference
    for models that look at one. If the model that is named does not, `input_reference_url` is
    among the job's `ignored_params`. `face_image` and `reference_images` stay as they are: set
    one of them to the take's `url` to use it from now on.

    422 PROMPT_MISSING: there is no prompt, and nothing is known of what it looks like.
    """
    order = body or CharacterPictureDTO()
    wait = "respond-async" not in (prefer or "")
    result = await generation.generate_picture(character_id, order, wait=wait)
    return with_samples(result, generated(result, response))


@router.get(
    "/characters/{character_id}/gallery",
    response_model=GalleryDTO | GalleryWithGraphsDTO,
    tags=["Characters"],
    summary="Read a character's takes",
)
async def read_character_gallery(
    character_id: Id,
    galleries: GalleryManagerDep,
    include: WithGraphs = None,
) -> dict[str, object] | Response:
    """Selected is the take that is the character's reference: none until somebody makes it so."""
    takes = await galleries.of_character(character_id)
    gallery: dict[str, object] = {
        "images": [take for take in takes if take.content_type is ContentType.IMAGE],
        "videos": [take for take in takes if take.content_type is ContentType.VIDEO],
        "selected_image_id": next((take.id for take in takes if take.is_selected), None),
        "selected_video_id": None,
    }
    if include is None:
        return gallery
    graphs = await galleries.graphs_of(character_id, takes)
    return await gallery_json(GalleryDTO.model_validate(gallery), graphs)

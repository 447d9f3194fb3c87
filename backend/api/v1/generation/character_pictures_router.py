"""Pictures of characters (2), beyond the 65."""

from typing import Annotated, Literal

from fastapi import Query, Response

from backend.api.http.generated import WAITED, generated
from backend.api.http.versioned_router import versioned_router
from backend.api.streams.gallery_json import gallery_json
from backend.api.v1.dependencies import CharacterPicturesDep, Id, Prefer
from backend.dtos.character_dto import CharacterPictureDTO
from backend.dtos.clip_dto import GalleryDTO, GalleryWithGraphsDTO
from backend.dtos.generation_dto import GeneratedDTO, GenerationQueuedDTO
from backend.models.content import ContentType

router = versioned_router("/characters", tags=["Characters"])


@router.post(
    "/{character_id}/generate",
    response_model=GeneratedDTO | GenerationQueuedDTO,
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
    pictures: CharacterPicturesDep,
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
    return generated(await pictures.generate(character_id, order, wait=wait), response)


@router.get(
    "/{character_id}/gallery",
    response_model=GalleryDTO | GalleryWithGraphsDTO,
    summary="Read a character's takes",
)
async def read_character_gallery(
    character_id: Id,
    pictures: CharacterPicturesDep,
    include: Annotated[
        Literal["workflow"] | None,
        Query(description="workflow: the graph of each take comes along."),
    ] = None,
) -> dict[str, object] | Response:
    """Selected is the take that is the character's reference: none until somebody makes it so."""
    takes = await pictures.gallery(character_id)
    gallery: dict[str, object] = {
        "images": [take for take in takes if take.content_type is ContentType.IMAGE],
        "videos": [take for take in takes if take.content_type is ContentType.VIDEO],
        "selected_image_id": next((take.id for take in takes if take.is_selected), None),
        "selected_video_id": None,
    }
    if include is None:
        return gallery
    graphs = await pictures.graphs(character_id, takes)
    return await gallery_json(GalleryDTO.model_validate(gallery), graphs)

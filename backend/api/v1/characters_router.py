"""Characters: who should look the same in every clip."""

from typing import Annotated

from fastapi import Query, Response

from backend.api.http.versioned_router import versioned_router
from backend.api.v1.dependencies import CharacterServiceDep, Id, PageDep
from backend.dtos.character_dto import (
    CharacterCreateDTO,
    CharacterResponseDTO,
    CharacterUpdateDTO,
)
from backend.dtos.clip_dto import ClipResponseDTO
from backend.dtos.shared.common_dto import DeletedDTO, ErrorDTO
from backend.models.character import Character
from backend.models.clip import Clip

router = versioned_router("/characters", tags=["Characters"])


@router.post(
    "",
    response_model=CharacterResponseDTO,
    status_code=201,
    summary="Create a character of a project, or of all",
    responses={404: {"model": ErrorDTO, "description": "No such project."}},
)
async def create_character(body: CharacterCreateDTO, characters: CharacterServiceDep) -> Character:
    """With a `project_id` only clips of that project can have it."""
    return await characters.create(body)


@router.get(
    "",
    response_model=list[CharacterResponseDTO],
    summary="List characters, oldest first",
)
async def list_characters(
    characters: CharacterServiceDep,
    page: PageDep,
    response: Response,
    project_id: Annotated[
        str, Query(max_length=100, description="Only those of this project; left out: all.")
    ] = "",
) -> list[Character]:
    """With `project_id`, those of all projects are not among them."""
    found, total = await characters.page(project_id or None, skip=page.skip, limit=page.limit)
    response.headers["X-Total-Count"] = str(total)
    return found


@router.get(
    "/{character_id}",
    response_model=CharacterResponseDTO,
    summary="Read a character",
    responses={404: {"model": ErrorDTO, "description": "No such character."}},
)
async def read_character(character_id: Id, characters: CharacterServiceDep) -> Character:
    """As it is now; clips have the words of when it was applied."""
    return await characters.get(character_id)


@router.put(
    "/{character_id}",
    response_model=CharacterResponseDTO,
    summary="Change a character",
    responses={
        404: {"model": ErrorDTO, "description": "No such character or project."},
        409: {"model": ErrorDTO, "description": "Clips of another project have it."},
    },
)
async def update_character(
    character_id: Id, body: CharacterUpdateDTO, characters: CharacterServiceDep
) -> Character:
    """Clips keep the words they have until the character is applied to them again.

    Later generations use everything else as it is now.
    """
    return await characters.update(character_id, body)


@router.delete(
    "/{character_id}",
    response_model=DeletedDTO,
    summary="Delete a character; its clips lose its words",
    responses={404: {"model": ErrorDTO, "description": "No such character."}},
)
async def delete_character(character_id: Id, characters: CharacterServiceDep) -> dict[str, object]:
    """Takes of clips that were made with it stay; its own pictures and their jobs go."""
    deleted = await characters.delete(character_id)
    return {"message": "Character deleted.", "deleted": deleted}


@router.post(
    "/{character_id}/apply/{clip_id}",
    response_model=ClipResponseDTO,
    summary="Write a character into a clip's prompts, in place of another one",
    responses={
        400: {
            "model": ErrorDTO,
            "description": "It belongs to another project, or a prompt would grow too long.",
        },
        404: {"model": ErrorDTO, "description": "No such character or clip."},
        409: {"model": ErrorDTO, "description": "Too many changes of the clip at once."},
    },
)
async def apply_character(character_id: Id, clip_id: Id, characters: CharacterServiceDep) -> Clip:
    """Applying twice changes nothing more; `character_id: null` on the clip takes it out again.

    Trigger words go before both prompts, style notes behind; what a prompt says already is not
    repeated. Its LoRA, reference and parameters go into later generations of the clip.
    """
    return await characters.apply(character_id, clip_id)

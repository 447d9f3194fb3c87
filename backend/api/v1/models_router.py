"""Models: files of all servers, the model families and their presets."""

from typing import Annotated, Any

from fastapi import Depends, Path, Query, Response

from backend.api.http.versioned_router import versioned_router
from backend.api.streams.models_json import models_json
from backend.api.v1.dependencies import ModelLibraryDep, Page
from backend.dtos.models_dto import (
    LibraryModelDTO,
    ModelDefaultsDTO,
    ModelPresetsDTO,
    ModelSettingsDTO,
    ModelTypesDTO,
)
from backend.models.model_file import ModelFileType
from backend.models.render import PresetName
from backend.services import model_config
from backend.services.servers.model_library import ModelQuery

router = versioned_router("/models", tags=["Models"])

_UNKNOWN: dict[int | str, dict[str, Any]] = {
    404: {"description": "MODEL_UNKNOWN: it names no family; `details.families` lists them."}
}
#: Files may lie in folders of their own, so slashes belong to the name.
ModelName = Annotated[
    str,
    Path(
        min_length=1,
        max_length=500,
        description="A family's id or a model file's name.",
        examples=["sdxl", "sd_xl_base_1.0.safetensors"],
    ),
]


async def _whole_library(
    skip: Annotated[int, Query(ge=0, le=2**31 - 1, description="How many to leave out.")] = 0,
    limit: Annotated[int, Query(ge=1, le=10_000, description="How many to give.")] = 10_000,
) -> Page:
    """Give all, unless less is asked for: web clients search in what they got."""
    return Page(skip, limit)


WholeLibraryDep = Annotated[Page, Depends(_whole_library)]


@router.get(
    "",
    response_model=list[LibraryModelDTO],
    summary="List the models of all servers, each once",
    responses={
        422: {"description": "A bad number or type, or FAMILY_UNKNOWN, which lists the families."}
    },
)
async def list_models(
    library: ModelLibraryDep,
    page: WholeLibraryDep,
    search: Annotated[
        str, Query(max_length=200, description="Part of the name, folders included, in any case.")
    ] = "",
    kind: Annotated[
        ModelFileType | None, Query(alias="type", description="Left out: files of all kinds.")
    ] = None,
    family: Annotated[
        str | None, Query(max_length=100, description="A family's id, or 'unknown'.")
    ] = None,
    is_active: Annotated[
        bool | None, Query(description="Only those that a server has, or has not, online now.")
    ] = None,
) -> Response:
    """As last seen, by kind and name: checkpoints and diffusion models first. Nobody is asked."""
    query = ModelQuery(search, kind, family, is_active)
    found, total = await library.page(query, skip=page.skip, limit=page.limit)
    return await models_json(found, total)


@router.get("/types", response_model=ModelTypesDTO, summary="List the model families")
async def list_model_types() -> dict[str, object]:
    """What StoryCanvas can build graphs for, whatever the servers have."""
    return model_config.types()


@router.get(
    "/presets/{name:path}",
    response_model=ModelPresetsDTO,
    summary="Read the presets of a model",
    responses=_UNKNOWN,
)
async def read_model_presets(name: ModelName) -> dict[str, object]:
    """Of its family, by its name."""
    return model_config.presets_of(name)


@router.get(
    "/parameters/{name:path}",
    response_model=ModelSettingsDTO,
    summary="Read one preset of a model as generation parameters",
    responses=_UNKNOWN,
)
async def read_model_parameters(
    name: ModelName,
    preset: Annotated[
        PresetName | None, Query(description="Left out: the family's default.")
    ] = None,
) -> dict[str, Any]:
    """What `params` of a request leaves out is taken from here."""
    return model_config.parameters_of(name, preset)


@router.get(
    "/defaults/{name:path}",
    response_model=ModelDefaultsDTO,
    summary="Read what a model is rendered with when nothing is asked for",
    responses=_UNKNOWN,
)
async def read_model_defaults(name: ModelName) -> dict[str, Any]:
    """The same as the parameters of the default preset."""
    return model_config.defaults_of(name)

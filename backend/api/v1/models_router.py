"""Model families and their presets (4), beyond the 65."""

from typing import Annotated, Any

from fastapi import Path, Query

from backend.api.versioned_router import versioned_router
from backend.dtos.models_dto import (
    ModelDefaultsDTO,
    ModelPresetsDTO,
    ModelSettingsDTO,
    ModelTypesDTO,
)
from backend.models.render import PresetName
from backend.services import model_settings

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


@router.get("/types", response_model=ModelTypesDTO, summary="List the model families")
async def list_model_types() -> dict[str, object]:
    """What StoryCanvas can build graphs for, whatever the servers have."""
    return model_settings.types()


@router.get(
    "/presets/{name:path}",
    response_model=ModelPresetsDTO,
    summary="Read the presets of a model",
    responses=_UNKNOWN,
)
async def read_model_presets(name: ModelName) -> dict[str, object]:
    """Of its family, by its name."""
    return model_settings.presets_of(name)


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
    return model_settings.parameters_of(name, preset)


@router.get(
    "/defaults/{name:path}",
    response_model=ModelDefaultsDTO,
    summary="Read what a model is rendered with when nothing is asked for",
    responses=_UNKNOWN,
)
async def read_model_defaults(name: ModelName) -> dict[str, Any]:
    """The same as the parameters of the default preset."""
    return model_settings.defaults_of(name)

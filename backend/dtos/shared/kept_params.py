"""Values kept for later generations: references, LoRAs and parameters of characters and styles."""

from typing import Annotated, Any
from urllib.parse import unquote

import orjson
from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints

from backend.dtos.generation_dto import GenerationParamsDTO, ModelFile
from backend.dtos.shared.media_address import AnyForm
from backend.utils.json_depth import deeper_than

#: A kept set of parameters as JSON, a custom workflow included.
_LONGEST_PARAMS = 200_000
#: Deeper than any graph in ComfyUI's API format, and shallow enough for every reader.
_DEEPEST = 32


def _blank_to_none(value: Any) -> Any:
    return None if isinstance(value, str) and not value.strip() else value


def _none_to_blank(value: Any) -> Any:
    return "" if value is None else value


def _check_path(address: str) -> str:
    if ".." in unquote(address.partition("?")[0]).split("/"):
        raise ValueError("a path must not lead out of /uploads/")
    return address


def _check_size(params: GenerationParamsDTO) -> GenerationParamsDTO:
    if deeper_than([params.model_extra, params.workflow_json], _DEEPEST):
        raise ValueError(f"values must not be nested deeper than {_DEEPEST} levels")
    if len(orjson.dumps(params.model_dump(exclude_unset=True))) > _LONGEST_PARAMS:
        raise ValueError(f"parameters must not take more than {_LONGEST_PARAMS} bytes as JSON")
    return params


#: Null and the empty string both clear it.
Cleared = BeforeValidator(_blank_to_none)
#: An http(s) address, or one of a file of ours in any form.
MediaAddress = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True, max_length=2000, pattern=r"^(https?://|/uploads/)\S+$"
    ),
    AfterValidator(_check_path),
    AnyForm,
]
MediaAddressOrNone = Annotated[MediaAddress | None, Cleared]
ModelFileOrNone = Annotated[ModelFile | None, Cleared]
LabelOrNone = Annotated[Annotated[str, Field(max_length=200)] | None, Cleared]
LoraWeight = Annotated[float, Field(ge=-100, le=100)]
KeptParams = Annotated[GenerationParamsDTO, AfterValidator(_check_size)]
#: Texts that null empties, as leaving them out does at the start.
_Short = Annotated[str, Field(max_length=2000)]
_Medium = Annotated[str, Field(max_length=5000)]
_Long = Annotated[str, Field(max_length=10_000)]
Description = Annotated[
    _Short, BeforeValidator(_none_to_blank, json_schema_input_type=_Short | None)
]
Notes = Annotated[_Medium, BeforeValidator(_none_to_blank, json_schema_input_type=_Medium | None)]
NegativePrompt = Annotated[
    _Long, BeforeValidator(_none_to_blank, json_schema_input_type=_Long | None)
]

"""Node definitions: what /object_info answers and prompts are checked against."""

import copy
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backend.comfyui_simulator.options import DEFAULT_MODELS, SimulatorOptions

OWN_SET = Path(__file__).parent / "node_definitions.json"

#: Which models folder fills which input. CLIPVisionLoader is the one exception, see folder_of.
FOLDER_OF_INPUT = {
    "ckpt_name": "checkpoints",
    "lora_name": "loras",
    "vae_name": "vae",
    "unet_name": "diffusion_models",
    "clip_name": "text_encoders",
    "clip_name1": "text_encoders",
    "clip_name2": "text_encoders",
    "clip_name3": "text_encoders",
    "clip_name4": "text_encoders",
    "style_model_name": "style_models",
}

#: Folders that a server of this version lists beside those with models in them.
EMPTY_FOLDERS = ("configs", "clip_vision", "style_models", "embeddings", "diffusers", "vae_approx")
MORE_EMPTY_FOLDERS = ("controlnet", "gligen", "upscale_models", "hypernetworks", "audio_encoders")


@dataclass(frozen=True)
class InputSpec:
    """One input of a node class. `kind` is a type name, or the list of a combo's options."""

    name: str
    kind: Any
    extra: Mapping[str, Any]
    required: bool

    @property
    def config(self) -> list[Any]:
        """The pair that validation errors quote."""
        return [self.kind, self.extra]


class NodeSet:
    """The node classes of one server, by class name."""

    def __init__(self, info: dict[str, Any], models: Mapping[str, tuple[str, ...]]) -> None:
        self.info = info
        self.models = models

    def __contains__(self, class_type: object) -> bool:
        return class_type in self.info

    def inputs(self, class_type: str) -> list[InputSpec]:
        """Required and optional inputs; a name in both counts as required."""
        declared = self.info[class_type]["input"]
        found: dict[str, InputSpec] = {}
        for category in ("optional", "required"):
            for name, spec in (declared.get(category) or {}).items():
                extra = spec[1] if len(spec) > 1 else {}
                found[name] = InputSpec(name, spec[0], extra, category == "required")
        return list(found.values())

    def outputs(self, class_type: str) -> tuple[Any, ...]:
        """Output types; a tuple, so that a slot out of range fails in the server's words."""
        return tuple(self.info[class_type]["output"])

    def is_output(self, class_type: str) -> bool:
        return self.info[class_type].get("output_node") is True

    def with_files(self, names: Iterable[str]) -> dict[str, Any]:
        """The /object_info answer: LoadImage lists the files that are there now."""
        info = dict(self.info)
        if "LoadImage" in info:
            node = copy.deepcopy(info["LoadImage"])
            node["input"]["required"]["image"][0] = sorted(names)
            info["LoadImage"] = node
        return info


def load_nodes(options: SimulatorOptions) -> NodeSet:
    """Read the own set, or the file the options name; put the model names in."""
    if options.object_info is not None:
        info = json.loads(options.object_info.read_text("utf-8"))
        models = {**models_in(info), **options.models}
    else:
        own = json.loads(OWN_SET.read_text("utf-8"))
        info = expand(own["nodes"], own["lists"])
        models = {**(own["models"] if options.every_model else DEFAULT_MODELS), **options.models}
    for class_type in options.without_nodes:
        info.pop(class_type, None)
    models = {folder: tuple(sorted(names)) for folder, names in models.items()}
    fill(info, models)
    return NodeSet(info, models)


def expand(value: Any, lists: Mapping[str, list[str]]) -> Any:
    """Put the long lists back where the file has "@name"."""
    if isinstance(value, dict):
        return {key: expand(item, lists) for key, item in value.items()}
    if isinstance(value, list):
        return [expand(item, lists) for item in value]
    if isinstance(value, str) and value.startswith("@"):
        return lists[value[1:]]
    return value


def folder_of(class_type: str, input_name: str) -> str | None:
    if class_type == "CLIPVisionLoader":
        return "clip_vision"
    return FOLDER_OF_INPUT.get(input_name)


def model_combos(info: dict[str, Any]) -> Iterable[tuple[str, list[Any]]]:
    """(folder, input spec) of each input that lists model files."""
    for class_type, node in info.items():
        for category in ("required", "optional"):
            for name, spec in (node["input"].get(category) or {}).items():
                folder = folder_of(class_type, name)
                if folder and (isinstance(spec[0], list) or spec[0] == "COMBO"):
                    yield folder, spec


def options_of(spec: list[Any]) -> list[str]:
    found: list[str] = spec[0] if isinstance(spec[0], list) else spec[1].get("options", [])
    return found


def models_in(info: dict[str, Any]) -> dict[str, tuple[str, ...]]:
    found: dict[str, set[str]] = {}
    for folder, spec in model_combos(info):
        found.setdefault(folder, set()).update(options_of(spec))
    found.get("vae", set()).discard("pixel_space")
    return {folder: tuple(names) for folder, names in found.items()}


def fill(info: dict[str, Any], models: Mapping[str, tuple[str, ...]]) -> None:
    """Write the model names into each loader. VAELoader adds one entry that is no file."""
    for folder, spec in model_combos(info):
        names = [*models.get(folder, ()), *(["pixel_space"] if folder == "vae" else [])]
        if isinstance(spec[0], list):
            spec[0] = names
        else:
            spec[1]["options"] = names


def folders(models: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """All model folders that /models lists, with their files."""
    return dict.fromkeys(EMPTY_FOLDERS + MORE_EMPTY_FOLDERS, ()) | dict(models)

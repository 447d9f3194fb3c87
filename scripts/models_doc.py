"""Write docs/models.md from the families: `python -m scripts.models_doc`.

A test compares the two, so the document cannot drift from what is built.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

if __package__ in {None, ""}:
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from backend.dtos.generation_dto import GenerationParamsDTO
from backend.services.families import FAMILIES, VARIANTS
from backend.services.families.base import (
    FileSlot,
    GraphKind,
    LoraRule,
    ModelFamily,
    NegativeRule,
    Preset,
)

TARGET = Path(__file__).resolve().parents[1] / "docs/models.md"
_HEAD = """\
# Models

Made from the code by `python -m scripts.models_doc`; change `backend/services/families/` instead.

A model's family is told by its file name. Where the name does not say, name the family in
`params.family`. A name that says that the file is something else (a LoRA, a refiner, a family that
is not here) is refused with what it is. An image checkpoint whose name says nothing is rendered as
SD 1.5, or as SDXL when a side of 832 pixels or more is asked for; its takes say `checkpoint`.

Files are looked for at each server under the very name; with the other separator; in any folder;
under the other names listed here; in another precision (fp8, fp16, bf16); and as GGUF where the
nodes of ComfyUI-GGUF are installed. What is still missing is a 422 that names, per server, the
file, its folder, and the nearest names that are there.

Memory is what the official files want without offloading, by our own estimate. Settings of
`quality` are those of ComfyUI's own templates, where there is one.
"""
_LORAS = {
    LoraRule.MODEL_AND_CLIP: "change model and text encoder (`weight`, `clip_weight`)",
    LoraRule.MODEL: "change the model; the text encoder too where `clip_weight` is given",
    LoraRule.BOTH_STAGES: "go to both stages; one with high or low noise in its name to that one",
    LoraRule.NONE: "are not taken",
}
_NEGATIVES = {
    NegativeRule.USED: "is used",
    NegativeRule.WITHOUT_EFFECT: "has no effect, since cfg is 1",
    NegativeRule.NONE: "is not taken",
}


def document() -> str:
    return "\n".join([_HEAD, *_overview(), *(_section(f) for f in FAMILIES), *_parameters()])


def _overview() -> Iterator[str]:
    yield "| Family | Makes | Default size | Memory |"
    yield "|---|---|---|---|"
    for family in FAMILIES:
        kinds = {kind for one in _variants(family) for kind in one.kinds}
        size = "as the picture" if GraphKind.EDIT in kinds else _default_size(family)
        link = f"[`{family.id}`](#{family.id})"
        yield f"| {link} | {_words(kinds)} | {size} | {family.vram_gb} GB ({family.vram_class}) |"
    yield ""


def _section(family: ModelFamily) -> str:
    lines = [f"## {family.id}", "", f"{family.label}. {family.hint}", ""]
    for variant in _variants(family):
        lines += [*_variant(variant, family), ""]
    return "\n".join(lines)


def _variant(variant: ModelFamily, family: ModelFamily) -> Iterator[str]:
    if variant is not family:
        yield f"### {variant.key}"
        yield ""
        yield f"{variant.label}."
        yield ""
    yield "| | |"
    yield "|---|---|"
    yield f"| makes | {_words(variant.kinds)} |"
    yield f"| model | `models/{variant.folder}/{variant.official_model}`{_stages(variant)} |"
    for slot in (*variant.files, *variant.reference_files):
        yield f"| {_role(slot, variant)} | {_file(slot)} |"
    yield from _presets(variant)
    yield f"| sizes | {_sizes(variant)} |"
    if variant.frame_rule is not None:
        yield f"| frames | {_frames(variant)} |"
    yield f"| LoRAs | {_LORAS[variant.lora_rule]} |"
    yield f"| negative prompt | {_NEGATIVES[variant.negative]} |"
    if variant.max_references:
        yield f"| reference pictures | up to {variant.max_references} |"
    yield f"| memory | {variant.vram_gb} GB ({variant.vram_class}) |"


def _stages(variant: ModelFamily) -> str:
    if variant.lora_rule is LoraRule.BOTH_STAGES:
        return ", and the file with `low` in place of `high`"
    return "; or all in one file in `models/checkpoints`" if variant.single_file else ""


def _role(slot: FileSlot, variant: ModelFamily) -> str:
    name = slot.role.rstrip("_234").replace("_", " ")
    return f"{name}, for reference pictures" if slot in variant.reference_files else name


def _file(slot: FileSlot) -> str:
    others = ", ".join(f"`{name}`" for name in slot.names[1:])
    return f"`models/{slot.folder}/{slot.names[0]}`" + (f"; or {others}" if others else "")


def _presets(variant: ModelFamily) -> Iterator[str]:
    for name, preset in variant.presets.items():
        yield f"| `{name}` | {_settings(preset)} |"
    for name, preset in variant.refined.items():
        yield f"| `{name}` with `refiner` | {_settings(preset)} |"


def _settings(preset: Preset) -> str:
    told = [f"{preset.steps} steps", f"cfg {preset.cfg:g}", preset.sampler, preset.scheduler]
    if preset.guidance is not None:
        told.append(f"guidance {preset.guidance:g}")
    if preset.shift is not None:
        told.append(f"shift {preset.shift:g}")
    if preset.switch is not None:
        told.append(f"second model after {preset.switch:.0%} of the steps")
    if preset.frames is not None:
        told.append(f"{preset.frames} frames")
    told += [f"with `models/loras/{slot.names[0]}`" for slot in preset.loras]
    return ", ".join(told)


def _sizes(variant: ModelFamily) -> str:
    default = _default_size(variant)
    if GraphKind.EDIT in variant.kinds:
        default = "that of the picture, unless one is asked for"
    good = ", ".join(f"{width} x {height}" for width, height in variant.sizes)
    trained = f"; good ones: {good}" if good else ""
    return f"{default}; sides are rounded down to {variant.size_multiple}{trained}"


def _default_size(family: ModelFamily) -> str:
    return f"{family.default_width} x {family.default_height}"


def _frames(variant: ModelFamily) -> str:
    rule = variant.frame_rule
    if rule is None:
        return ""
    many = "any number" if rule.step == 1 else f"{rule.step}n + 1, the nearest"
    return f"{many}; saved at {variant.default_fps:g} a second"


def _parameters() -> Iterator[str]:
    yield "## Parameters"
    yield ""
    yield "`params` of a generation request. What is left out comes from the preset."
    yield ""
    yield "| Parameter | What it does |"
    yield "|---|---|"
    for name, field in GenerationParamsDTO.model_fields.items():
        yield f"| `{name}` | {field.description} |"
    yield ""


def _variants(family: ModelFamily) -> list[ModelFamily]:
    return [variant for variant in VARIANTS if variant.id == family.id]


def _words(kinds: set[GraphKind] | frozenset[GraphKind]) -> str:
    return ", ".join(kind.replace("_", " ") for kind in GraphKind if kind in kinds)


def main() -> None:
    TARGET.write_text(document(), "utf-8")


if __name__ == "__main__":
    main()

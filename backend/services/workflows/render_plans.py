"""Render plans of a request with a model: which nodes and files each takes. Pure.

Most have one. Flux comes as separate files and as one checkpoint, so it has two.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from backend.models.render import LoraUse, RenderRequest
from backend.services.families.base import GraphKind, LoraRule, ModelFamily, Preset
from backend.services.families.detection import partner_of, stage_of
from backend.services.workflows.builders import (
    flux,
    flux_kontext,
    hidream,
    hunyuan_video,
    illustrious,
    ltx_video,
    pony,
    qwen_edit,
    qwen_edit_2509,
    qwen_image,
    sdxl,
    stable_diffusion,
    svd,
    wan_2_1,
    wan_2_2,
)
from backend.services.workflows.files import FileNeed, FoundFile
from backend.services.workflows.graph import BuiltGraph
from backend.services.workflows.intent import family_for, kind_of, with_hint
from backend.services.workflows.recipe import Lora, Recipe, lora_of, pictures_of, settings_of
from backend.utils.errors import WorkflowError

BUILDERS: Mapping[str, Callable[[Recipe], BuiltGraph]] = {
    "checkpoint": stable_diffusion.build,
    "sd15": stable_diffusion.build,
    "sdxl": sdxl.build,
    "pony": pony.build,
    "illustrious": illustrious.build,
    "flux_dev": flux.build,
    "flux_schnell": flux.build,
    "flux_krea": flux.build,
    "flux_pro": flux.build,
    "flux_kontext": flux_kontext.build,
    "hidream": hidream.build,
    "qwen_image": qwen_image.build,
    "qwen_edit": qwen_edit.build,
    "qwen_edit_2509": qwen_edit_2509.build,
    "wan_2_1": wan_2_1.build,
    "wan_2_2": wan_2_2.build,
    "ltx_video": ltx_video.build,
    "hunyuan_video": hunyuan_video.build,
    "svd": svd.build,
}
_KEPT = 1024


@dataclass(frozen=True)
class RenderPlan:
    """`files` are in the order of the graph, the model first and LoRAs last."""

    family: ModelFamily
    kind: GraphKind
    files: tuple[FileNeed, ...]
    node_classes: frozenset[str]


@lru_cache(maxsize=_KEPT)
def render_plans_of(intent: RenderRequest, model: str) -> tuple[RenderPlan, ...]:
    """List the render plans, the usual one first. `intent` is a request's essence.

    Raises WorkflowError when no server could ever render it.
    """
    family = family_for(intent, model)
    request = with_hint(intent, family)
    kind = kind_of(request, family, model)
    layouts = [False, True] if family.single_file else [False]
    return tuple(
        _render_plan(request, family, kind, _needs(request, family, model, one)) for one in layouts
    )


def loras_for(
    request: RenderRequest, preset: Preset, files: Mapping[str, FoundFile]
) -> tuple[Lora, ...]:
    """List the preset's own LoRAs, then those of the request."""
    own = [
        Lora(files[slot.role].name, 1.0, stage=slot.role.partition("_")[2] or None)
        for slot in preset.loras
    ]
    asked = [
        lora_of(use, files[lora_role(number)].name, stage_of(use.name))
        for number, use in enumerate(request.loras)
        if lora_role(number) in files
    ]
    return (*own, *asked)


def lora_role(number: int) -> str:
    return f"lora_{number}"


def _render_plan(
    request: RenderRequest, family: ModelFamily, kind: GraphKind, needs: tuple[FileNeed, ...]
) -> RenderPlan:
    """Build the graph with the names as they are, and see which nodes it has."""
    files = {need.role: FoundFile(need.names[0], need.class_type) for need in needs}
    settings = settings_of(request, family)
    recipe = Recipe(
        family=family,
        kind=kind,
        files=files,
        settings=settings,
        prompt="",
        negative_prompt="",
        width=family.default_width,
        height=family.default_height,
        seed=0,
        filename_prefix="",
        loras=loras_for(request, settings, files),
        pictures=pictures_of(request),
        batch_size=request.batch_size,
        clip_skip=request.clip_skip or family.clip_skip or 1,
    )
    graph = BUILDERS[family.id](recipe).graph
    return RenderPlan(family, kind, needs, frozenset(node["class_type"] for node in graph.values()))


def _needs(
    request: RenderRequest, family: ModelFamily, model: str, single_file: bool
) -> tuple[FileNeed, ...]:
    preset = family.preset(request.preset, refined=request.refiner is not None)
    slots = () if single_file else family.files
    shown = family.reference_files if request.reference_images else ()
    wanted = (*slots, *shown, *preset.loras)
    return (
        *_model_needs(family, model, single_file),
        *(FileNeed(s.folder, s.names, s.class_type, s.input_name, s.role) for s in wanted
          if s.role != "vae" or request.vae is None),
        *_own_files(request, family),
        *_lora_needs(request, family),
    )  # fmt: skip


def _model_needs(family: ModelFamily, model: str, single_file: bool) -> Iterator[FileNeed]:
    if family.id == "svd":
        yield FileNeed("checkpoints", (model,), "ImageOnlyCheckpointLoader", "ckpt_name", "model")
    elif single_file or family.folder == "checkpoints":
        yield FileNeed("checkpoints", (model,), "CheckpointLoaderSimple", "ckpt_name", "model")
    elif family.lora_rule is LoraRule.BOTH_STAGES:
        stages = {_stage(model): model, _stage(partner_of(model)): partner_of(model)}
        for stage in ("high", "low"):
            yield FileNeed("diffusion_models", (stages[stage],), "UNETLoader", "unet_name", stage)
    else:
        yield FileNeed("diffusion_models", (model,), "UNETLoader", "unet_name", "model")


def _stage(model: str) -> str:
    stage = stage_of(model)
    if stage is None:
        words = f"'{model}' says neither high nor low: Wan 2.2 14B is two files that do."
        error = {"loc": ["model"], "msg": words, "type": "model_family", "class_type": None}
        raise WorkflowError(words, errors=[error])
    return stage


def _own_files(request: RenderRequest, family: ModelFamily) -> Iterator[FileNeed]:
    """What a request brings beside the model: another VAE, a refiner."""
    takes_vae = family.own_vae or any(slot.role == "vae" for slot in family.files)
    if request.vae is not None and takes_vae:
        yield FileNeed("vae", (request.vae,), "VAELoader", "vae_name", "vae")
    if request.refiner is not None:
        names = (request.refiner,)
        yield FileNeed("checkpoints", names, "CheckpointLoaderSimple", "ckpt_name", "refiner")


def _lora_needs(request: RenderRequest, family: ModelFamily) -> Iterator[FileNeed]:
    if family.lora_rule is LoraRule.NONE:
        return
    for number, use in enumerate(request.loras):
        loader = "LoraLoader" if _changes_encoder(use, family.lora_rule) else "LoraLoaderModelOnly"
        yield FileNeed("loras", (use.name,), loader, "lora_name", lora_role(number))


def _changes_encoder(use: LoraUse, rule: LoraRule) -> bool:
    if rule is LoraRule.MODEL:
        return use.clip_weight is not None
    return rule is LoraRule.MODEL_AND_CLIP

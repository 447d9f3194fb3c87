"""Flux.1: dev, schnell, Krea, finetunes of dev, Kontext.

Settings: the official templates of ComfyUI 0.3.64. cfg is 1 throughout, since guidance is an
input of the model itself; so a negative prompt changes nothing.
"""

from dataclasses import replace

from backend.services.families.base import STILL_KINDS, GraphKind, ModelFamily, NegativeRule, Preset
from backend.services.families.slots import (
    CLIP_L,
    FLUX_VAE,
    T5_XXL,
    T5_XXL_SMALL,
    clip_vision_loader,
    dual_clip_loader,
    style_model_loader,
)

_FILES = (*dual_clip_loader(CLIP_L, T5_XXL), FLUX_VAE)
#: Flux Redux: what core nodes offer to show a Flux model a picture of somebody.
_REDUX = (
    style_model_loader("flux1-redux-dev.safetensors"),
    clip_vision_loader(
        "sigclip_vision_patch14_384.safetensors", "siglip_vision_patch14_384.safetensors"
    ),
)

FLUX_DEV = ModelFamily(
    id="flux_dev",
    label="Flux.1 dev",
    kinds=STILL_KINDS,
    folder="diffusion_models",
    single_file=True,
    size_multiple=16,
    default_width=1024,
    default_height=1024,
    sizes=((1024, 1024), (1152, 896), (1216, 832), (1344, 768), (1920, 1088), (768, 1344)),
    presets={
        "fast": Preset(12, 1.0, "euler", "simple", guidance=3.5),
        "quality": Preset(20, 1.0, "euler", "simple", guidance=3.5),
    },
    official_model="flux1-dev.safetensors",
    vram_gb=24,
    files=_FILES,
    negative=NegativeRule.WITHOUT_EFFECT,
    default_denoise=0.75,
    max_references=3,
    reference_files=_REDUX,
    hint="Sentences, up to about 2 megapixels.",
)
FLUX_DEV_DISTILLED = replace(
    FLUX_DEV,
    variant="distilled",
    label="Flux.1 dev, few steps (Turbo, Hyper)",
    presets={
        "fast": Preset(6, 1.0, "euler", "simple", guidance=3.5),
        "quality": Preset(8, 1.0, "euler", "simple", guidance=3.5),
    },
    official_model="flux1-dev-turbo.safetensors",
)
FLUX_SCHNELL = replace(
    FLUX_DEV,
    id="flux_schnell",
    label="Flux.1 schnell",
    presets={
        "fast": Preset(2, 1.0, "euler", "simple"),
        "quality": Preset(4, 1.0, "euler", "simple"),
    },
    official_model="flux1-schnell.safetensors",
    hint="Sentences; guidance has no effect.",
)
FLUX_KREA = replace(
    FLUX_DEV,
    id="flux_krea",
    label="Flux.1 Krea",
    presets={
        "fast": Preset(12, 1.0, "euler", "simple"),
        "quality": Preset(20, 1.0, "euler", "simple"),
    },
    official_model="flux1-krea-dev_fp8_scaled.safetensors",
    vram_gb=16,
    max_references=0,
    reference_files=(),
    hint="Sentences; photographs without the look of Flux dev.",
)
FLUX_PRO = replace(
    FLUX_DEV,
    id="flux_pro",
    label="Flux.1 finetune of dev",
    presets={
        "fast": Preset(14, 1.0, "euler", "simple", guidance=3.5),
        "quality": Preset(25, 1.0, "euler", "simple", guidance=3.5),
    },
    official_model="flux1-dev-finetune.safetensors",
    hint="As its author says. FLUX pro itself is a paid service without a local file.",
)
FLUX_KONTEXT = replace(
    FLUX_DEV,
    id="flux_kontext",
    label="Flux.1 Kontext",
    kinds=frozenset({GraphKind.EDIT}),
    single_file=False,
    sizes=(
        (1024, 1024), (672, 1568), (688, 1504), (720, 1456), (752, 1392), (800, 1328), (832, 1248),
        (880, 1184), (944, 1104),
    ),
    presets={
        "fast": Preset(12, 1.0, "euler", "simple", guidance=2.5),
        "quality": Preset(20, 1.0, "euler", "simple", guidance=2.5),
    },
    official_model="flux1-dev-kontext_fp8_scaled.safetensors",
    vram_gb=16,
    files=(*dual_clip_loader(CLIP_L, T5_XXL_SMALL), FLUX_VAE),
    default_denoise=1.0,
    max_references=3,
    reference_files=(),
    hint="Say what is to change, and what is to stay.",
)  # fmt: skip

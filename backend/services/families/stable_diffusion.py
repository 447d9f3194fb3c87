"""Stable Diffusion 1.5, SDXL and its kin: one checkpoint file with everything in it.

Quality presets: the official templates and, for Pony and Illustrious, their model cards. Fast
presets and those for distilled models are our own choice within what their authors name.
"""

from dataclasses import replace

from backend.services.families.base import STILL_KINDS, GraphKind, LoraRule, ModelFamily, Preset

XL_SIZES = (
    (1024, 1024), (1152, 896), (896, 1152), (1216, 832), (832, 1216), (1344, 768), (768, 1344),
    (1536, 640), (640, 1536),
)  # fmt: skip
_INPAINT = frozenset({GraphKind.INPAINT})

SD15 = ModelFamily(
    id="sd15",
    label="Stable Diffusion 1.5",
    kinds=STILL_KINDS,
    folder="checkpoints",
    size_multiple=8,
    default_width=512,
    default_height=512,
    sizes=((512, 512), (768, 512), (512, 768), (912, 512), (512, 912)),
    presets={
        "fast": Preset(12, 7.0, "dpmpp_2m", "karras"),
        "quality": Preset(20, 8.0, "euler", "normal"),
    },
    official_model="v1-5-pruned-emaonly-fp16.safetensors",
    vram_gb=4,
    lora_rule=LoraRule.MODEL_AND_CLIP,
    clip_skip=1,
    own_vae=True,
    hint="Short phrases, the important ones first.",
)
SD15_INPAINT = replace(
    SD15,
    variant="inpaint",
    label="Stable Diffusion 1.5, inpainting",
    kinds=_INPAINT,
    presets={
        "fast": Preset(12, 8.0, "uni_pc_bh2", "normal"),
        "quality": Preset(20, 8.0, "uni_pc_bh2", "normal"),
    },
    official_model="512-inpainting-ema.safetensors",
    default_denoise=1.0,
)
SD15_DISTILLED = replace(
    SD15,
    variant="distilled",
    label="Stable Diffusion 1.5, few steps (LCM, Hyper, Lightning, Turbo)",
    presets={
        "fast": Preset(5, 1.5, "lcm", "sgm_uniform"),
        "quality": Preset(8, 1.5, "lcm", "sgm_uniform"),
    },
    official_model="dreamshaper_8LCM.safetensors",
)
SDXL = ModelFamily(
    id="sdxl",
    label="Stable Diffusion XL",
    kinds=STILL_KINDS,
    folder="checkpoints",
    size_multiple=8,
    default_width=1024,
    default_height=1024,
    sizes=XL_SIZES,
    presets={
        "fast": Preset(14, 6.0, "dpmpp_2m", "karras"),
        "quality": Preset(25, 7.0, "dpmpp_2m", "karras"),
    },
    refined={
        "fast": Preset(15, 8.0, "euler", "normal", switch=0.8),
        "quality": Preset(25, 8.0, "euler", "normal", switch=0.8),
    },
    official_model="sd_xl_base_1.0.safetensors",
    vram_gb=8,
    lora_rule=LoraRule.MODEL_AND_CLIP,
    clip_skip=1,
    own_vae=True,
    hint="Phrases or sentences.",
)
SDXL_INPAINT = replace(
    SDXL,
    variant="inpaint",
    label="Stable Diffusion XL, inpainting",
    kinds=_INPAINT,
    official_model="sd_xl_base_1.0_inpainting_0.1.safetensors",
    default_denoise=1.0,
    refined={},
)
SDXL_DISTILLED = replace(
    SDXL,
    variant="distilled",
    label="Stable Diffusion XL, few steps (Lightning, Hyper, Turbo, LCM, DMD2)",
    presets={
        "fast": Preset(5, 1.5, "dpmpp_sde", "karras"),
        "quality": Preset(8, 1.5, "dpmpp_sde", "karras"),
    },
    official_model="sdxl_lightning_8step.safetensors",
    refined={},
)
SDXL_TURBO = replace(
    SDXL,
    variant="turbo",
    label="SDXL Turbo",
    default_width=512,
    default_height=512,
    sizes=((512, 512),),
    presets={
        "fast": Preset(1, 1.0, "euler_ancestral", "normal"),
        "quality": Preset(4, 1.0, "euler_ancestral", "normal"),
    },
    official_model="sd_xl_turbo_1.0_fp16.safetensors",
    refined={},
)
PONY = replace(
    SDXL,
    id="pony",
    label="Pony Diffusion XL",
    presets={
        "fast": Preset(15, 7.0, "euler_ancestral", "normal"),
        "quality": Preset(25, 7.0, "euler_ancestral", "normal"),
    },
    official_model="ponyDiffusionV6XL_v6StartWithThisOne.safetensors",
    clip_skip=2,
    refined={},
    hint="Begin with score_9, score_8_up, score_7_up, score_6_up, score_5_up, score_4_up.",
)
ILLUSTRIOUS = replace(
    SDXL,
    id="illustrious",
    label="Illustrious XL",
    presets={
        "fast": Preset(16, 6.0, "euler_ancestral", "normal"),
        "quality": Preset(28, 6.0, "euler_ancestral", "normal"),
    },
    official_model="Illustrious-XL-v0.1.safetensors",
    clip_skip=2,
    refined={},
    hint="Booru tags; masterpiece, best quality.",
)
#: A checkpoint whose name says nothing. Such names are mostly older: finetunes of 1.5. Files that
#: are SDXL inside work too, and are given its defaults when at least one side asked for is large.
PLAIN_CHECKPOINT = replace(SD15, id="checkpoint", label="Checkpoint of an unknown family")
LARGE_CHECKPOINT = replace(
    SDXL, id="checkpoint", label="Checkpoint of an unknown family", refined={}
)

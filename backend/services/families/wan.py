"""Wan 2.1 and 2.2. Settings: the official templates.

2.2 14B is two models: one for the noisy steps, one for the rest. Its fast preset takes the pair
of lightx2v LoRAs that the templates name.
"""

from dataclasses import replace

from backend.services.families.base import (
    FileSlot,
    FrameRule,
    GraphKind,
    LoraRule,
    ModelFamily,
    NegativeRule,
    Preset,
    Presets,
)
from backend.services.families.slots import (
    UMT5_XXL,
    WAN_2_1_VAE,
    WAN_2_2_VAE,
    accelerator,
    clip_loader,
    clip_vision_loader,
)

_FILES = (clip_loader(UMT5_XXL), WAN_2_1_VAE)
_VISION = clip_vision_loader(
    "clip_vision_h.safetensors", "CLIP-ViT-H-14-laion2B-s32B-b79K.safetensors"
)
_LANDSCAPE = ((832, 480), (480, 832))
_BOTH = (*_LANDSCAPE, (1280, 720), (720, 1280))

WAN_2_1 = ModelFamily(
    id="wan_2_1",
    label="Wan 2.1 text to video, 1.3B",
    kinds=frozenset({GraphKind.TEXT_TO_VIDEO}),
    folder="diffusion_models",
    size_multiple=16,
    default_width=832,
    default_height=480,
    sizes=_LANDSCAPE,
    presets={
        "fast": Preset(15, 6.0, "uni_pc", "simple", frames=33, shift=8.0),
        "quality": Preset(30, 6.0, "uni_pc", "simple", frames=81, shift=8.0),
    },
    official_model="wan2.1_t2v_1.3B_fp16.safetensors",
    vram_gb=8,
    files=_FILES,
    frame_rule=FrameRule(4),
    default_fps=16.0,
    hint="Sentences: who, where, what moves, how the camera moves.",
)
WAN_2_1_T2V_14B = replace(
    WAN_2_1,
    variant="t2v_14b",
    label="Wan 2.1 text to video, 14B",
    sizes=_BOTH,
    official_model="wan2.1_t2v_14B_fp16.safetensors",
    vram_gb=24,
)
_I2V_PRESETS: Presets = {
    "fast": Preset(12, 6.0, "uni_pc", "simple", frames=33, shift=8.0),
    "quality": Preset(20, 6.0, "uni_pc", "simple", frames=81, shift=8.0),
}
WAN_2_1_I2V_480P = replace(
    WAN_2_1_T2V_14B,
    variant="i2v_480p",
    label="Wan 2.1 image to video, 480p",
    kinds=frozenset({GraphKind.IMAGE_TO_VIDEO}),
    sizes=_LANDSCAPE,
    presets=_I2V_PRESETS,
    official_model="wan2.1_i2v_480p_14B_fp16.safetensors",
    files=(*_FILES, _VISION),
)
WAN_2_1_I2V_720P = replace(
    WAN_2_1_I2V_480P,
    variant="i2v_720p",
    label="Wan 2.1 image to video, 720p",
    default_width=1280,
    default_height=720,
    sizes=_BOTH,
    official_model="wan2.1_i2v_720p_14B_fp16.safetensors",
)
WAN_2_1_FLF2V = replace(
    WAN_2_1_I2V_720P,
    variant="flf2v",
    label="Wan 2.1 first and last frame to video",
    kinds=frozenset({GraphKind.FIRST_LAST_FRAME}),
    official_model="wan2.1_flf2v_720p_14B_fp16.safetensors",
)
_DISTILLED: Presets = {
    "fast": Preset(4, 1.0, "lcm", "simple", frames=33, shift=8.0),
    "quality": Preset(8, 1.0, "lcm", "simple", frames=81, shift=8.0),
}
WAN_2_1_T2V_DISTILLED = replace(
    WAN_2_1_T2V_14B,
    variant="t2v_distilled",
    label="Wan 2.1 text to video, few steps (lightx2v, FusionX, CausVid)",
    presets=_DISTILLED,
    official_model="Wan14BT2VFusioniX_fp16.safetensors",
    negative=NegativeRule.WITHOUT_EFFECT,
)
WAN_2_1_I2V_DISTILLED = replace(
    WAN_2_1_I2V_480P,
    variant="i2v_distilled",
    label="Wan 2.1 image to video, few steps (lightx2v, FusionX, CausVid)",
    presets=_DISTILLED,
    official_model="Wan14BI2VFusioniX_fp16.safetensors",
    negative=NegativeRule.WITHOUT_EFFECT,
)


def _stage(stage: str, *names: str) -> FileSlot:
    return accelerator(*names, role=f"accelerator_{stage}")


def _two_stage(*loras: FileSlot) -> Presets:
    return {
        "fast": Preset(4, 1.0, "euler", "simple", frames=81, shift=5.0, switch=0.5, loras=loras),
        "quality": Preset(20, 3.5, "euler", "simple", frames=81, shift=8.0, switch=0.5),
    }


WAN_2_2 = replace(
    WAN_2_1_T2V_14B,
    id="wan_2_2",
    variant="",
    label="Wan 2.2 text to video, 14B in two stages",
    default_width=640,
    default_height=640,
    sizes=((640, 640), *_BOTH),
    presets=_two_stage(
        _stage("high", "wan2.2_t2v_lightx2v_4steps_lora_v1.1_high_noise.safetensors",
               "wan2.2_t2v_lightx2v_4steps_lora_v1_high_noise.safetensors"),
        _stage("low", "wan2.2_t2v_lightx2v_4steps_lora_v1.1_low_noise.safetensors",
               "wan2.2_t2v_lightx2v_4steps_lora_v1_low_noise.safetensors"),
    ),
    official_model="wan2.2_t2v_high_noise_14B_fp8_scaled.safetensors",
    lora_rule=LoraRule.BOTH_STAGES,
)  # fmt: skip
WAN_2_2_I2V = replace(
    WAN_2_2,
    variant="i2v",
    label="Wan 2.2 image to video, 14B in two stages",
    kinds=frozenset({GraphKind.IMAGE_TO_VIDEO, GraphKind.FIRST_LAST_FRAME}),
    presets=_two_stage(
        _stage("high", "wan2.2_i2v_lightx2v_4steps_lora_v1_high_noise.safetensors"),
        _stage("low", "wan2.2_i2v_lightx2v_4steps_lora_v1_low_noise.safetensors"),
    ),
    official_model="wan2.2_i2v_high_noise_14B_fp8_scaled.safetensors",
)
WAN_2_2_5B = replace(
    WAN_2_1,
    id="wan_2_2",
    variant="5b",
    label="Wan 2.2 text and image to video, 5B",
    kinds=frozenset({GraphKind.TEXT_TO_VIDEO, GraphKind.IMAGE_TO_VIDEO}),
    size_multiple=32,
    default_width=1280,
    default_height=704,
    sizes=((1280, 704), (704, 1280)),
    presets={
        "fast": Preset(12, 5.0, "uni_pc", "simple", frames=49, shift=8.0),
        "quality": Preset(20, 5.0, "uni_pc", "simple", frames=121, shift=8.0),
    },
    official_model="wan2.2_ti2v_5B_fp16.safetensors",
    vram_gb=12,
    files=(clip_loader(UMT5_XXL), WAN_2_2_VAE),
    default_fps=24.0,
    min_side=32,
)

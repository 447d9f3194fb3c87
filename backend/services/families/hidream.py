"""HiDream-I1: full, dev and fast are files of their own. Settings: the official templates."""

from dataclasses import replace

from backend.services.families.base import (
    STILL_KINDS,
    FileSlot,
    ModelFamily,
    NegativeRule,
    Preset,
)
from backend.services.families.slots import FLUX_VAE, T5_XXL_SMALL


def _encoder(role: str, number: int, *names: str) -> FileSlot:
    return FileSlot(role, "text_encoders", names, "QuadrupleCLIPLoader", f"clip_name{number}")


HIDREAM = ModelFamily(
    id="hidream",
    label="HiDream-I1 full",
    kinds=STILL_KINDS,
    folder="diffusion_models",
    size_multiple=16,
    default_width=1024,
    default_height=1024,
    sizes=((1024, 1024), (1360, 768), (768, 1360), (1168, 880), (880, 1168), (1248, 832),
           (832, 1248)),
    presets={
        "fast": Preset(28, 5.0, "uni_pc", "simple", shift=3.0),
        "quality": Preset(50, 5.0, "uni_pc", "simple", shift=3.0),
    },
    official_model="hidream_i1_full_fp8.safetensors",
    vram_gb=24,
    files=(
        _encoder("text_encoder", 1, "clip_l_hidream.safetensors"),
        _encoder("text_encoder_2", 2, "clip_g_hidream.safetensors"),
        _encoder("text_encoder_3", 3, *T5_XXL_SMALL),
        _encoder("text_encoder_4", 4, "llama_3.1_8b_instruct_fp8_scaled.safetensors"),
        FLUX_VAE,
    ),
    default_denoise=0.7,
    hint="Sentences.",
)  # fmt: skip
HIDREAM_DEV = replace(
    HIDREAM,
    variant="dev",
    label="HiDream-I1 dev",
    presets={
        "fast": Preset(20, 1.0, "lcm", "normal", shift=6.0),
        "quality": Preset(28, 1.0, "lcm", "normal", shift=6.0),
    },
    official_model="hidream_i1_dev_fp8.safetensors",
    negative=NegativeRule.WITHOUT_EFFECT,
)
HIDREAM_FAST = replace(
    HIDREAM_DEV,
    variant="fast",
    label="HiDream-I1 fast",
    presets={
        "fast": Preset(12, 1.0, "lcm", "normal", shift=3.0),
        "quality": Preset(16, 1.0, "lcm", "normal", shift=3.0),
    },
    official_model="hidream_i1_fast_fp8.safetensors",
)

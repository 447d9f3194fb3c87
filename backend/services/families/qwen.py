"""Qwen-Image and its editing models. Settings: the official templates.

The fast presets take the Lightning LoRAs that the templates name.
"""

from dataclasses import replace

from backend.services.families.base import (
    STILL_KINDS,
    GraphKind,
    ModelFamily,
    NegativeRule,
    Preset,
)
from backend.services.families.slots import accelerator, clip_loader, vae_loader

QWEN_IMAGE = ModelFamily(
    id="qwen_image",
    label="Qwen-Image",
    kinds=STILL_KINDS,
    folder="diffusion_models",
    size_multiple=16,
    default_width=1328,
    default_height=1328,
    sizes=((1328, 1328), (1664, 928), (928, 1664), (1472, 1104), (1104, 1472), (1584, 1056),
           (1056, 1584)),
    presets={
        "fast": Preset(
            8, 1.0, "euler", "simple", shift=3.1,
            loras=(
                accelerator(
                    "Qwen-Image-Lightning-8steps-V1.0.safetensors",
                    "Qwen-Image-Lightning-8steps-V1.1.safetensors",
                    "Qwen-Image-Lightning-8steps-V2.0.safetensors",
                ),
            ),
        ),
        "quality": Preset(20, 2.5, "euler", "simple", shift=3.1),
    },
    official_model="qwen_image_fp8_e4m3fn.safetensors",
    vram_gb=24,
    files=(
        clip_loader(
            (
                "qwen_2.5_vl_7b_fp8_scaled.safetensors",
                "qwen_2.5_vl_7b.safetensors",
                "Qwen2.5-VL-7B-Instruct-Q8_0.gguf",
            )
        ),
        vae_loader("qwen_image_vae.safetensors", "Qwen_Image-VAE.safetensors"),
    ),
    default_denoise=0.7,
    hint="Sentences; text to be written goes in quotes.",
)  # fmt: skip
QWEN_IMAGE_DISTILLED = replace(
    QWEN_IMAGE,
    variant="distilled",
    label="Qwen-Image, distilled",
    presets={
        "fast": Preset(8, 1.0, "euler", "simple", shift=3.1),
        "quality": Preset(10, 1.0, "euler", "simple", shift=3.1),
    },
    official_model="qwen_image_distill_full_fp8_e4m3fn.safetensors",
    negative=NegativeRule.WITHOUT_EFFECT,
)
QWEN_EDIT = replace(
    QWEN_IMAGE,
    id="qwen_edit",
    label="Qwen-Image-Edit",
    kinds=frozenset({GraphKind.EDIT}),
    default_width=1024,
    default_height=1024,
    sizes=(),
    presets={
        "fast": Preset(
            4, 1.0, "euler", "simple", shift=3.0,
            loras=(
                accelerator(
                    "Qwen-Image-Lightning-4steps-V1.0.safetensors",
                    "Qwen-Image-Edit-Lightning-4steps-V1.0.safetensors",
                ),
            ),
        ),
        "quality": Preset(20, 2.5, "euler", "simple", shift=3.0),
    },
    official_model="qwen_image_edit_fp8_e4m3fn.safetensors",
    default_denoise=1.0,
    hint="Say what is to change.",
)  # fmt: skip
QWEN_EDIT_2509 = replace(
    QWEN_EDIT,
    id="qwen_edit_2509",
    label="Qwen-Image-Edit 2509",
    presets={
        "fast": Preset(
            4, 1.0, "euler", "simple", shift=3.0,
            loras=(
                accelerator(
                    "Qwen-Image-Edit-2509-Lightning-4steps-V1.0-bf16.safetensors",
                    "Qwen-Image-Lightning-4steps-V2.0.safetensors",
                    "Qwen-Image-Lightning-4steps-V1.0.safetensors",
                ),
            ),
        ),
        "quality": Preset(20, 2.5, "euler", "simple", shift=3.0),
    },
    official_model="qwen_image_edit_2509_fp8_e4m3fn.safetensors",
    max_references=2,
    hint="Say what is to change; the pictures are image 1, image 2, image 3.",
)  # fmt: skip

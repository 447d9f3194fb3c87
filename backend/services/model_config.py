"""Model families: what each really makes, needs and reads, and which file is of which.

The data lie in `families/`, one file a maker. Sources: the official templates of ComfyUI 0.3.64
(comfyui-workflow-templates 0.1.95) for the quality presets, the node code for size and frame
rules. Fast presets without a LoRA of their own are our choice: fewer steps, the same picture.
"""

from backend.services.families import FAMILIES, VARIANTS
from backend.services.families.base import (
    FileSlot,
    Folder,
    FrameRule,
    Kind,
    LoraRule,
    ModelFamily,
    NegativeRule,
    Preset,
    VramClass,
)
from backend.services.families.detection import (
    Detection,
    detect,
    detect_family,
    family_of_checkpoint,
    is_large,
    needs_other_graph,
    partner_of,
    stage_of,
)
from backend.services.families.lora_and_vae import family_of_lora, family_of_vae
from backend.services.families.stable_diffusion import (
    LARGE_CHECKPOINT,
    PLAIN_CHECKPOINT,
    SD15,
    SDXL,
)
from backend.services.families.wan import WAN_2_1

__all__ = [
    "FAMILIES",
    "LARGE_CHECKPOINT",
    "PLAIN_CHECKPOINT",
    "SD15",
    "SDXL",
    "VARIANTS",
    "WAN_2_1",
    "Detection",
    "FileSlot",
    "Folder",
    "FrameRule",
    "Kind",
    "LoraRule",
    "ModelFamily",
    "NegativeRule",
    "Preset",
    "VramClass",
    "detect",
    "detect_family",
    "family_of_checkpoint",
    "family_of_lora",
    "family_of_vae",
    "is_large",
    "needs_other_graph",
    "partner_of",
    "stage_of",
]

"""Model families as data: sizes, files, presets, rules, and detection by file name.

Workflows, servers, workers and `model_config` import it. It imports models and utils.
"""

from backend.services.families.base import ModelFamily
from backend.services.families.flux import (
    FLUX_DEV,
    FLUX_DEV_DISTILLED,
    FLUX_KONTEXT,
    FLUX_KREA,
    FLUX_PRO,
    FLUX_SCHNELL,
)
from backend.services.families.hidream import HIDREAM, HIDREAM_DEV, HIDREAM_FAST
from backend.services.families.qwen import (
    QWEN_EDIT,
    QWEN_EDIT_2509,
    QWEN_IMAGE,
    QWEN_IMAGE_DISTILLED,
)
from backend.services.families.stable_diffusion import (
    ILLUSTRIOUS,
    PONY,
    SD15,
    SD15_DISTILLED,
    SD15_INPAINT,
    SDXL,
    SDXL_DISTILLED,
    SDXL_INPAINT,
    SDXL_TURBO,
)
from backend.services.families.video import (
    HUNYUAN_VIDEO,
    HUNYUAN_VIDEO_I2V,
    HUNYUAN_VIDEO_I2V_V1,
    LTX_VIDEO,
    LTX_VIDEO_DISTILLED,
    SVD,
    SVD_XT,
)
from backend.services.families.wan import (
    WAN_2_1,
    WAN_2_1_FLF2V,
    WAN_2_1_I2V_480P,
    WAN_2_1_I2V_720P,
    WAN_2_1_I2V_DISTILLED,
    WAN_2_1_T2V_14B,
    WAN_2_1_T2V_DISTILLED,
    WAN_2_2,
    WAN_2_2_5B,
    WAN_2_2_I2V,
)

#: One each, the variant that its official template is of.
FAMILIES: tuple[ModelFamily, ...] = (
    SD15, SDXL, PONY, ILLUSTRIOUS, FLUX_DEV, FLUX_SCHNELL, FLUX_KREA, FLUX_PRO, FLUX_KONTEXT,
    HIDREAM, QWEN_IMAGE, QWEN_EDIT, QWEN_EDIT_2509, WAN_2_1, WAN_2_2, LTX_VIDEO, HUNYUAN_VIDEO, SVD,
)  # fmt: skip
#: The same families from other files.
_MORE: tuple[ModelFamily, ...] = (
    SD15_INPAINT, SD15_DISTILLED, SDXL_INPAINT, SDXL_DISTILLED, SDXL_TURBO, FLUX_DEV_DISTILLED,
    HIDREAM_DEV, HIDREAM_FAST, QWEN_IMAGE_DISTILLED, WAN_2_1_T2V_14B, WAN_2_1_T2V_DISTILLED,
    WAN_2_1_I2V_480P, WAN_2_1_I2V_720P, WAN_2_1_I2V_DISTILLED, WAN_2_1_FLF2V, WAN_2_2_I2V,
    WAN_2_2_5B, LTX_VIDEO_DISTILLED, HUNYUAN_VIDEO_I2V, HUNYUAN_VIDEO_I2V_V1, SVD_XT,
)  # fmt: skip
#: All variants, each behind its family.
VARIANTS: tuple[ModelFamily, ...] = tuple(
    one for family in FAMILIES for one in (family, *(v for v in _MORE if v.id == family.id))
)

__all__ = ["FAMILIES", "VARIANTS", "ModelFamily"]

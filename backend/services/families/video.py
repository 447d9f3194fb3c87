"""LTX-Video, HunyuanVideo and Stable Video Diffusion. Settings: the official templates."""

from dataclasses import replace

from backend.services.families.base import (
    FrameRule,
    GraphKind,
    LoraRule,
    ModelFamily,
    NegativeRule,
    Preset,
)
from backend.services.families.slots import (
    CLIP_L,
    T5_XXL,
    clip_loader,
    clip_vision_loader,
    dual_clip_loader,
    vae_loader,
)

LTX_VIDEO = ModelFamily(
    id="ltx_video",
    label="LTX-Video",
    kinds=frozenset({GraphKind.TEXT_TO_VIDEO, GraphKind.IMAGE_TO_VIDEO}),
    folder="checkpoints",
    size_multiple=32,
    default_width=768,
    default_height=512,
    sizes=((768, 512), (512, 768), (1216, 704), (704, 1216)),
    presets={
        "fast": Preset(15, 3.0, "euler", "LTXVScheduler", frames=65),
        "quality": Preset(30, 3.0, "euler", "LTXVScheduler", frames=97),
    },
    official_model="ltx-video-2b-v0.9.5.safetensors",
    vram_gb=8,
    files=(clip_loader(T5_XXL),),
    # LTXVImgToVideo takes no fewer than 9 frames.
    frame_rule=FrameRule(8, minimum=9, maximum=4089),
    default_fps=24.0,
    own_scheduler=True,
    min_side=64,
    hint="Long descriptions; under 1280x720 and 257 frames.",
)
LTX_VIDEO_DISTILLED = replace(
    LTX_VIDEO,
    variant="distilled",
    label="LTX-Video, distilled",
    presets={
        "fast": Preset(6, 1.0, "euler", "LTXVScheduler", frames=65),
        "quality": Preset(8, 1.0, "euler", "LTXVScheduler", frames=97),
    },
    official_model="ltxv-2b-0.9.8-distilled.safetensors",
    negative=NegativeRule.WITHOUT_EFFECT,
)
HUNYUAN_VIDEO = ModelFamily(
    id="hunyuan_video",
    label="HunyuanVideo text to video",
    kinds=frozenset({GraphKind.TEXT_TO_VIDEO}),
    folder="diffusion_models",
    size_multiple=16,
    default_width=848,
    default_height=480,
    sizes=((848, 480), (960, 544), (832, 624), (720, 720), (1280, 720), (1104, 832), (960, 960)),
    presets={
        "fast": Preset(12, 1.0, "euler", "simple", frames=49, shift=7.0, guidance=6.0),
        "quality": Preset(20, 1.0, "euler", "simple", frames=73, shift=7.0, guidance=6.0),
    },
    official_model="hunyuan_video_t2v_720p_bf16.safetensors",
    vram_gb=24,
    files=(
        *dual_clip_loader(
            CLIP_L, ("llava_llama3_fp8_scaled.safetensors", "llava_llama3_fp16.safetensors")
        ),
        vae_loader("hunyuan_video_vae_bf16.safetensors", "hunyuan_video_vae_fp32.safetensors"),
    ),
    frame_rule=FrameRule(4),
    default_fps=24.0,
    negative=NegativeRule.NONE,
    hint="Sentences.",
)
_VISION = clip_vision_loader("llava_llama3_vision.safetensors")
HUNYUAN_VIDEO_I2V = replace(
    HUNYUAN_VIDEO,
    variant="i2v_v2",
    label="HunyuanVideo image to video, v2",
    kinds=frozenset({GraphKind.IMAGE_TO_VIDEO}),
    default_width=720,
    default_height=720,
    presets={
        "fast": Preset(12, 1.0, "euler", "simple", frames=33, shift=7.0, guidance=6.0),
        "quality": Preset(20, 1.0, "euler", "simple", frames=57, shift=7.0, guidance=6.0),
    },
    official_model="hunyuan_video_v2_replace_image_to_video_720p_bf16.safetensors",
    files=(*HUNYUAN_VIDEO.files, _VISION),
)
HUNYUAN_VIDEO_I2V_V1 = replace(
    HUNYUAN_VIDEO_I2V,
    variant="i2v_v1",
    label="HunyuanVideo image to video, v1",
    presets={
        "fast": Preset(12, 1.0, "euler", "simple", frames=29, shift=7.0, guidance=6.0),
        "quality": Preset(20, 1.0, "euler", "simple", frames=53, shift=7.0, guidance=6.0),
    },
    official_model="hunyuan_video_image_to_video_720p_bf16.safetensors",
    # The first 4 frames repeat the start picture and are cut off: 57 give 53.
    frame_rule=FrameRule(4, dropped=4),
)
SVD = ModelFamily(
    id="svd",
    label="Stable Video Diffusion",
    kinds=frozenset({GraphKind.IMAGE_TO_VIDEO}),
    folder="checkpoints",
    size_multiple=8,
    default_width=1024,
    default_height=576,
    sizes=((1024, 576), (576, 1024)),
    presets={
        "fast": Preset(12, 2.5, "euler", "karras", frames=14),
        "quality": Preset(20, 2.5, "euler", "karras", frames=14),
    },
    official_model="svd.safetensors",
    vram_gb=12,
    frame_rule=FrameRule(1, maximum=4096),
    default_fps=10.0,
    lora_rule=LoraRule.NONE,
    negative=NegativeRule.NONE,
    motion_bucket=True,
    hint="Takes no text: the start picture is all it sees.",
)
SVD_XT = replace(
    SVD,
    variant="xt",
    label="Stable Video Diffusion XT",
    presets={
        "fast": Preset(12, 2.5, "euler", "karras", frames=25),
        "quality": Preset(20, 2.5, "euler", "karras", frames=25),
    },
    official_model="svd_xt.safetensors",
    vram_gb=16,
)

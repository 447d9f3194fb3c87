"""Small /object_info answers in ComfyUI's own shape, for tests that need a catalog."""

from collections.abc import Mapping
from typing import Any

from backend.services.comfyui.catalog import ServerCatalog

SAMPLERS = ["euler", "euler_ancestral", "dpmpp_2m", "uni_pc", "lcm"]
SCHEDULERS = ["normal", "karras", "simple", "beta"]
MODELS: Mapping[str, list[str]] = {
    "checkpoints": ["sd_xl_base_1.0.safetensors", "v1-5-pruned-emaonly-fp16.safetensors"],
    "unets": ["wan2.1_t2v_1.3B_fp16.safetensors"],
    "loras": ["test_lora_a.safetensors", "test_lora_b.safetensors", "people/anna.safetensors"],
    "text_encoders": ["umt5_xxl_fp8_e4m3fn_scaled.safetensors"],
    "vaes": ["wan_2.1_vae.safetensors"],
}


def object_info(*, without: tuple[str, ...] = (), **models: list[str]) -> dict[str, Any]:
    """Give the classes that the built-in graphs and the custom ones in the tests use."""
    has = {**MODELS, **models}
    info = {
        "CheckpointLoaderSimple": _node(ckpt_name=[has["checkpoints"], {}]),
        "UNETLoader": _node(unet_name=[has["unets"]], weight_dtype=[["default"]]),
        "CLIPLoader": _node(clip_name=[has["text_encoders"]], type=[["wan"]]),
        "VAELoader": _node(vae_name=[has["vaes"]]),
        "LoraLoader": _node(model=["MODEL"], lora_name=[has["loras"], {"tooltip": "x"}]),
        "LoraLoaderModelOnly": _node(model=["MODEL"], lora_name=[has["loras"]]),
        "KSampler": _node(sampler_name=[SAMPLERS, {}], scheduler=[SCHEDULERS, {}]),
        "ImageBlend": _node(blend_mode=["COMBO", {"options": ["normal", "screen"]}]),
        "LoadImage": _node(image=[["example.png"], {"image_upload": True}]),
        "OddInput": _node(source=[["a.png"], {"image_upload": True}]),
        "SaveImage": _node(output=True, images=["IMAGE"]),
        "PreviewImage": _node(output=True, images=["IMAGE"]),
        "SaveVideo": _node(output=True, video=["VIDEO"]),
    }
    plain = (
        "CLIPTextEncode EmptyLatentImage VAEDecode EmptyImage ModelSamplingSD3 "
        "EmptyHunyuanLatentVideo CreateVideo"
    )
    info |= {name: _node() for name in plain.split()}
    return {name: told for name, told in info.items() if name not in without}


def catalog(*, without: tuple[str, ...] = (), **models: list[str]) -> ServerCatalog:
    return ServerCatalog.from_object_info(object_info(without=without, **models))


def _node(*, output: bool = False, **required: list[Any]) -> dict[str, Any]:
    return {"input": {"required": required}, "output_node": output}

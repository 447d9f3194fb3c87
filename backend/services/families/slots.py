"""Files that several families share: the official names first, then those used in their place.

Other precisions of a name (fp8, fp16, GGUF) need no entry: `workflows/files.py` finds them.
"""

from backend.services.families.base import FileSlot


def clip_loader(names: tuple[str, ...]) -> FileSlot:
    return FileSlot("text_encoder", "text_encoders", names, "CLIPLoader", "clip_name")


def dual_clip_loader(first: tuple[str, ...], second: tuple[str, ...]) -> tuple[FileSlot, FileSlot]:
    return (
        FileSlot("text_encoder", "text_encoders", first, "DualCLIPLoader", "clip_name1"),
        FileSlot("text_encoder_2", "text_encoders", second, "DualCLIPLoader", "clip_name2"),
    )


def vae_loader(*names: str) -> FileSlot:
    return FileSlot("vae", "vae", names, "VAELoader", "vae_name")


def clip_vision_loader(*names: str) -> FileSlot:
    return FileSlot("clip_vision", "clip_vision", names, "CLIPVisionLoader", "clip_name")


def style_model_loader(*names: str) -> FileSlot:
    return FileSlot("style", "style_models", names, "StyleModelLoader", "style_model_name")


def accelerator(*names: str, role: str = "accelerator") -> FileSlot:
    """A LoRA that makes few steps enough."""
    return FileSlot(role, "loras", names, "LoraLoaderModelOnly", "lora_name")


CLIP_L = (
    "clip_l.safetensors",
    "ViT-L-14-TEXT-detail-improved-hiT-GmP-TE-only-HF.safetensors",
    "ViT-L-14-BEST-smooth-GmP-TE-only-HF-format.safetensors",
)
T5_XXL = (
    "t5xxl_fp16.safetensors",
    "t5xxl_fp8_e4m3fn_scaled.safetensors",
    "google_t5-v1_1-xxl_encoderonly-fp8_e4m3fn.safetensors",
    "t5-v1_1-xxl-encoder-Q8_0.gguf",
)
T5_XXL_SMALL = ("t5xxl_fp8_e4m3fn_scaled.safetensors", *T5_XXL[:1], *T5_XXL[2:])
FLUX_VAE = vae_loader(
    "ae.safetensors", "ae.sft", "flux_vae.safetensors", "flux1_vae.safetensors", "FLUX1_ae.sft"
)
UMT5_XXL = (
    "umt5_xxl_fp8_e4m3fn_scaled.safetensors",
    "umt5_xxl_fp16.safetensors",
    "umt5-xxl-enc-bf16.safetensors",
    "umt5-xxl-enc-fp8_e4m3fn.safetensors",
    "umt5-xxl-encoder-Q8_0.gguf",
)
WAN_2_1_VAE = vae_loader(
    "wan_2.1_vae.safetensors", "Wan2_1_VAE_bf16.safetensors", "Wan2.1_VAE.safetensors"
)
WAN_2_2_VAE = vae_loader(
    "wan2.2_vae.safetensors", "Wan2_2_VAE_bf16.safetensors", "Wan2.2_VAE.safetensors"
)

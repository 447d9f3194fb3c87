"""What kind of file a model is, by the folder below models/ that it lies in."""

from enum import StrEnum


class ModelFileType(StrEnum):
    CHECKPOINT = "checkpoint"
    #: A model without encoder and VAE, GGUF files among them.
    DIFFUSION_MODEL = "diffusion_model"
    LORA = "lora"
    VAE = "vae"
    TEXT_ENCODER = "text_encoder"
    CLIP_VISION = "clip_vision"
    STYLE_MODEL = "style_model"
    CONTROLNET = "controlnet"
    UPSCALE_MODEL = "upscale_model"

"""Text to video with Wan 2.1 (1.3B and 14B), from separate model, text encoder and VAE files.

Equal to ComfyUI's own template; LoRAs come right after the loader, before the shift.
"""

from backend.services.workflows.graph import Graph, GraphBuilder, link
from backend.services.workflows.recipe import Recipe

NODE_CLASSES = frozenset(
    {
        "UNETLoader",
        "CLIPLoader",
        "VAELoader",
        "ModelSamplingSD3",
        "CLIPTextEncode",
        "EmptyHunyuanLatentVideo",
        "KSampler",
        "VAEDecode",
        "CreateVideo",
        "SaveVideo",
    }
)
LORA_CLASS = "LoraLoaderModelOnly"
#: The official files first, then those that people use in their place.
TEXT_ENCODERS = (
    "umt5_xxl_fp8_e4m3fn_scaled.safetensors",
    "umt5_xxl_fp16.safetensors",
    "umt5-xxl-enc-bf16.safetensors",
    "umt5-xxl-enc-fp8_e4m3fn.safetensors",
)
VAES = ("wan_2.1_vae.safetensors", "Wan2_1_VAE_bf16.safetensors", "Wan2.1_VAE.safetensors")


def build(recipe: Recipe) -> tuple[Graph, str]:
    """Give the graph and its output node."""
    graph = GraphBuilder()
    unet = graph.add("UNETLoader", unet_name=recipe.model, weight_dtype="default")
    encoder = graph.add("CLIPLoader", clip_name=recipe.text_encoder, type="wan", device="default")
    vae = graph.add("VAELoader", vae_name=recipe.vae)
    for name, weight in recipe.loras:
        unet = graph.add(LORA_CLASS, model=link(unet), lora_name=name, strength_model=weight)
    model = graph.add("ModelSamplingSD3", model=link(unet), shift=recipe.shift)
    positive = graph.add("CLIPTextEncode", clip=link(encoder), text=recipe.prompt)
    negative = graph.add("CLIPTextEncode", clip=link(encoder), text=recipe.negative_prompt)
    latent = graph.add(
        "EmptyHunyuanLatentVideo",
        width=recipe.width,
        height=recipe.height,
        length=recipe.frames,
        batch_size=1,
    )
    sampled = graph.add(
        "KSampler",
        model=link(model),
        seed=recipe.seed,
        steps=recipe.steps,
        cfg=recipe.cfg,
        sampler_name=recipe.sampler,
        scheduler=recipe.scheduler,
        positive=link(positive),
        negative=link(negative),
        latent_image=link(latent),
        denoise=1.0,
    )
    images = graph.add("VAEDecode", samples=link(sampled), vae=link(vae))
    video = graph.add("CreateVideo", images=link(images), fps=recipe.fps)
    output = graph.add(
        "SaveVideo",
        video=link(video),
        filename_prefix=recipe.filename_prefix,
        format="auto",
        codec="auto",
    )
    return graph.nodes, output

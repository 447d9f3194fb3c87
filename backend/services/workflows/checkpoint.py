"""Text to image with one checkpoint file: SD 1.5, SDXL and their kin.

Equal to ComfyUI's own templates: loader → LoRAs → two prompts → sampler → VAE → PNG.
"""

from backend.services.workflows.graph import Graph, GraphBuilder, link
from backend.services.workflows.recipe import Recipe

NODE_CLASSES = frozenset(
    {
        "CheckpointLoaderSimple",
        "CLIPTextEncode",
        "EmptyLatentImage",
        "KSampler",
        "VAEDecode",
        "SaveImage",
    }
)
LORA_CLASS = "LoraLoader"


def build(recipe: Recipe) -> tuple[Graph, str]:
    """Give the graph and its output node. Denoise is 1.0: there is no start picture to keep."""
    graph = GraphBuilder()
    checkpoint = graph.add("CheckpointLoaderSimple", ckpt_name=recipe.model)
    model, clip = link(checkpoint, 0), link(checkpoint, 1)
    for name, weight in recipe.loras:
        lora = graph.add(
            LORA_CLASS,
            model=model,
            clip=clip,
            lora_name=name,
            strength_model=weight,
            strength_clip=weight,
        )
        model, clip = link(lora, 0), link(lora, 1)
    positive = graph.add("CLIPTextEncode", clip=clip, text=recipe.prompt)
    negative = graph.add("CLIPTextEncode", clip=clip, text=recipe.negative_prompt)
    latent = graph.add(
        "EmptyLatentImage",
        width=recipe.width,
        height=recipe.height,
        batch_size=recipe.batch_size,
    )
    sampled = graph.add(
        "KSampler",
        model=model,
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
    images = graph.add("VAEDecode", samples=link(sampled), vae=link(checkpoint, 2))
    output = graph.add("SaveImage", images=link(images), filename_prefix=recipe.filename_prefix)
    return graph.nodes, output

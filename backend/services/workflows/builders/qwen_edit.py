"""Qwen-Image-Edit: changes a picture as it is told.

Without a size asked for, the result has the picture's proportions at about one megapixel.
"""

from backend.services.workflows.builders import parts
from backend.services.workflows.graph import BuiltGraph, GraphBuilder, Link, link
from backend.services.workflows.recipe import Recipe


def build(recipe: Recipe) -> BuiltGraph:
    return build_with(recipe, "TextEncodeQwenImageEdit", ("image",))


def build_with(recipe: Recipe, encoder: str, inputs: tuple[str, ...]) -> BuiltGraph:
    """Build with the encoder of one of the two models; `inputs` are the pictures that it takes."""
    graph = GraphBuilder()
    split = parts.load_split(graph, recipe, "qwen_image")
    loaded = parts.with_model_loras(graph, split, recipe.loras)
    shifted = parts.shifted(graph, loaded.model, recipe, "ModelSamplingAuraFlow")
    model = link(graph.add("CFGNorm", model=shifted, strength=1.0))
    shown = _shown(graph, recipe, inputs)
    conditions = parts.Conditioning(
        *(
            link(graph.add(encoder, clip=loaded.clip, vae=loaded.vae, prompt=text, **shown))
            for text in (recipe.prompt, recipe.negative_prompt)
        )
    )
    latent = _latent(graph, recipe, shown[inputs[0]], loaded.vae)
    samples = parts.sampled(graph, recipe, model, conditions, latent)
    return parts.save_image(graph, recipe, samples, loaded.vae)


def _shown(graph: GraphBuilder, recipe: Recipe, inputs: tuple[str, ...]) -> dict[str, Link]:
    """Load the pictures; only the first gives the size, so only that is scaled here."""
    shown: dict[str, Link] = {}
    for name, source in zip(inputs, recipe.pictures.shown, strict=False):
        image = link(graph.load_image(source))
        if not shown:
            node = graph.add(
                "ImageScaleToTotalPixels", image=image, upscale_method="lanczos", megapixels=1.0
            )
            image = link(node)
        shown[name] = image
    return shown


def _latent(graph: GraphBuilder, recipe: Recipe, first: Link, vae: Link) -> Link:
    if recipe.sized:
        size = {"width": recipe.width, "height": recipe.height}
        return link(graph.add("EmptySD3LatentImage", **size, batch_size=recipe.batch_size))
    return parts.repeated(graph, parts.encoded(graph, first, vae), recipe)

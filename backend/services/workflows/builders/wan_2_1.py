"""Wan 2.1: text, one picture, or a first and a last picture to video.

Its image models see the pictures through CLIP vision, too. LoRAs come before the shift.
"""

from typing import Any

from backend.services.families.base import GraphKind
from backend.services.workflows.builders import parts
from backend.services.workflows.graph import BuiltGraph, GraphBuilder, Link, link
from backend.services.workflows.recipe import Recipe


def build(recipe: Recipe) -> BuiltGraph:
    graph = GraphBuilder()
    split = parts.load_split(graph, recipe, "wan")
    loaded = parts.with_model_loras(graph, split, recipe.loras)
    model = parts.shifted(graph, loaded.model, recipe, "ModelSamplingSD3")
    conditions = parts.prompts(graph, loaded.clip, recipe)
    conditions, latent = begun(graph, recipe, loaded.vae, conditions)
    samples = parts.sampled(graph, recipe, model, conditions, latent)
    return parts.decode_and_save_video(graph, recipe, samples, loaded.vae)


def begun(
    graph: GraphBuilder, recipe: Recipe, vae: Link, conditions: parts.Conditioning
) -> tuple[parts.Conditioning, Link]:
    """Give the conditions with the pictures in them, and the latent."""
    size = parts.video_size(recipe)
    if recipe.kind is GraphKind.TEXT_TO_VIDEO:
        return conditions, link(graph.add("EmptyHunyuanLatentVideo", **size))
    last = recipe.kind is GraphKind.FIRST_LAST_FRAME
    node = graph.add(
        "WanFirstLastFrameToVideo" if last else "WanImageToVideo",
        positive=conditions.positive,
        negative=conditions.negative,
        vae=vae,
        **size,
        **_pictures(graph, recipe),
    )
    return parts.Conditioning(link(node, 0), link(node, 1)), link(node, 2)


def _pictures(graph: GraphBuilder, recipe: Recipe) -> dict[str, Any]:
    start = link(graph.load_image(recipe.pictures.start or ""))
    if recipe.kind is not GraphKind.FIRST_LAST_FRAME:
        seen = _seen(graph, recipe, [start])
        return {**({"clip_vision_output": seen[0]} if seen else {}), "start_image": start}
    end = link(graph.load_image(recipe.pictures.end or ""))
    names = ("clip_vision_start_image", "clip_vision_end_image")
    seen = _seen(graph, recipe, [start, end])
    return {**dict(zip(names, seen, strict=False)), "start_image": start, "end_image": end}


def _seen(graph: GraphBuilder, recipe: Recipe, images: list[Link]) -> list[Link]:
    """See pictures through CLIP vision; Wan 2.2 does without."""
    if "clip_vision" not in recipe.files:
        return []
    vision = link(graph.add("CLIPVisionLoader", clip_name=recipe.file("clip_vision")))
    return [
        link(graph.add("CLIPVisionEncode", clip_vision=vision, image=image, crop="none"))
        for image in images
    ]

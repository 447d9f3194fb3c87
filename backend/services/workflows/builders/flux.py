"""Flux.1 dev, schnell, Krea and finetunes, from separate files or from one checkpoint.

Guidance is an input of the model; cfg is 1, and what is not wanted is a zeroed prompt.
"""

from backend.services.workflows.builders import parts
from backend.services.workflows.graph import BuiltGraph, GraphBuilder, Link, link
from backend.services.workflows.recipe import Recipe


def build(recipe: Recipe) -> BuiltGraph:
    graph = GraphBuilder()
    loaded = parts.with_model_loras(graph, _load(graph, recipe), recipe.loras)
    prompt = link(graph.add("CLIPTextEncode", clip=loaded.clip, text=recipe.prompt))
    negative = link(graph.add("ConditioningZeroOut", conditioning=prompt))
    positive = guided(graph, _shown(graph, prompt, recipe), recipe)
    latent = parts.still_latent(graph, recipe, loaded.vae, "EmptySD3LatentImage")
    conditions = parts.Conditioning(positive, negative)
    samples = parts.sampled(graph, recipe, loaded.model, conditions, latent)
    return parts.save_image(graph, recipe, samples, loaded.vae)


def guided(graph: GraphBuilder, conditioning: Link, recipe: Recipe) -> Link:
    """Set the guidance; schnell and Krea take none."""
    guidance = recipe.settings.guidance
    if guidance is None:
        return conditioning
    return link(graph.add("FluxGuidance", conditioning=conditioning, guidance=guidance))


def _load(graph: GraphBuilder, recipe: Recipe) -> parts.LoadedModels:
    if recipe.files["model"].class_type == "CheckpointLoaderSimple":
        return parts.load_checkpoint(graph, recipe)
    return parts.load_split(graph, recipe, "flux")


def _shown(graph: GraphBuilder, prompt: Link, recipe: Recipe) -> Link:
    """Show the model pictures of somebody or something, by Flux Redux."""
    if not recipe.pictures.references:
        return prompt
    style = graph.add("StyleModelLoader", style_model_name=recipe.file("style"))
    vision = graph.add("CLIPVisionLoader", clip_name=recipe.file("clip_vision"))
    for source in recipe.pictures.references:
        picture = graph.load_image(source)
        seen = graph.add(
            "CLIPVisionEncode", clip_vision=link(vision), image=link(picture), crop="center"
        )
        applied = graph.add(
            "StyleModelApply",
            conditioning=prompt,
            style_model=link(style),
            clip_vision_output=link(seen),
            strength=1.0,
            strength_type="multiply",
        )
        prompt = link(applied)
    return prompt

"""SD 1.5 and checkpoints whose family is unknown: loader → LoRAs → two prompts → sampler → PNG."""

from backend.services.workflows.builders import parts
from backend.services.workflows.graph import BuiltGraph, GraphBuilder, Link, link
from backend.services.workflows.recipe import Recipe


def build(recipe: Recipe) -> BuiltGraph:
    graph = GraphBuilder()
    loaded = parts.with_loras(graph, parts.load_checkpoint(graph, recipe), recipe.loras)
    conditions = parts.prompts(graph, clip_of(graph, loaded.clip, recipe), recipe)
    latent = parts.still_latent(graph, recipe, loaded.vae, "EmptyLatentImage")
    samples = parts.sampled(graph, recipe, loaded.model, conditions, latent)
    return parts.save_image(graph, recipe, samples, loaded.vae)


def clip_of(graph: GraphBuilder, clip: Link, recipe: Recipe) -> Link:
    """Leave out the encoder's last layers; behind the LoRAs, which change the encoder too."""
    if recipe.clip_skip == 1:
        return clip
    return link(graph.add("CLIPSetLastLayer", clip=clip, stop_at_clip_layer=-recipe.clip_skip))

"""HiDream-I1, full, dev and fast: four text encoders, and a shifted model."""

from dataclasses import replace

from backend.services.workflows.builders import parts
from backend.services.workflows.graph import BuiltGraph, GraphBuilder
from backend.services.workflows.recipe import Recipe


def build(recipe: Recipe) -> BuiltGraph:
    graph = GraphBuilder()
    loaded = parts.with_model_loras(graph, parts.load_split(graph, recipe), recipe.loras)
    model = parts.shifted(graph, loaded.model, recipe, "ModelSamplingSD3")
    loaded = replace(loaded, model=model)
    latent = parts.still_latent(graph, recipe, loaded.vae, "EmptySD3LatentImage")
    conditions = parts.prompts(graph, loaded.clip, recipe)
    samples = parts.sampled(graph, recipe, loaded.model, conditions, latent)
    return parts.save_image(graph, recipe, samples, loaded.vae)

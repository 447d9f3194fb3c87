"""Qwen-Image: text to image, or begun from a picture."""

from backend.services.workflows.builders import parts
from backend.services.workflows.graph import BuiltGraph, GraphBuilder
from backend.services.workflows.recipe import Recipe


def build(recipe: Recipe) -> BuiltGraph:
    graph = GraphBuilder()
    split = parts.load_split(graph, recipe, "qwen_image")
    loaded = parts.with_model_loras(graph, split, recipe.loras)
    model = parts.shifted(graph, loaded.model, recipe, "ModelSamplingAuraFlow")
    conditions = parts.prompts(graph, loaded.clip, recipe)
    latent = parts.still_latent(graph, recipe, loaded.vae, "EmptySD3LatentImage")
    samples = parts.sampled(graph, recipe, model, conditions, latent)
    return parts.save_image(graph, recipe, samples, loaded.vae)

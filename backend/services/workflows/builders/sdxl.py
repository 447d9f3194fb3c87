"""SDXL, alone or with its refiner, which takes over for the last steps."""

from backend.services.families.base import GraphKind
from backend.services.workflows.builders import parts, stable_diffusion
from backend.services.workflows.graph import BuiltGraph, GraphBuilder, link
from backend.services.workflows.recipe import Recipe


def build(recipe: Recipe) -> BuiltGraph:
    if "refiner" not in recipe.files:
        return stable_diffusion.build(recipe)
    graph = GraphBuilder()
    base = parts.with_loras(graph, parts.load_checkpoint(graph, recipe), recipe.loras)
    refiner = graph.add("CheckpointLoaderSimple", ckpt_name=recipe.file("refiner"))
    vae = base.vae if "vae" in recipe.files else link(refiner, 2)
    latent = parts.still_latent(graph, recipe, base.vae, "EmptyLatentImage")
    wanted = parts.prompts(graph, stable_diffusion.clip_of(graph, base.clip, recipe), recipe)
    refined = parts.prompts(graph, link(refiner, 1), recipe)
    switch = parts.switch_step(recipe)
    stages = (
        parts.Stage(base.model, wanted, start=_first_step(recipe, switch), end=switch),
        parts.Stage(link(refiner, 0), refined, start=switch, end=None),
    )
    samples = parts.sampled_in_stages(graph, recipe, latent, stages)
    return parts.save_image(graph, recipe, samples, vae)


def _first_step(recipe: Recipe, switch: int) -> int:
    """Skip the steps that a start picture is to keep; this sampler knows no denoise."""
    if recipe.kind is GraphKind.TEXT_TO_IMAGE:
        return 0
    return min(switch - 1, round(recipe.settings.steps * (1.0 - recipe.denoise)))

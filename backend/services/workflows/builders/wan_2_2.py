"""Wan 2.2: 14B, where a model for the noisy steps hands over to another, and 5B, which is one."""

from backend.services.workflows.builders import parts
from backend.services.workflows.builders.wan_2_1 import begun
from backend.services.workflows.graph import BuiltGraph, GraphBuilder, Link, link
from backend.services.workflows.recipe import Recipe


def build(recipe: Recipe) -> BuiltGraph:
    return _two_stages(recipe) if "low" in recipe.files else _one(recipe)


def _two_stages(recipe: Recipe) -> BuiltGraph:
    graph = GraphBuilder()
    clip = parts.load_encoders(graph, recipe, "wan")
    vae = link(graph.add("VAELoader", vae_name=recipe.file("vae")))
    loaded = [(stage, parts.load_model(graph, recipe, stage)) for stage in ("high", "low")]
    chained = [_with_loras(graph, recipe, stage, model) for stage, model in loaded]
    high, low = [parts.shifted(graph, model, recipe, "ModelSamplingSD3") for model in chained]
    conditions = parts.prompts(graph, clip, recipe)
    conditions, latent = begun(graph, recipe, vae, conditions)
    switch = parts.switch_step(recipe)
    stages = (
        parts.Stage(high, conditions, start=0, end=switch),
        parts.Stage(low, conditions, start=switch, end=None),
    )
    samples = parts.sampled_in_stages(graph, recipe, latent, stages)
    return parts.decode_and_save_video(graph, recipe, samples, vae)


def _with_loras(graph: GraphBuilder, recipe: Recipe, stage: str, model: Link) -> Link:
    """Chain the stage's own LoRAs and those for both."""
    return parts.on_model(graph, model, [r for r in recipe.loras if r.stage in {None, stage}])


def _one(recipe: Recipe) -> BuiltGraph:
    graph = GraphBuilder()
    split = parts.load_split(graph, recipe, "wan")
    loaded = parts.with_model_loras(graph, split, recipe.loras)
    model = parts.shifted(graph, loaded.model, recipe, "ModelSamplingSD3")
    latent = _latent(graph, recipe, loaded.vae)
    conditions = parts.prompts(graph, loaded.clip, recipe)
    samples = parts.sampled(graph, recipe, model, conditions, latent)
    return parts.decode_and_save_video(graph, recipe, samples, loaded.vae)


def _latent(graph: GraphBuilder, recipe: Recipe, vae: Link) -> Link:
    start = recipe.pictures.start
    begin = {} if start is None else {"start_image": link(graph.load_image(start))}
    size = parts.video_size(recipe)
    return link(graph.add("Wan22ImageToVideoLatent", vae=vae, **size, **begin))

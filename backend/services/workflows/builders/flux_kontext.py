"""Flux.1 Kontext: changes a picture as it is told; further pictures show what to take over.

Without a size asked for, the result has that of the first picture, scaled to the nearest of the
sizes that the model was trained on.
"""

from backend.services.workflows.builders import parts
from backend.services.workflows.builders.flux import guided
from backend.services.workflows.graph import BuiltGraph, GraphBuilder, Link, link
from backend.services.workflows.recipe import Recipe


def build(recipe: Recipe) -> BuiltGraph:
    graph = GraphBuilder()
    loaded = parts.with_model_loras(graph, parts.load_split(graph, recipe, "flux"), recipe.loras)
    prompt = link(graph.add("CLIPTextEncode", clip=loaded.clip, text=recipe.prompt))
    negative = link(graph.add("ConditioningZeroOut", conditioning=prompt))
    seen = [_seen(graph, source, loaded.vae) for source in recipe.pictures.shown]
    for latent in seen:
        prompt = link(graph.add("ReferenceLatent", conditioning=prompt, latent=latent))
    conditions = parts.Conditioning(guided(graph, prompt, recipe), negative)
    begin = _begin(graph, recipe, seen[0])
    samples = parts.sampled(graph, recipe, loaded.model, conditions, begin)
    return parts.save_image(graph, recipe, samples, loaded.vae)


def _seen(graph: GraphBuilder, source: str, vae: Link) -> Link:
    picture = graph.load_image(source)
    fitted = graph.add("FluxKontextImageScale", image=link(picture))
    return parts.encoded(graph, link(fitted), vae)


def _begin(graph: GraphBuilder, recipe: Recipe, first: Link) -> Link:
    if not recipe.sized:
        return parts.repeated(graph, first, recipe)
    size = {"width": recipe.width, "height": recipe.height}
    return link(graph.add("EmptySD3LatentImage", **size, batch_size=recipe.batch_size))

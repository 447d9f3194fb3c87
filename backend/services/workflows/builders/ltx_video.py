"""LTX-Video: model and VAE in one checkpoint, the text encoder apart, sigmas of its own."""

from backend.services.workflows.builders import parts
from backend.services.workflows.graph import BuiltGraph, GraphBuilder, Link, link
from backend.services.workflows.recipe import Recipe

#: What the official graph tells the model, whatever the file's speed then is.
_TRAINED_RATE = 25.0


def build(recipe: Recipe) -> BuiltGraph:
    graph = GraphBuilder()
    checkpoint = graph.add("CheckpointLoaderSimple", ckpt_name=recipe.file("model"))
    clip = parts.load_encoders(graph, recipe, "ltxv")
    whole = parts.LoadedModels(link(checkpoint, 0), clip, link(checkpoint, 2))
    loaded = parts.with_model_loras(graph, whole, recipe.loras)
    conditions = parts.prompts(graph, loaded.clip, recipe)
    conditions, latent = _begun(graph, recipe, loaded.vae, conditions)
    samples = _sampled(graph, recipe, loaded.model, conditions, latent)
    return parts.decode_and_save_video(graph, recipe, samples, loaded.vae)


def _begun(
    graph: GraphBuilder, recipe: Recipe, vae: Link, conditions: parts.Conditioning
) -> tuple[parts.Conditioning, Link]:
    size = parts.video_size(recipe)
    if recipe.pictures.start is None:
        return conditions, link(graph.add("EmptyLTXVLatentVideo", **size))
    picture = graph.load_image(recipe.pictures.start)
    # Films are what it knows: a picture without traces of compression would stand still.
    pressed = graph.add("LTXVPreprocess", image=link(picture), img_compression=40)
    node = graph.add(
        "LTXVImgToVideo",
        positive=conditions.positive,
        negative=conditions.negative,
        vae=vae,
        image=link(pressed),
        **size,
        strength=1.0,
    )
    return parts.Conditioning(link(node, 0), link(node, 1)), link(node, 2)


def _sampled(
    graph: GraphBuilder, recipe: Recipe, model: Link, conditions: parts.Conditioning, latent: Link
) -> Link:
    settings = recipe.settings
    timed = graph.add(
        "LTXVConditioning",
        positive=conditions.positive,
        negative=conditions.negative,
        frame_rate=recipe.wanted_fps or _TRAINED_RATE,
    )
    sigmas = graph.add(
        "LTXVScheduler",
        steps=settings.steps,
        max_shift=2.05,
        base_shift=0.95,
        stretch=True,
        terminal=0.1,
        latent=latent,
    )
    sampler = graph.add("KSamplerSelect", sampler_name=settings.sampler)
    node = graph.add(
        "SamplerCustom",
        model=model,
        add_noise=True,
        noise_seed=recipe.seed,
        cfg=settings.cfg,
        positive=link(timed, 0),
        negative=link(timed, 1),
        sampler=link(sampler),
        sigmas=link(sigmas),
        latent_image=latent,
    )
    return link(node, 0)

"""HunyuanVideo: text to video, and both versions of image to video. No negative prompt."""

from backend.services.families.base import GraphKind
from backend.services.workflows.builders import parts
from backend.services.workflows.builders.flux import guided
from backend.services.workflows.graph import BuiltGraph, GraphBuilder, Link, link
from backend.services.workflows.recipe import Recipe

#: By variant: how the start picture is worked in, and every which image token is read.
_GUIDANCE = {"i2v_v1": ("v1 (concat)", 2), "i2v_v2": ("v2 (replace)", 4)}
_ALL = 4096


def build(recipe: Recipe) -> BuiltGraph:
    graph = GraphBuilder()
    split = parts.load_split(graph, recipe, "hunyuan_video")
    loaded = parts.with_model_loras(graph, split, recipe.loras)
    conditioning, latent = _begun(graph, recipe, loaded)
    samples = _sampled(graph, recipe, loaded.model, guided(graph, conditioning, recipe), latent)
    images = graph.add(
        "VAEDecodeTiled",
        samples=samples,
        vae=loaded.vae,
        tile_size=256,
        overlap=64,
        temporal_size=64,
        temporal_overlap=8,
    )
    dropped = recipe.family.frame_rule.dropped if recipe.family.frame_rule else 0
    if dropped:
        images = graph.add("ImageFromBatch", image=link(images), batch_index=dropped, length=_ALL)
    return parts.save_video(graph, recipe, link(images))


def _begun(graph: GraphBuilder, recipe: Recipe, loaded: parts.LoadedModels) -> tuple[Link, Link]:
    size = parts.video_size(recipe)
    if recipe.kind is GraphKind.TEXT_TO_VIDEO:
        prompt = graph.add("CLIPTextEncode", clip=loaded.clip, text=recipe.prompt)
        return link(prompt), link(graph.add("EmptyHunyuanLatentVideo", **size))
    guidance_type, interleave = _GUIDANCE[recipe.family.variant]
    picture = link(graph.load_image(recipe.pictures.start or ""))
    vision = graph.add("CLIPVisionLoader", clip_name=recipe.file("clip_vision"))
    seen = graph.add("CLIPVisionEncode", clip_vision=link(vision), image=picture, crop="none")
    prompt = graph.add(
        "TextEncodeHunyuanVideo_ImageToVideo",
        clip=loaded.clip,
        clip_vision_output=link(seen),
        prompt=recipe.prompt,
        image_interleave=interleave,
    )
    node = graph.add(
        "HunyuanImageToVideo",
        positive=link(prompt),
        vae=loaded.vae,
        **size,
        guidance_type=guidance_type,
        start_image=picture,
    )
    return link(node, 0), link(node, 1)


def _sampled(
    graph: GraphBuilder, recipe: Recipe, model: Link, conditioning: Link, latent: Link
) -> Link:
    settings = recipe.settings
    shifted = parts.shifted(graph, model, recipe, "ModelSamplingSD3")
    noise = graph.add("RandomNoise", noise_seed=recipe.seed)
    guider = graph.add("BasicGuider", model=shifted, conditioning=conditioning)
    sampler = graph.add("KSamplerSelect", sampler_name=settings.sampler)
    # The official graph takes the sigmas of the model before the shift.
    sigmas = graph.add(
        "BasicScheduler",
        model=model,
        scheduler=settings.scheduler,
        steps=settings.steps,
        denoise=1.0,
    )
    node = graph.add(
        "SamplerCustomAdvanced",
        noise=link(noise),
        guider=link(guider),
        sampler=link(sampler),
        sigmas=link(sigmas),
        latent_image=latent,
    )
    return link(node, 0)

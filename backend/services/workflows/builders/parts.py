"""Stretches that several families' graphs share."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from backend.services.families.base import GraphKind
from backend.services.workflows.files import GGUF_LOADERS
from backend.services.workflows.graph import BuiltGraph, GraphBuilder, Link, link
from backend.services.workflows.recipe import Lora, Recipe


@dataclass(frozen=True)
class LoadedModels:
    """What the loaders give."""

    model: Link
    clip: Link
    vae: Link


@dataclass(frozen=True)
class Conditioning:
    """What is to be seen, and what not."""

    positive: Link
    negative: Link


def load_checkpoint(graph: GraphBuilder, recipe: Recipe) -> LoadedModels:
    """Load a file with everything in it; its VAE may be replaced by a file of its own."""
    checkpoint = graph.add("CheckpointLoaderSimple", ckpt_name=recipe.file("model"))
    vae = link(checkpoint, 2)
    if "vae" in recipe.files:
        vae = link(graph.add("VAELoader", vae_name=recipe.file("vae")))
    return LoadedModels(link(checkpoint, 0), link(checkpoint, 1), vae)


def load_split(graph: GraphBuilder, recipe: Recipe, clip_type: str = "") -> LoadedModels:
    """Load model, text encoders and VAE from files of their own."""
    model = load_model(graph, recipe, "model")
    clip = load_encoders(graph, recipe, clip_type)
    vae = graph.add("VAELoader", vae_name=recipe.file("vae"))
    return LoadedModels(model, clip, link(vae))


def load_model(graph: GraphBuilder, recipe: Recipe, role: str) -> Link:
    found = recipe.files[role]
    if found.class_type == "UNETLoader":
        return link(graph.add("UNETLoader", unet_name=found.name, weight_dtype="default"))
    return link(graph.add(found.class_type, unet_name=found.name))


def load_encoders(graph: GraphBuilder, recipe: Recipe, clip_type: str = "") -> Link:
    """One loader for one, two or four text encoders; that for GGUF takes other files as well."""
    roles = ("text_encoder", "text_encoder_2", "text_encoder_3", "text_encoder_4")
    found = [recipe.files[role] for role in roles if role in recipe.files]
    gguf = next((one.class_type for one in found if one.class_type in GGUF_LOADERS.values()), None)
    class_type = gguf or found[0].class_type
    if len(found) == 1:
        inputs = {"clip_name": found[0].name}
    else:
        inputs = {f"clip_name{number}": one.name for number, one in enumerate(found, 1)}
    if clip_type:
        inputs["type"] = clip_type
        inputs |= {} if gguf else {"device": "default"}
    return link(graph.add(class_type, **inputs))


def with_loras(graph: GraphBuilder, loaded: LoadedModels, loras: Iterable[Lora]) -> LoadedModels:
    """Chain LoRAs on model and text encoder."""
    model, clip = loaded.model, loaded.clip
    for lora in loras:
        node = graph.add(
            "LoraLoader",
            model=model,
            clip=clip,
            lora_name=lora.name,
            strength_model=lora.weight,
            strength_clip=lora.weight if lora.clip_weight is None else lora.clip_weight,
        )
        model, clip = link(node, 0), link(node, 1)
    return replace(loaded, model=model, clip=clip)


def with_model_loras(
    graph: GraphBuilder, loaded: LoadedModels, loras: Iterable[Lora]
) -> LoadedModels:
    """Chain LoRAs on the model, and on the encoder those that are given a strength for it."""
    for lora in loras:
        if lora.clip_weight is None:
            loaded = replace(loaded, model=on_model(graph, loaded.model, [lora]))
        else:
            loaded = with_loras(graph, loaded, [lora])
    return loaded


def on_model(graph: GraphBuilder, model: Link, loras: Iterable[Lora]) -> Link:
    for lora in loras:
        node = graph.add(
            "LoraLoaderModelOnly", model=model, lora_name=lora.name, strength_model=lora.weight
        )
        model = link(node)
    return model


def shifted(graph: GraphBuilder, model: Link, recipe: Recipe, class_type: str) -> Link:
    return link(graph.add(class_type, model=model, shift=recipe.settings.shift))


def prompts(graph: GraphBuilder, clip: Link, recipe: Recipe) -> Conditioning:
    positive = graph.add("CLIPTextEncode", clip=clip, text=recipe.prompt)
    negative = graph.add("CLIPTextEncode", clip=clip, text=recipe.negative_prompt)
    return Conditioning(link(positive), link(negative))


def still_latent(graph: GraphBuilder, recipe: Recipe, vae: Link, empty: str) -> Link:
    """Give the latent that an image begins as: noise, a picture, or a picture under a mask."""
    if recipe.kind is GraphKind.TEXT_TO_IMAGE or recipe.pictures.start is None:
        node = graph.add(
            empty, width=recipe.width, height=recipe.height, batch_size=recipe.batch_size
        )
        return link(node)
    picture = graph.load_image(recipe.pictures.start)
    pixels = scaled(graph, link(picture), recipe)
    if recipe.kind is GraphKind.INPAINT and recipe.pictures.mask is not None:
        latent = _masked(graph, recipe, vae, pixels)
    else:
        latent = encoded(graph, pixels, vae)
    return repeated(graph, latent, recipe)


def scaled(graph: GraphBuilder, image: Link, recipe: Recipe) -> Link:
    """Fit a picture to the size that is made; what is too much is cut off around the centre."""
    node = graph.add(
        "ImageScale",
        image=image,
        upscale_method="lanczos",
        width=recipe.width,
        height=recipe.height,
        crop="center",
    )
    return link(node)


def encoded(graph: GraphBuilder, pixels: Link, vae: Link) -> Link:
    return link(graph.add("VAEEncode", pixels=pixels, vae=vae))


def repeated(graph: GraphBuilder, latent: Link, recipe: Recipe) -> Link:
    """Make as many of a latent that comes from a picture as the batch has takes."""
    if recipe.batch_size == 1:
        return latent
    return link(graph.add("RepeatLatentBatch", samples=latent, amount=recipe.batch_size))


def _masked(graph: GraphBuilder, recipe: Recipe, vae: Link, pixels: Link) -> Link:
    mask = _mask(graph, recipe)
    if recipe.family.variant == "inpaint":
        # Made for it: what lies under the mask is greyed out, so nothing of it may be kept.
        node = graph.add("VAEEncodeForInpaint", pixels=pixels, vae=vae, mask=mask, grow_mask_by=6)
    else:
        latent = encoded(graph, pixels, vae)
        node = graph.add("SetLatentNoiseMask", samples=latent, mask=mask)
    return link(node)


def _mask(graph: GraphBuilder, recipe: Recipe) -> Link:
    """Give the mask at the picture's size: white is painted anew.

    A mask that is the picture itself means its transparent parts.
    """
    source = recipe.pictures.mask or ""
    loaded = graph.load_image(source)
    image = link(loaded)
    if source == recipe.pictures.start:
        image = link(graph.add("MaskToImage", mask=link(loaded, 1)))
    fitted = scaled(graph, image, recipe)
    return link(graph.add("ImageToMask", image=fitted, channel="red"))


def sampled(
    graph: GraphBuilder, recipe: Recipe, model: Link, conditions: Conditioning, latent: Link
) -> Link:
    settings = recipe.settings
    node = graph.add(
        "KSampler",
        model=model,
        seed=recipe.seed,
        steps=settings.steps,
        cfg=settings.cfg,
        sampler_name=settings.sampler,
        scheduler=settings.scheduler,
        positive=conditions.positive,
        negative=conditions.negative,
        latent_image=latent,
        denoise=recipe.denoise,
    )
    return link(node)


@dataclass(frozen=True)
class Stage:
    """One of two models that share the steps. The first adds the noise, the last takes it all."""

    model: Link
    conditions: Conditioning
    start: int
    end: int | None


def sampled_in_stages(
    graph: GraphBuilder, recipe: Recipe, latent: Link, stages: tuple[Stage, Stage]
) -> Link:
    settings = recipe.settings
    for first, stage in zip((True, False), stages, strict=True):
        node = graph.add(
            "KSamplerAdvanced",
            model=stage.model,
            add_noise="enable" if first else "disable",
            noise_seed=recipe.seed if first else 0,
            steps=settings.steps,
            cfg=settings.cfg,
            sampler_name=settings.sampler,
            scheduler=settings.scheduler,
            positive=stage.conditions.positive,
            negative=stage.conditions.negative,
            latent_image=latent,
            start_at_step=stage.start,
            end_at_step=10_000 if stage.end is None else stage.end,
            return_with_leftover_noise="enable" if first else "disable",
        )
        latent = link(node)
    return latent


def switch_step(recipe: Recipe) -> int:
    """Give the step at which the second model takes over; both have one if there are two."""
    steps = recipe.settings.steps
    return max(1, min(steps - 1, round(steps * (recipe.settings.switch or 0.5))))


def save_image(graph: GraphBuilder, recipe: Recipe, samples: Link, vae: Link) -> BuiltGraph:
    images = graph.add("VAEDecode", samples=samples, vae=vae)
    output = graph.add("SaveImage", images=link(images), filename_prefix=recipe.filename_prefix)
    return graph.finished(output)


def save_video(graph: GraphBuilder, recipe: Recipe, images: Link) -> BuiltGraph:
    video = graph.add("CreateVideo", images=images, fps=recipe.fps)
    output = graph.add(
        "SaveVideo",
        video=link(video),
        filename_prefix=recipe.filename_prefix,
        format="auto",
        codec="auto",
    )
    return graph.finished(output)


def decode_and_save_video(
    graph: GraphBuilder, recipe: Recipe, samples: Link, vae: Link
) -> BuiltGraph:
    images = graph.add("VAEDecode", samples=samples, vae=vae)
    return save_video(graph, recipe, link(images))


def video_size(recipe: Recipe) -> dict[str, int]:
    """Give what the video nodes take; a batch would come out as one long film."""
    return {
        "width": recipe.width,
        "height": recipe.height,
        "length": recipe.length,
        "batch_size": 1,
    }

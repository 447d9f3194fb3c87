"""Lists the model files of one ComfyUI server, each with the family of its name. Pure.

Families stand by the names of files, in the alphabet's order: an object for each of ten thousand
files would be work for the garbage collector as long as the catalog lives.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping

from backend.models.model_file import ModelFileType
from backend.services.comfyui.catalog import ServerCatalog
from backend.services.families.base import ModelFamily
from backend.services.families.detection import detect_family
from backend.services.families.lora_and_vae import family_of_lora, family_of_vae

UNKNOWN = "unknown"

#: Which inputs of which node classes list the files of a kind.
_LISTS: Mapping[ModelFileType, tuple[tuple[str, str], ...]] = {
    ModelFileType.CHECKPOINT: (("CheckpointLoaderSimple", "ckpt_name"),),
    ModelFileType.DIFFUSION_MODEL: (("UNETLoader", "unet_name"), ("UnetLoaderGGUF", "unet_name")),
    ModelFileType.LORA: (("LoraLoader", "lora_name"),),
    ModelFileType.VAE: (("VAELoader", "vae_name"),),
    ModelFileType.TEXT_ENCODER: (("CLIPLoader", "clip_name"), ("CLIPLoaderGGUF", "clip_name")),
    ModelFileType.CLIP_VISION: (("CLIPVisionLoader", "clip_name"),),
    ModelFileType.STYLE_MODEL: (("StyleModelLoader", "style_model_name"),),
    ModelFileType.CONTROLNET: (("ControlNetLoader", "control_net_name"),),
    ModelFileType.UPSCALE_MODEL: (("UpscaleModelLoader", "model_name"),),
}
#: Of the other kinds no name tells which models they go with.
_TELLS: Mapping[ModelFileType, Callable[[str], ModelFamily | None]] = {
    ModelFileType.CHECKPOINT: detect_family,
    ModelFileType.DIFFUSION_MODEL: detect_family,
    ModelFileType.LORA: family_of_lora,
    ModelFileType.VAE: family_of_vae,
}


def models_of(catalog: ServerCatalog) -> Mapping[str, str]:
    """Give checkpoints and diffusion models with their families."""
    return catalog.remembered("models", _models)


def loras_of(catalog: ServerCatalog) -> Mapping[str, str]:
    return catalog.remembered("loras", lambda known: _families(known, ModelFileType.LORA))


def vaes_of(catalog: ServerCatalog) -> Mapping[str, str]:
    return catalog.remembered("vaes", lambda known: _families(known, ModelFileType.VAE))


def files_of(catalog: ServerCatalog, kind: ModelFileType) -> Iterator[str]:
    """Give the names of a kind; some may come twice."""
    for class_type, input_name in _LISTS[kind]:
        yield from catalog.choices(class_type, input_name)


def family_of(name: str, kind: ModelFileType) -> str:
    """Give the id of a file's family, or UNKNOWN. It takes up to a tenth of a millisecond."""
    tell = _TELLS.get(kind)
    family = tell(name) if tell else None
    return family.id if family else UNKNOWN


def _models(catalog: ServerCatalog) -> Mapping[str, str]:
    return _families(catalog, ModelFileType.CHECKPOINT, ModelFileType.DIFFUSION_MODEL)


def _families(catalog: ServerCatalog, *kinds: ModelFileType) -> Mapping[str, str]:
    names: Iterable[str] = {name for kind in kinds for name in files_of(catalog, kind)}
    return {name: family_of(name, kinds[0]) for name in sorted(names)}

"""Families of LoRAs and VAEs by file name, else by folder: people sort their LoRAs by base model.

A name that does not say is not guessed at: a version such as "v1.5" is the LoRA's own.
"""

import re
from collections.abc import Iterator

from backend.services.families import FAMILIES, VARIANTS, flux, hidream, qwen, video, wan
from backend.services.families import stable_diffusion as sd
from backend.services.families.base import ModelFamily
from backend.services.families.detection import OTHER_BASES
from backend.services.families.names import stem, without_precision

#: None stands for another base.
_Patterns = tuple[tuple[ModelFamily | None, re.Pattern[str]], ...]

#: Folders often have the name that CivitAI gives a base model, "Wan Video 2.2 I2V-A14B".
_GAP = r"[._\s-]*"
_EDGE = r"(?:^|[._\s-])"
_END = r"(?=$|[._\s-]|\d)"
_WAN = rf"(?<![a-z])wan{_GAP}(?:video)?{_GAP}v?"

#: First match wins. A LoRA for any variant of a family is one of that family.
_BASES: tuple[tuple[ModelFamily, str], ...] = (
    (video.HUNYUAN_VIDEO, r"hunyuan|hyvideo"),
    (video.LTX_VIDEO, rf"{_EDGE}ltxv?{_END}|ltxv|ltx{_GAP}video"),
    (wan.WAN_2_2, rf"{_WAN}2[._-]?2(?!\d)|(?<![a-z])wan.*(?:high|low)[._-]?noise"),
    (
        wan.WAN_2_1,
        rf"{_WAN}2[._-]?1(?!\d)|(?<![a-z])wan.*(?:t2v|i2v|14b|1[._]?3b)|(?:t2v|i2v).*(?<![a-z])wan"
        rf"|(?<![a-z])wan{_GAP}video|lightx2v",
    ),
    (qwen.QWEN_EDIT_2509, r"qwen.*edit.*(?:2509|plus)"),
    (qwen.QWEN_EDIT, r"qwen.*edit"),
    (qwen.QWEN_IMAGE, r"qwen"),
    (hidream.HIDREAM, r"hidream"),
    (flux.FLUX_KONTEXT, r"kontext"),
    (flux.FLUX_KREA, r"flux.*krea|krea.*flux"),
    (flux.FLUX_SCHNELL, r"schnell"),
    (flux.FLUX_DEV, rf"flux|{_EDGE}f1d{_END}"),
    (sd.PONY, rf"pony(?!tail)|{_EDGE}pdxl|autismmix"),
    (
        sd.ILLUSTRIOUS,
        rf"illustri|noob{_GAP}(?:ai|xl)|{_EDGE}il(?:xl)?(?:v\d+)?{_END}|{_EDGE}ilxl|[a-z]xl[._-]il",
    ),
    (sd.SDXL, rf"sd{_GAP}xl|(?<!x)xl(?![a-z])|animagine"),
    (sd.SD15, rf"sd{_GAP}v?{_GAP}1[._-]?[45](?!\d)|stable{_GAP}diffusion{_GAP}v?1[._-]"),
)
#: What only a VAE is called.
_VAES: tuple[tuple[ModelFamily, str], ...] = (
    (wan.WAN_2_2, r"taew2[._]?2"),
    (wan.WAN_2_1, r"taew2[._]?1"),
    (video.HUNYUAN_VIDEO, r"taehv"),
    (flux.FLUX_DEV, r"taef1"),
    (sd.SD15, r"vae[._-]?ft[._-]?(?:mse|ema)|kl[._-]?f8|^taesd(?!xl|3)|orangemix"),
)


def family_of_lora(file_name: str) -> ModelFamily | None:
    """Give the family that a LoRA was made for, or None when neither name nor folders say."""
    return next(_families_in(file_name, _COMPILED_BASES), None)


def family_of_vae(file_name: str) -> ModelFamily | None:
    """Give the first family that uses a VAE, or None when neither name nor folders say."""
    official = _OFFICIAL_VAES.get(without_precision(file_name))
    return official or next(_families_in(file_name, _COMPILED_VAES), None)


def _families_in(file_name: str, patterns: _Patterns) -> Iterator[ModelFamily]:
    """Give what the name says, then what its folders say, the innermost first.

    What says that it is of another base ends the search: an SDXL folder then holds a stray.
    """
    for part in reversed(file_name.replace("\\", "/").split("/")):
        name = stem(part)
        found = [family for family, pattern in patterns if pattern.search(name)]
        if found and found[0] is None:
            return
        yield from (family for family in found[:1] if family)


def _compiled(*families: tuple[ModelFamily, str]) -> _Patterns:
    others = tuple((None, re.compile(pattern)) for pattern, _ in OTHER_BASES)
    return (*others, *((family, re.compile(pattern)) for family, pattern in families))


def _official_vaes() -> dict[str, ModelFamily]:
    """The VAEs that families name, by what is the same for all precisions of one."""
    families = (*FAMILIES, *VARIANTS)
    named = [
        (without_precision(name), family)
        for family in reversed(families)
        for slot in family.files
        if slot.folder == "vae"
        for name in slot.names
    ]
    return dict(named)


_COMPILED_BASES = _compiled(*_BASES)
_COMPILED_VAES = _compiled(*_VAES, *_BASES)
_OFFICIAL_VAES = _official_vaes()

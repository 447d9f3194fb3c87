"""Detects families by file name. A name that says nothing differs from one that says too much."""

import re
from dataclasses import dataclass

from backend.services.families import flux, hidream, qwen, stable_diffusion, video, wan
from backend.services.families.base import ModelFamily
from backend.services.families.names import stem, without_precision

#: Between two words of a name, or at its ends.
_EDGE = r"(?:^|[._\s-])"
_END = r"(?=$|[._\s-]|\d)"

#: Names that say clearly that the file is no model, or none that goes without custom nodes.
_OTHER_FILES: tuple[tuple[str, str], ...] = (
    (r"refiner", "the refiner of SDXL: name it as params.refiner, beside an SDXL model"),
    (
        r"^(t5|umt5|clip[._-]|clip$|open[._-]?clip|sigclip|siglip|llama|llava|vit[._-]|byt5|gemma)"
        r"|qwen[._-]?2[._-]?5?[._-]?(5[._-])?vl|text[._-]?encoder|encoderonly|umt5|t5[._-]?xxl",
        "a text or vision encoder",
    ),
    (r"^ae$|^vae[._-]|(?:^|[._-])vae$|[._-]vae[._-](bf16|fp16|fp32)", "a VAE"),
    (r"controlnet|control[._-]lora|ip[._-]?adapter|t2i[._-]?adapter|instantid", "a control model"),
    (rf"{_EDGE}loras?{_END}", "a LoRA: name it in loras"),
    (r"esrgan|upscal|ultrasharp|swinir|rife|film[._-]?net", "an upscaler or interpolator"),
    (r"animatediff|mm[._-]?sd|motion[._-]?module", "an AnimateDiff motion module"),
    (r"svdq|nunchaku|bnb|nf4|tensorrt", "quantised for custom nodes that are not supported"),
)
#: Words that say so of a model, and not of a LoRA or a VAE that was made for one.
_OTHER_MODELS: tuple[tuple[str, str], ...] = (
    (
        r"v2[._-][01][._-]|sd[._-]?(v)?2[._-][01]|768[._-]?v[._-]?ema|512[._-]base[._-]ema|sd21",
        "Stable Diffusion 2",
    ),
    (r"flux.*(fill|canny|depth|redux|onereward)", "a Flux tool model (Fill, Canny, Depth, Redux)"),
    (r"wan.*(vace|fun[._-]|s2v|animate|camera|phantom|magref|talk|recam|humo|lynx|ati[._-])",
     "a Wan model for control, speech or animation"),
    (r"rapid.*(aio|mega)|aio.*rapid|qwen.*aio", "an all-in-one merge that is not supported"),
)  # fmt: skip
#: Bases that no family here is of, whatever kind of file says it.
OTHER_BASES: tuple[tuple[str, str], ...] = (
    (r"sd[._-]?3(?!\d)|stable[._-]?diffusion[._-]?3", "Stable Diffusion 3"),
    (rf"{_EDGE}chroma{_END}|chroma1", "Chroma"),
    (r"stable[._-]?cascade|w[uü]rstchen", "Stable Cascade"),
    (r"flux[._-]?2(?![._-]?\d)", "Flux 2"),
    (r"framepack", "FramePack"),
    (r"skyreels", "SkyReels"),
    (r"hunyuan[._-]?(image|3d|dit|world|video[._-]?(1[._-]?5|avatar|foley|custom))",
     "a Hunyuan model that is not supported"),
    (r"ltx[._-]?v?[._-]?2(?![._-]?b)(?:[._-]|\d|$)", "LTX-2"),
    (r"qwen.*edit.*2511|qwen.*layered|qwen[._-]?image[._-]?2512", "a newer Qwen-Image"),
    (r"hidream[._-]?e1", "HiDream-E1"),
    (r"pony[._-]?v?7|v7[._-]?pony", "Pony V7"),
    (r"mochi|cosmos|auraflow|pixart|kolors|lumina|omnigen|kandinsky|playground|sana[._-]|bagel"
     r"|z[._-]?image|deepfloyd|ace[._-]?step|stable[._-]?audio|cogvideo",
     "of a family that is not supported"),
)  # fmt: skip

_DISTILLED_VIDEO = r"fusioni?x|lightx2v|causvid|accvid|distill|self[._-]?forcing|rapid"
_FEW_STEPS = r"lightning|turbo|hyper|lcm|dmd2|schnell|\dstep"

#: First match wins. Patterns are searched in the stem, in lower case.
_NAMES: tuple[tuple[ModelFamily, str], ...] = (
    (video.SVD_XT, rf"svd[._-]?xt|{_EDGE}svd.*xt|stable[._-]?video.*xt|img2vid[._-]?xt"),
    (video.SVD, rf"{_EDGE}svd{_END}|stable[._-]?video[._-]?diffusion"),
    (video.HUNYUAN_VIDEO_I2V, r"hunyuan.*(v2[._-]?replace|(i2v|image[._-]?to[._-]?video).*fixed)"),
    (video.HUNYUAN_VIDEO_I2V_V1, r"hunyuan.*(i2v|image[._-]?to[._-]?video)"),
    (video.HUNYUAN_VIDEO, r"hunyuan[._-]?video|hunyuan.*t2v|hyvideo"),
    (video.LTX_VIDEO_DISTILLED, r"ltxv?[._-]?(video)?.*distill"),
    (video.LTX_VIDEO, rf"{_EDGE}ltxv?{_END}|ltx[._-]?video"),
    (wan.WAN_2_2_5B, r"wan[._-]?2[._-]?2.*(ti2v|5b)|wan.*ti2v"),
    (
        wan.WAN_2_2_I2V,
        r"wan[._-]?2[._-]?2.*(i2v|image[._-]?to[._-]?video)|(i2v).*wan[._-]?2[._-]?2",
    ),
    (wan.WAN_2_2, r"wan[._-]?2[._-]?2.*(t2v|text[._-]?to[._-]?video)|(t2v).*wan[._-]?2[._-]?2"),
    (wan.WAN_2_1_FLF2V, r"wan.*flf2v"),
    (wan.WAN_2_1_I2V_DISTILLED, rf"wan(?=.*i2v).*({_DISTILLED_VIDEO})"),
    (wan.WAN_2_1_I2V_720P, r"wan.*i2v.*720|wan.*720.*i2v"),
    (wan.WAN_2_1_I2V_480P, r"wan.*i2v|i2v.*wan"),
    (wan.WAN_2_1_T2V_DISTILLED, rf"wan(?=.*t2v).*({_DISTILLED_VIDEO})"),
    (wan.WAN_2_1, r"wan.*t2v.*1[._]?3b|wan.*1[._]?3b.*t2v"),
    (wan.WAN_2_1_T2V_14B, r"wan.*t2v|t2v.*wan"),
    (qwen.QWEN_EDIT_2509, r"qwen.*edit.*(2509|plus)"),
    (qwen.QWEN_EDIT, r"qwen.*edit"),
    (qwen.QWEN_IMAGE_DISTILLED, r"qwen[._-]?image.*distill"),
    (qwen.QWEN_IMAGE, r"qwen[._-]?image"),
    (hidream.HIDREAM_DEV, r"hidream.*dev"),
    (hidream.HIDREAM_FAST, r"hidream.*fast"),
    (hidream.HIDREAM, r"hidream"),
    (flux.FLUX_KONTEXT, r"kontext"),
    (flux.FLUX_KREA, r"flux.*krea|krea.*flux"),
    (flux.FLUX_SCHNELL, r"flux.*schnell|schnell.*flux"),
    (flux.FLUX_DEV_DISTILLED, rf"flux.*({_FEW_STEPS})"),
    (flux.FLUX_PRO, r"flux"),
    (stable_diffusion.SDXL_TURBO, r"sd[._-]?xl[._-]?turbo"),
    (stable_diffusion.SDXL_INPAINT, r"(?<!x)xl.*inpaint|inpaint.*(?<!x)xl"),
    (stable_diffusion.SD15_INPAINT, r"inpaint"),
    (stable_diffusion.PONY, r"pony|autismmix|score[._-]?9"),
    (
        stable_diffusion.ILLUSTRIOUS,
        rf"illustri|noob[._-]?ai|noob[._-]?xl|{_EDGE}il(xl)?(v\d+)?{_END}|[a-z]xl[._-]il|waiill",
    ),
    (
        stable_diffusion.SDXL_DISTILLED,
        rf"(?:sd[._-]?xl|(?<!x)xl(?![a-z])).*({_FEW_STEPS})|({_FEW_STEPS}).*(?<!x)xl",
    ),
    (
        stable_diffusion.SDXL,
        r"sd[._-]?xl|(?<!x)xl(?![a-z])|animagine|bigasp|(?<!x)xl[._-]?v?\d",
    ),
    (
        stable_diffusion.SD15_DISTILLED,
        rf"({_EDGE}sd[._-]?v?1[._-]?5|dreamshaper|photon|realistic[._-]?vision|epicrealism)"
        rf".*({_FEW_STEPS})",
    ),
    (
        stable_diffusion.SD15,
        r"sd[._-]?v?1[._-]?[45](?!\d)|v1[._-]?[45](?!\d)|1[._]5(?!\d)|f222|openjourney|toonyou"
        r"|dreamshaper|deliberate|rev[._-]?animated|realistic[._-]?vision|epic[._-]?realism"
        r"|anything[._-]?v?[345]|absolutereality|majicmix|counterfeit|orangemix|chilloutmix"
        r"|cyberrealistic|photon[._-]?v1|meina(mix|pastel|hentai)|ghostmix|pastelmix|protogen"
        r"|lyriel|edgeofrealism|juggernaut[._-]?(reborn|final|aftermath)|uberrealistic|urpm"
        r"|analog[._-]?diffusion|aniverse|darksushi|cetusmix|mistoon|hardblend|azovya|inkpunk"
        r"|realcartoon3d|beautifulrealistic|icbinp",
    ),
)
_COMPILED = tuple((family, re.compile(pattern)) for family, pattern in _NAMES)
_OTHERS = tuple(
    (re.compile(pattern), reason)
    for pattern, reason in (*_OTHER_FILES, *_OTHER_MODELS, *OTHER_BASES)
)
#: Names of Flux dev itself; every other name with "flux" in it is a finetune.
_FLUX_DEV = frozenset({"flux1dev", "fluxdev", "flux1devkijai", "flux1devunet", "flux1devfp8"})
#: Words of their own, or parts of CamelCase: neither "highland" nor "yellow".
_STAGE = re.compile(
    r"(?P<high>(?:(?<![A-Za-z])(?i:high)|High)(?=(?i:[._-]?noise)|[._\-\d]|$)"
    r"|(?<=[._-])(?i:hn)(?=[._-]|$))"
    r"|(?P<low>(?:(?<![A-Za-z])(?i:low)|Low)(?=(?i:[._-]?noise)|[._\-\d]|$)"
    r"|(?<=[._-])(?i:ln)(?=[._-]|$))"
)
_LARGE_SIDE = 832
_PARTNER = {"high": "low", "low": "high", "hn": "ln", "ln": "hn"}


@dataclass(frozen=True)
class Detection:
    """What a file name says. `reason` says in a few words why there is no family."""

    family: ModelFamily | None
    reason: str = ""

    @property
    def surely_other(self) -> bool:
        """The name says that it is something else, rather than nothing at all."""
        return self.family is None and self.reason != NAME_SAYS_NOTHING


NAME_SAYS_NOTHING = "its name does not say which model it is"


def detect(file_name: str) -> Detection:
    """Tell a model's family and variant by its file name, or say why not."""
    name = stem(file_name)
    for pattern, reason in _OTHERS:
        if pattern.search(name):
            return Detection(None, f"it is {reason}")
    family = next((family for family, names in _COMPILED if names.search(name)), None)
    if family is None:
        return Detection(None, NAME_SAYS_NOTHING)
    if family is flux.FLUX_PRO and without_precision(file_name) in _FLUX_DEV:
        return Detection(flux.FLUX_DEV)
    if family in {wan.WAN_2_2, wan.WAN_2_2_I2V} and stage_of(file_name) is None:
        return Detection(None, "Wan 2.2 14B is two files, and its name says neither high nor low")
    return Detection(family)


def detect_family(file_name: str) -> ModelFamily | None:
    """Give the family, or None when the name does not say or says something else."""
    return detect(file_name).family


def stage_of(file_name: str) -> str | None:
    """Tell for which of Wan 2.2's two stages a file is made: "high", "low", or None for both."""
    found = _STAGE.search(file_name.replace("\\", "/").rpartition("/")[2])
    if found is None:
        return None
    return "high" if found["high"] else "low"


def partner_of(file_name: str) -> str:
    """Give the other stage's file: high and low exchanged wherever they stand in the path."""
    return _STAGE.sub(lambda found: _exchanged(found[0]), file_name)


def _exchanged(word: str) -> str:
    other = _PARTNER[word.lower()]
    if word.isupper():
        return other.upper()
    return other.capitalize() if word[0].isupper() else other


def family_of_checkpoint(file_name: str, width: int | None, height: int | None) -> ModelFamily:
    """Give the family whose settings a checkpoint file gets, known or not."""
    known = detect_family(file_name)
    if known is not None and known.folder == "checkpoints":
        return known
    large = is_large(width, height) or "xl" in file_name.lower()
    return stable_diffusion.LARGE_CHECKPOINT if large else stable_diffusion.PLAIN_CHECKPOINT


def is_large(width: int | None, height: int | None) -> bool:
    """Tell whether a size is one that SDXL makes and SD 1.5 does not."""
    return max(width or 0, height or 0) >= _LARGE_SIDE


def needs_other_graph(file_name: str) -> bool:
    """Tell whether the plain graphs would surely give nonsense with this file."""
    return detect(file_name).surely_other

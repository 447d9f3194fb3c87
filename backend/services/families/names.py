"""File names of models, brought into a form that can be compared."""

import re

_EXTENSION = re.compile(r"\.(safetensors|sft|ckpt|pth|pt|bin|gguf)$", re.IGNORECASE)
#: Parts of a name that say how a model's numbers are stored, not which model it is.
_PRECISION = re.compile(
    r"(?<![a-z0-9])(?:fp(?:8|16|32)|bf16|f16|f32|e4m3fn?|e5m2|scaled|mixed"
    r"|i?q[2-8](?:[._-]?(?:k|0|1|xs|xxs|nl|[sml])(?![a-z0-9]))*)(?![a-z0-9])",
    re.IGNORECASE,
)

#: Where "XL" ends and another word begins: nightvisionXLPhotorealistic.
_AFTER_XL = re.compile(r"(?<=[xX][lL])(?=[A-Z])(?!L)")


def stem(file_name: str) -> str:
    """Give the name in lower case without folders and extension."""
    base = file_name.replace("\\", "/").rpartition("/")[2]
    return _EXTENSION.sub("", _AFTER_XL.sub("_", base)).lower()


def without_precision(file_name: str) -> str:
    """Give what is the same for all precisions of a model: `flux1dev` for flux1-dev-Q4_K_S.gguf."""
    return re.sub(r"[^a-z0-9]+", "", _PRECISION.sub("", stem(file_name).replace("_", "-")))


def is_gguf(file_name: str) -> bool:
    return file_name.lower().endswith(".gguf")

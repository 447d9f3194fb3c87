"""What one ComfyUI server has: node classes, model files and choices, from its /object_info.

Servers that have the same share one catalog.
"""

import difflib
import hashlib
import re
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar
from weakref import WeakValueDictionary

from backend.utils.errors import UpstreamError

Options = Mapping[tuple[str, str], tuple[str, ...]]
T = TypeVar("T")

#: Beyond that all are forgotten, and worked out again.
_MOST_ANSWERS = 10_000

_EXTENSION = re.compile(r"\.(safetensors|sft|ckpt|pth|pt|bin|gguf)$", re.IGNORECASE)


@dataclass(frozen=True, eq=False)
class ServerCatalog:
    """A snapshot. It compares and hashes by identity, so callers may cache answers per catalog."""

    node_classes: frozenset[str] = frozenset()
    #: Classes that end a graph: SaveImage, SaveVideo, PreviewImage …
    output_nodes: frozenset[str] = frozenset()
    #: The choices of each (class, input) that has a fixed list of texts; may be empty.
    options: Options = field(default_factory=dict)
    #: (class, input) pairs that name a file in the server's input folder.
    uploads: frozenset[tuple[str, str]] = frozenset()
    #: Those of `options` whose values ComfyUI 0.3.64 does not look at before it runs a node.
    unchecked: frozenset[tuple[str, str]] = frozenset()
    _answers: dict[Hashable, Any] = field(default_factory=dict, init=False, repr=False)

    @classmethod
    def from_object_info(cls, info: object) -> "ServerCatalog":
        """Read /object_info. Custom nodes put anything there: what is not understood is left out.

        Choices come as `[["a", "b"], {…}]` or, new style, `["COMBO", {"options": ["a", "b"]}]`.
        """
        if not isinstance(info, Mapping) or not all(isinstance(v, Mapping) for v in info.values()):
            raise UpstreamError("ComfyUI's object_info is not what it should be.")
        inputs = [(cls_, name, kind) for cls_ in info for name, kind in _inputs(info[cls_])]
        choices = {(cls_, name): _choices(kind) for cls_, name, kind in inputs}
        return cls(
            node_classes=frozenset(info),
            output_nodes=frozenset(c for c, told in info.items() if told.get("output_node")),
            options={pair: found for pair, found in choices.items() if found is not None},
            uploads=frozenset((c, name) for c, name, kind in inputs if _takes_upload(kind)),
            unchecked=frozenset((c, name) for c, name, kind in inputs if _is_new_style(kind)),
        )

    def remembered(self, question: Hashable, answer: Callable[["ServerCatalog"], T]) -> T:
        """Work something out about this snapshot once: among thousands of files it takes long."""
        if question not in self._answers:
            if len(self._answers) >= _MOST_ANSWERS:
                self._answers.clear()
            self._answers[question] = answer(self)
        found: T = self._answers[question]
        return found

    def choices(self, class_type: str, input_name: str) -> tuple[str, ...]:
        return self.options.get((class_type, input_name), ())

    @property
    def checkpoints(self) -> tuple[str, ...]:
        return self.choices("CheckpointLoaderSimple", "ckpt_name")

    @property
    def unets(self) -> tuple[str, ...]:
        """Files of models/diffusion_models."""
        return self.choices("UNETLoader", "unet_name")

    @property
    def gguf_models(self) -> tuple[str, ...]:
        """Files that the custom nodes ComfyUI-GGUF load."""
        return self.choices("UnetLoaderGGUF", "unet_name")

    @property
    def loras(self) -> tuple[str, ...]:
        return self.choices("LoraLoader", "lora_name")

    @property
    def text_encoders(self) -> tuple[str, ...]:
        return self.choices("CLIPLoader", "clip_name")

    @property
    def samplers(self) -> tuple[str, ...]:
        return self.choices("KSampler", "sampler_name")

    @property
    def schedulers(self) -> tuple[str, ...]:
        return self.choices("KSampler", "scheduler")


def resolve_file(name: str, available: Iterable[str]) -> str | None:
    """Find the server's own spelling of a file name, or None.

    Tried in this order: the very name; the same path with the other separator; with or without
    its extension; the same base name in any folder. Of several the first in the alphabet wins, so
    that all servers with the same files answer alike.
    """
    files = sorted(available)
    if name in files:
        return name
    for form in (_path, _stem, _base, _base_stem):
        # A different extension is a different file: only a missing one matches any.
        loose = form in {_stem, _base_stem}
        for file in files:
            if form(file) == form(name) and not (loose and _extension(file) and _extension(name)):
                return file
    return None


def nearest(name: str, available: Iterable[str], *, limit: int = 3) -> tuple[str, ...]:
    """Give the files whose names look most like `name`, best first, for the error's help."""
    by_stem = {_base_stem(file).lower(): file for file in sorted(available, reverse=True)}
    close = difflib.get_close_matches(_base_stem(name).lower(), by_stem, n=limit, cutoff=0.4)
    return tuple(by_stem[stem] for stem in close)


def has_model_extension(name: str) -> bool:
    """Tell whether a text is a model file's name, as far as the extension tells."""
    return _EXTENSION.search(name) is not None


def _path(name: str) -> str:
    return name.replace("\\", "/")


def _stem(name: str) -> str:
    return _EXTENSION.sub("", _path(name))


def _base(name: str) -> str:
    return _path(name).rpartition("/")[2]


def _base_stem(name: str) -> str:
    return _EXTENSION.sub("", _base(name))


def _extension(name: str) -> str:
    found = _EXTENSION.search(name)
    return found.group(1).lower() if found else ""


def _inputs(node: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    groups = node.get("input")
    for group in ("required", "optional"):
        named = groups.get(group) if isinstance(groups, Mapping) else None
        if isinstance(named, Mapping):
            yield from named.items()


def _choices(kind: object) -> tuple[str, ...] | None:
    """Give the texts of a fixed list; None when the input is of another kind."""
    listed = kind[0] if isinstance(kind, list) and kind else None
    if listed == "COMBO":
        listed = _settings(kind).get("options")
    if not isinstance(listed, list):
        return None
    return tuple(choice for choice in listed if isinstance(choice, str))


def _is_new_style(kind: object) -> bool:
    return isinstance(kind, list) and bool(kind) and kind[0] == "COMBO"


def _takes_upload(kind: object) -> bool:
    return any(key.endswith("_upload") and value for key, value in _settings(kind).items())


def _settings(kind: object) -> Mapping[str, Any]:
    if isinstance(kind, list) and len(kind) > 1 and isinstance(kind[1], Mapping):
        return kind[1]
    return {}


class CatalogCache:
    """Gives the same snapshot for the same answer, as long as anybody keeps it.

    Servers set up alike answer alike, and a server that is asked again answers as before: reading
    20 MB takes 0.3 s, what was read takes megabytes, and what was worked out about a snapshot need
    not be worked out again. Called from threads.
    """

    def __init__(self) -> None:
        self._kept: WeakValueDictionary[bytes, ServerCatalog] = WeakValueDictionary()

    def read(self, body: bytes, parse: Callable[[], object]) -> ServerCatalog:
        """The catalog of an answer; `parse` gives its JSON or raises what is wrong with it."""
        digest = hashlib.blake2b(body, digest_size=32).digest()
        known = self._kept.get(digest)
        if known is None:
            known = self._kept.setdefault(digest, ServerCatalog.from_object_info(parse()))
        return known

"""Finds the files that a graph names in the lists that a server has."""

from collections.abc import Iterable
from dataclasses import dataclass

from backend.services.comfyui.catalog import ServerCatalog, nearest, resolve_file
from backend.services.families.names import is_gguf, without_precision

#: The folder below models/ that an input's files come from, for messages.
FOLDERS = {
    "ckpt_name": "checkpoints",
    "unet_name": "diffusion_models",
    "lora_name": "loras",
    "vae_name": "vae",
    "clip_name": "text_encoders",
    "clip_name1": "text_encoders",
    "clip_name2": "text_encoders",
    "clip_name3": "text_encoders",
    "clip_name4": "text_encoders",
    "control_net_name": "controlnet",
    "style_model_name": "style_models",
}
#: Loaders of the custom nodes ComfyUI-GGUF: same inputs, and they list GGUF files.
GGUF_LOADERS = {
    "UNETLoader": "UnetLoaderGGUF",
    "CLIPLoader": "CLIPLoaderGGUF",
    "DualCLIPLoader": "DualCLIPLoaderGGUF",
    "QuadrupleCLIPLoader": "QuadrupleCLIPLoaderGGUF",
}


@dataclass(frozen=True)
class FoundFile:
    """A file in the server's own spelling, and the node class that loads it."""

    name: str
    class_type: str


@dataclass(frozen=True)
class FileNeed:
    """Any of `names` will do, the first that the server has is taken. `role`: see FileSlot.

    `exact`: nothing but these very names, as the server spells them.
    """

    folder: str
    names: tuple[str, ...]
    class_type: str
    input_name: str
    role: str = ""
    exact: bool = False

    def located(self, catalog: ServerCatalog) -> FoundFile | None:
        """Find it: under a name, in a subfolder, in another precision, last as GGUF."""
        return catalog.remembered(("located", self), self._located)

    def _located(self, catalog: ServerCatalog) -> FoundFile | None:
        loaders = self._loaders(catalog)
        for class_type in loaders:
            name = self._name_at(class_type, catalog)
            if name is not None and (class_type == self.class_type or is_gguf(name)):
                return FoundFile(name, class_type)
        return None

    def found(self, catalog: ServerCatalog) -> str | None:
        """Give the server's spelling; the name as it is where the server has no list for it."""
        located = self.located(catalog)
        return located.name if located else None

    def nearest(self, catalog: ServerCatalog) -> tuple[str, ...]:
        """Give the names that look most like it, of all that its loaders offer."""
        return catalog.remembered(("nearest", self), self._nearest)

    def _nearest(self, catalog: ServerCatalog) -> tuple[str, ...]:
        loaders = self._loaders(catalog)
        offered = {name for one in loaders for name in catalog.choices(one, self.input_name)}
        return nearest(self.names[0], offered)

    def gguf_loader_lacks(self, catalog: ServerCatalog) -> bool:
        """Tell whether a GGUF file is asked of a server that has no node for such files."""
        loader = GGUF_LOADERS.get(self.class_type)
        return is_gguf(self.names[0]) and loader is not None and loader not in catalog.node_classes

    def _loaders(self, catalog: ServerCatalog) -> tuple[str, ...]:
        gguf = GGUF_LOADERS.get(self.class_type)
        if self.exact or gguf is None or gguf not in catalog.node_classes:
            return (self.class_type,)
        # Where no list says otherwise, a name that ends in .gguf belongs to the loader for those.
        return (gguf, self.class_type) if is_gguf(self.names[0]) else (self.class_type, gguf)

    def _name_at(self, class_type: str, catalog: ServerCatalog) -> str | None:
        offered = catalog.options.get((class_type, self.input_name))
        if offered is None:
            return self.names[0]
        if self.exact:
            return next((name for name in self.names if name in offered), None)
        resolved = (resolve_file(name, offered) for name in self.names)
        known = next((name for name in resolved if name is not None), None)
        return known or _same_model(self.names, offered)


def _same_model(names: Iterable[str], offered: Iterable[str]) -> str | None:
    """Find the same model in another precision: full files before GGUF, then by the alphabet."""
    by_model: dict[str, str] = {}
    for file in sorted(offered, key=lambda file: (is_gguf(file), file)):
        by_model.setdefault(without_precision(file), file)
    wanted = (without_precision(name) for name in names)
    return next((by_model[model] for model in wanted if model in by_model), None)

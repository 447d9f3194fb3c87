"""A file that a graph names, and where the server keeps the list of those it has."""

from dataclasses import dataclass

from backend.services.server_catalog import ServerCatalog, resolve_file

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


@dataclass(frozen=True)
class FileNeed:
    """Any of `names` will do, the first that the server has is taken."""

    folder: str
    names: tuple[str, ...]
    class_type: str
    input_name: str

    def found(self, catalog: ServerCatalog) -> str | None:
        """Give the server's spelling; the name as it is where the server has no list for it."""
        offered = catalog.options.get((self.class_type, self.input_name))
        if offered is None:
            return self.names[0]
        resolved = (resolve_file(name, offered) for name in self.names)
        return next((name for name in resolved if name is not None), None)

"""The output, input and temp folders, and ComfyUI's way of naming files in them."""

import hashlib
import re
import tempfile
import time
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from backend.comfyui_simulator.errors import NodeError

ANNOTATION = re.compile(r"^(?P<name>.*?) ?\[(?P<kind>output|input|temp)\]$")


class Folders:
    """All under one temporary folder, except an output folder that was asked for."""

    def __init__(self, output: Path | None = None) -> None:
        self._home = tempfile.TemporaryDirectory(
            prefix="comfyui-simulator-", ignore_cleanup_errors=True
        )
        home = Path(self._home.name).resolve()
        self.output = (output or home / "output").resolve()
        self.input = home / "input"
        self.temp = home / "temp"
        for folder in (self.output, self.input, self.temp):
            folder.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (512, 512), (90, 90, 90)).save(self.input / "example.png")

    def remove(self) -> None:
        self._home.cleanup()

    def wipe_temp(self) -> None:
        """Empty the temp folder, as each start of the server does."""
        for path in self.temp.rglob("*"):
            if path.is_file():
                path.unlink()

    def by_type(self, kind: str) -> Path | None:
        return {"output": self.output, "input": self.input, "temp": self.temp}.get(kind)

    def annotated(self, text: str) -> tuple[str, Path | None]:
        """Split `name [output]` into the name and its folder; no annotation: None."""
        match = ANNOTATION.match(text)
        return (match["name"], self.by_type(match["kind"])) if match else (text, None)

    def loadable(self, text: str) -> Path:
        """Where LoadImage would look. It may lie outside: the real server does not stop `../`."""
        name, folder = self.annotated(text)
        return (folder or self.input) / name

    def exists(self, text: str) -> bool:
        return self.loadable(text).exists()

    def owns(self, path: Path) -> bool:
        real = path.resolve()
        return any(real.is_relative_to(home) for home in (self.output, self.input, self.temp))

    def image_size(self, text: str) -> tuple[int, int] | None:
        """Pixels of a file that LoadImage names; None when it can't be read (or is not ours)."""
        path = self.loadable(text)
        if not self.owns(path):
            return None
        try:
            with Image.open(path) as image:
                return image.size
        except (OSError, UnidentifiedImageError):
            return None

    def stamp(self, text: str) -> str:
        """Changes when the file's bytes do; the cache looks at it [nodes.py, IS_CHANGED]."""
        path = self.loadable(text)
        if not self.owns(path) or not path.is_file():
            return ""
        return hashlib.sha256(path.read_bytes()).hexdigest()

    def input_files(self) -> list[str]:
        return [path.name for path in self.input.iterdir() if path.is_file()]


def expanded(prefix: str, width: int, height: int, now: time.struct_time) -> str:
    """Fill %width%, %height%, %year% … %second%. `%date:…%` is the browser's and stays."""
    values = {
        "width": f"{width}",
        "height": f"{height}",
        "year": f"{now.tm_year}",
        "month": f"{now.tm_mon:02d}",
        "day": f"{now.tm_mday:02d}",
        "hour": f"{now.tm_hour:02d}",
        "minute": f"{now.tm_min:02d}",
        "second": f"{now.tm_sec:02d}",
    }
    for name, value in values.items():
        prefix = prefix.replace(f"%{name}%", value)
    return prefix


def save_place(folder: Path, prefix: str) -> tuple[Path, str, str, int]:
    """Folder to write to, name, subfolder, and the first free counter; raises NodeError outside."""
    subfolder, _, name = prefix.rpartition("/")
    target = (folder / subfolder).resolve()
    if prefix.startswith("/") or not target.is_relative_to(folder):
        raise NodeError(
            "**** ERROR: Saving image outside the output folder is not allowed.\n"
            f" full_output_folder: {target}\n         output_dir: {folder}\n",
            kind="Exception",
        )
    target.mkdir(parents=True, exist_ok=True)
    taken = re.compile(re.escape(name) + r"_(\d+)_?\.", re.IGNORECASE)
    counters = [int(found[1]) for path in target.iterdir() if (found := taken.match(path.name))]
    return target, name, subfolder, max(counters, default=0) + 1

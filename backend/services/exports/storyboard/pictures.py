"""The panels' pictures: JPEGs of print size in a folder, one decoded at a time in each thread.

Blocking: call it in a thread.
"""

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from pathlib import Path

from PIL import Image

from backend.services.exports.storyboard.board import Panel, PanelPicture
from backend.services.media.media_probe import BrokenMediaError, first_frame

_DOTS_PER_INCH = 150
_MILLIMETRES = 25.4
_QUALITY = 80
#: A thumbnail of three quarters of the wanted sharpness is taken, being so much quicker to read.
_GOOD_ENOUGH = 0.75
_THREADS = 2
#: Handed to the threads at a time, so that a request for thousands holds no list of their work.
_AT_A_TIME = 64
#: What shows through transparent pictures.
_PAPER = (255, 255, 255)


def pixels(width: float, height: float) -> tuple[int, int]:
    """A size in millimetres as dots of print."""
    dots = _DOTS_PER_INCH / _MILLIMETRES
    return max(1, round(width * dots)), max(1, round(height * dots))


def write_pictures(
    panels: Iterable[Panel], uploads: Path, target: Path, *, size: tuple[int, int]
) -> Mapping[int, str]:
    """By the panel's number the name of its file in `target`; none for what can't be shown."""
    made: dict[int, str] = {}
    work = iter([panel for panel in panels if panel.picture])
    draw = partial(_write, uploads=uploads.resolve(), target=target, size=size)
    with ThreadPoolExecutor(_THREADS, "storyboard") as threads:
        while some := list(islice(work, _AT_A_TIME)):
            for panel, name in zip(some, threads.map(draw, some), strict=True):
                if name:
                    made[panel.number] = name
    return made


def _write(panel: Panel, *, uploads: Path, target: Path, size: tuple[int, int]) -> str | None:
    if panel.picture is None:
        return None
    for path in _candidates(panel.picture, uploads, size):
        try:
            picture = _fitted(first_frame(path, at_least=size), size)
        except (BrokenMediaError, OSError):
            continue
        name = f"{panel.number:05d}.jpg"
        picture.save(target / name, "JPEG", quality=_QUALITY)
        return name
    return None


def _candidates(picture: PanelPicture, uploads: Path, size: tuple[int, int]) -> list[Path]:
    """The thumbnail first where it is sharp enough; a file outside the folder never."""
    files = [_inside(uploads, path) for path in (picture.path, picture.thumbnail) if path]
    found = [path for path in files if path]
    if len(found) == 2 and _is_sharp(found[1], size):
        found.reverse()
    return found


def _inside(uploads: Path, path: str) -> Path | None:
    place = (uploads / path).resolve()
    return place if place.is_relative_to(uploads) and place.is_file() else None


def _is_sharp(path: Path, size: tuple[int, int]) -> bool:
    try:
        with Image.open(path) as thumbnail:
            width, height = thumbnail.size
    except (OSError, ValueError, SyntaxError):
        return False
    return max(width / size[0], height / size[1]) >= _GOOD_ENOUGH


def _fitted(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Never enlarged: the page does that without making the file larger."""
    picture.thumbnail(size, Image.Resampling.HAMMING, reducing_gap=2.0)
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    clear = picture.convert("RGBA")
    paper = Image.new("RGB", clear.size, _PAPER)
    paper.paste(clear, mask=clear.getchannel("A"))
    return paper

"""The fonts that paper is set in: Noto, from packages, and the machine's own for what it lacks.

Nothing needs to be installed beside the requirements. Blocking: call it in a thread.
"""

import importlib.util
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from fontTools.ttLib import TTFont, TTLibError

from backend.services.exports.storyboard.words import Language, is_visible

#: Packages that hold nothing but fonts of the Noto project (SIL Open Font License 1.1).
_PACKAGES = ("manimgx_fonts", "manimgx_fonts_cjk")
_ENDINGS = {".ttf", ".otf", ".ttc"}
#: Where systems keep theirs.
_SYSTEM_FOLDERS = (
    "/usr/share/fonts",
    "/usr/local/share/fonts",
    "/System/Library/Fonts",
    "/Library/Fonts",
    "C:/Windows/Fonts",
)
_CJK: dict[Language, str] = {"ja": "JP", "ko": "KR", "zh-hans": "SC", "zh-hant": "TC"}
#: In this order they lie in the collection.
_FACES = ("JP", "KR", "SC", "TC", "HK")
_LATIN = "Noto Sans"
_SCRIPTS = (
    "Arabic",
    "Hebrew",
    "Devanagari",
    "Thai",
    "Bengali",
    "Tamil",
    "Telugu",
    "Gujarati",
    "Gurmukhi",
    "Kannada",
    "Malayalam",
    "Oriya",
    "Sinhala",
    "Khmer",
    "Lao",
    "Myanmar",
    "Armenian",
    "Georgian",
    "Ethiopic",
)


class Face(NamedTuple):
    """A font in a file; `number` counts those of a collection, -1 where it is alone."""

    path: Path
    number: int
    letters: frozenset[int]


class FontSet(NamedTuple):
    """`folders` of whole packages and single `files`, to set a document with; all they can draw."""

    folders: tuple[Path, ...]
    files: tuple[Path, ...]
    letters: frozenset[int]

    def knows(self, char: str) -> bool:
        return ord(char) in self.letters


def are_installed() -> bool:
    """Whether the packages are there without which there is no paper."""
    return all(importlib.util.find_spec(name) for name in _PACKAGES)


def fonts_for(texts: Iterable[str]) -> FontSet:
    """The packages' fonts, and files of the machine's that have letters which these lack."""
    folders = _packages()
    letters = _packaged_letters()
    files: list[Path] = []
    missing = {ord(char) for text in texts for char in text if is_visible(char)} - letters
    for path in _system_files() if missing else ():
        found = _letters(path)
        if missing & found:
            files.append(path)
            letters |= found
            missing -= found
        if not missing:
            break
    return FontSet(folders, tuple(files), letters)


def families(language: Language) -> list[str]:
    """Names in the order in which a letter is looked for."""
    region = _CJK.get(language, "JP")
    scripts = [f"{_LATIN} {script}" for script in _SCRIPTS]
    return [_LATIN, f"{_LATIN} CJK {region}", *scripts, "Noto Emoji", f"{_LATIN} Symbols"]


def _packages() -> tuple[Path, ...]:
    specs = (importlib.util.find_spec(name) for name in _PACKAGES)
    places = (spec.submodule_search_locations or () for spec in specs if spec)
    return tuple(Path(folder) for folders in places for folder in folders)


def _fonts_in(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.suffix.lower() in _ENDINGS)


def _system_files() -> Iterator[Path]:
    folders = [*map(Path, _SYSTEM_FOLDERS), Path.home() / ".fonts"]
    for folder in folders:
        if folder.is_dir():
            yield from sorted(_fonts_in(folder))


@lru_cache(maxsize=1)
def packaged_faces() -> Mapping[str, Face]:
    """Those of the packages by the names of their families. Reading them takes a second."""
    found: dict[str, Face] = {}
    for path in (path for folder in _packages() for path in _fonts_in(folder)):
        letters = _letters(path)
        if path.suffix == ".ttc":
            names = enumerate(f"{_LATIN} CJK {region}" for region in _FACES)
            found |= {name: Face(path, number, letters) for number, name in names}
        elif "Italic" not in path.name:
            stem = path.name.partition("[")[0].removeprefix("NotoSans").removeprefix("Noto")
            head = _LATIN if path.name.startswith("NotoSans") else "Noto"
            found[f"{head} {stem}".strip()] = Face(path, -1, letters)
    return found


@lru_cache(maxsize=1)
def _packaged_letters() -> frozenset[int]:
    return frozenset().union(*(face.letters for face in packaged_faces().values()))


def _letters(path: Path) -> frozenset[int]:
    """Of the first face, for those of a collection share them; none for a broken file."""
    try:
        with _opened(path) as font:
            return frozenset(font.getBestCmap() or ())
    except (TTLibError, OSError, KeyError, AssertionError, ValueError):
        return frozenset()


def _opened(path: Path) -> TTFont:
    if path.suffix.lower() != ".ttc":
        return TTFont(path, lazy=True)
    return TTFont(path, fontNumber=0, lazy=True)

"""The letters of one page as fonts inside it, so that it shows no boxes wherever it is opened.

Their licence lets fonts be part of a document. Cutting them takes a second or two in a process of
its own. Blocking: call it in a thread.
"""

import base64
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from backend.services.exports.storyboard.children import run_child
from backend.services.exports.storyboard.fonts import families, packaged_faces
from backend.services.exports.storyboard.words import Language, is_visible

#: Run, never imported: fontTools takes 10 MB and a tenth of a second, wanted or not.
_CUTTER = Path(__file__).with_name("subset_child.py")
#: Before our own emoji, which have no colours.
_COLOURED = '"Apple Color Emoji","Segoe UI Emoji","Noto Color Emoji"'
_REST = 'system-ui,-apple-system,"Segoe UI",Roboto,Arial,sans-serif'
#: Latin letters and their accents below it are on every machine.
_EVERYWHERE = 0x250
_TAGS: dict[Language, str] = {"zh-hans": "zh-Hans", "zh-hant": "zh-Hant"}


def write_fonts(folder: Path, document: dict[str, Any]) -> str:
    """CSS with a font for each family that the document has letters of, and who uses which."""
    written = _letters(document)
    chosen = _chosen(written)
    orders = [
        {"file": str(face.path), "number": face.number, "text": "".join(sorted(letters))}
        for face, letters in chosen.values()
    ]
    if not orders:
        return ""
    (folder / "fonts.json").write_text(json.dumps(orders), "utf-8")
    run_child(str(_CUTTER), folder)
    faces = (_face(name, folder / f"font{place}.woff") for place, name in enumerate(chosen))
    return "".join((*faces, *(_stack(language) for language in written)))


def _letters(document: dict[str, Any]) -> dict[Language, set[str]]:
    """Those that some machine lacks, by the language of the texts they stand in."""
    found: dict[Language, set[str]] = {}
    for words in _texts(document):
        rare = (char for char in words["text"] if ord(char) >= _EVERYWHERE)
        found.setdefault(words["lang"], set()).update(rare)
    return found


def _texts(value: object) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        if "lang" in value:
            yield value
            return
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from _texts(each)


def _chosen(written: Mapping[Language, set[str]]) -> dict[str, tuple[Any, set[str]]]:
    """By family its face and the letters that are looked up there. Joiners go everywhere."""
    faces = packaged_faces()
    chosen: dict[str, tuple[Any, set[str]]] = {}
    clinging = {char for letters in written.values() for char in letters if not is_visible(char)}
    for language, letters in written.items():
        rest = {char for char in letters if is_visible(char)}
        for name in families(language):
            face = faces.get(name)
            had = {char for char in rest if face and ord(char) in face.letters}
            if had:
                chosen.setdefault(name, (face, set(clinging)))[1].update(had)
                rest -= had
    return chosen


def _face(name: str, path: Path) -> str:
    data = base64.b64encode(path.read_bytes()).decode()
    return (
        f'@font-face{{font-family:"{name}";font-weight:100 900;'
        f'src:url("data:font/woff;base64,{data}") format("woff")}}\n'
    )


def _stack(language: Language) -> str:
    names = [f'"{name}"' for name in families(language)]
    emoji = names.index('"Noto Emoji"')
    stack = ",".join([*names[:emoji], _COLOURED, *names[emoji:], _REST])
    selector = "body" if language == "en" else f":lang({_TAGS.get(language, language)})"
    return f"{selector}{{font-family:{stack}}}\n"

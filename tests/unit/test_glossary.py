"""The glossary's words are the code's: classes in `backend/services` are named by them."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.config import ROOT

GLOSSARY = (ROOT / "docs" / "glossary.md").read_text("utf-8")

#: What every reader of Python and HTTP knows: patterns, types, parts of a program.
_USUAL = """
    address analyzer answer audio box builder cache canvas check checker choice class client
    component config content context copier cost creator cursor database detection detector
    device download error execution face fact factory failure file filler font form format hash
    health holder hub image importer index info input inspector item key layout library limit
    loader lookup manager mean monitor music name node note observer option output owner page
    part payload poll position process progress query queue range reader reason report request
    result router row rule schedule sender service set setter share shortlist snapshot sound
    source state stats step storage store stream sync system table text timeout timing track
    upload validator video view zip
"""
#: How things stand, what is done to them and who does it, and words that join.
_JOINING = """
    a broken built canceller completed condition done draw end finished forbidden found
    generated generation generator imported in incoming known learner listed live loaded lost
    missing of open packed per placed planner planning prepared preparer remote running short
    started stored truncated waiting with written
"""
_NAMES = {"ComfyUI": "Comfyui", "OpenAI": "Openai", "RunPod": "Runpod", "LoRA": "Lora"}
_PRODUCTS = frozenset({"comfyui", "openai", "runpod"})


def singular(word: str) -> str:
    """Of a regular plural, in small letters."""
    word = word.lower()
    if word.endswith("ies"):
        return f"{word[:-3]}y"
    if word.endswith("shes"):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith("ss") else word


def terms() -> list[str]:
    """The first column of every table."""
    rows = re.findall(r"^\| ([^|]+) \| [^|]+ \|$", GLOSSARY, re.MULTILINE)
    return [row for row in rows if row != "Word"]


def words_of(name: str) -> list[str]:
    for product, plain in _NAMES.items():
        name = name.replace(product, plain)
    return re.findall(r"[A-Z][a-z]+|[A-Z]+(?![a-z])", name)


def public_classes() -> Iterator[tuple[str, Path]]:
    for path in sorted((ROOT / "backend" / "services").rglob("*.py")):
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                yield node.name, path.relative_to(ROOT)


def test_names_of_classes_are_made_of_known_words() -> None:
    glossary = {singular(word) for term in terms() for word in re.findall(r"\w+", term)}
    known = glossary | _PRODUCTS | set(_JOINING.split())
    known |= {singular(word) for word in _USUAL.split()}
    unknown = {
        f"{path}: {name}": strange
        for name, path in public_classes()
        if (strange := [word for word in words_of(name) if singular(word) not in known])
    }
    assert unknown == {}, "Name the class by the glossary's words, or define the word there."


def test_a_name_of_a_class_has_one_meaning() -> None:
    places: dict[str, list[Path]] = {}
    for name, path in public_classes():
        places.setdefault(name, []).append(path)
    assert {name: paths for name, paths in places.items() if len(paths) > 1} == {}


@pytest.mark.parametrize("section", GLOSSARY.split("\n## ")[1:], ids=lambda text: text[:20])
def test_each_table_is_sorted(section: str) -> None:
    words = re.findall(r"^\| ([^|]+) \| [^|]+ \|$", section, re.MULTILINE)
    assert words[0] == "Word"
    assert words[1:] == sorted(words[1:], key=str.lower)


def test_words_are_split_at_their_capitals() -> None:
    assert words_of("ComfyUIRunner") == ["Comfyui", "Runner"]
    assert words_of("PanelsAPage") == ["Panels", "A", "Page"]
    assert singular("Galleries") == "gallery"

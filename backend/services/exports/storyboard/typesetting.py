"""Sets a document with Typst in a process of its own: what it remembers would stay in ours."""

import json
import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pypdf import PdfReader

from backend.services.exports.storyboard import bind_child, typst_child
from backend.services.exports.storyboard.children import run_child
from backend.services.exports.storyboard.fonts import FontSet, are_installed

TEMPLATE = Path(__file__).with_name(typst_child.TEMPLATE)
#: Typst needs 1 MB a panel while it sets them, and more than twice the time for twice as many.
PANELS_A_PART = 360

Document = dict[str, Any]


def is_available() -> bool:
    """Whether typesetter and fonts are installed; its wheels exist for the usual systems only."""
    return find_spec("typst") is not None and are_installed()


def typeset(
    folder: Path,
    document: Document,
    *,
    fonts: FontSet,
    date: int,
    panels_a_part: int = PANELS_A_PART,
    template: Path = TEMPLATE,
) -> Path:
    """`folder/storyboard.pdf` from the template, a document and its pictures in `folder`.

    A long one is set in parts, each by a process of its own, so that memory stays bounded; what
    is bound together from parts loses the tags for screen readers. `date` is when the document
    says it was made, in Unix seconds. Blocking.
    """
    _order(folder, fonts, date=date, template=template)
    parts = [_set(folder, part) for part in _parts(folder, document, panels_a_part)]
    target = folder / "storyboard.pdf"
    if len(parts) == 1:
        return parts[0].rename(target)
    (folder / "parts.json").write_text(json.dumps([part.name for part in parts]), "utf-8")
    run_child(bind_child.__file__, folder)
    return target


def _order(folder: Path, fonts: FontSet, *, date: int, template: Path) -> None:
    own = folder / "fonts"
    own.mkdir()
    for file in fonts.files:  # Typst takes folders only, and the system's have hundreds
        shutil.copyfile(file, own / file.name)
    folders = [str(path) for path in (*fonts.folders, own)]
    shutil.copyfile(template, folder / typst_child.TEMPLATE)
    order = {"fonts": folders, "date": date}
    (folder / "order.json").write_text(json.dumps(order), "utf-8")


def _parts(folder: Path, document: Document, panels_a_part: int) -> Iterator[Document]:
    """The document in pieces that know their place; the second is made when the first is set."""
    a_page = document["page"]["columns"] * document["page"]["rows"]
    each = max(1, panels_a_part // a_page) * a_page
    panels = document["panels"]
    pages = -(-len(panels) // a_page)
    title_pages = 0
    for start in range(0, max(1, len(panels)), each):
        piece = panels[start : start + each]
        done = start // a_page + -(-len(piece) // a_page)
        first = title_pages + start // a_page + 1
        yield document | {"panels": piece, "first_page": first, "pages_after": pages - done}
        if not start:
            title_pages = len(PdfReader(_part(folder, 1)).pages) - done


def _set(folder: Path, part: Document) -> Path:
    text = json.dumps(part, ensure_ascii=False)
    (folder / "document.json").write_text(text, "utf-8")
    run_child(typst_child.__file__, folder)
    return (folder / typst_child.PART).rename(_part(folder, part["first_page"]))


def _part(folder: Path, first_page: int) -> Path:
    return folder / f"part{first_page}.pdf"

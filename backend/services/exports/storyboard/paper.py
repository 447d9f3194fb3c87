"""The document that the template draws: strings, millimetres and names of pictures. Pure."""

from collections.abc import Mapping
from typing import Any, get_args

from backend.services.exports.storyboard.board import Panel, SceneRow, Storyboard
from backend.services.exports.storyboard.fonts import families
from backend.services.exports.storyboard.page_form import Box, PageForm, PanelForm, margins
from backend.services.exports.storyboard.words import Language, TextLine, TextSetter

#: Between lines of lyrics, which have no room for lines of their own.
_LINES = " / "

#: On the title page, side by side.
_KEY_PICTURES = 4
#: Letters of the smallest kind that could fill a square millimetre: what is longer never fits.
_DENSITY = 1.2


def document_of(
    board: Storyboard,
    form: PageForm,
    panel_form: PanelForm,
    *,
    words: TextSetter,
    pictures: Mapping[int, str],
) -> dict[str, Any]:
    width, height = form.sheet
    columns, rows = form.grid
    limit = _limit(panel_form)
    return {
        "page": {"width": width, "height": height, "columns": columns, "rows": rows, **margins()},
        "size": form.type_size,
        "panel": _boxes(panel_form),
        "families": {language: families(language) for language in get_args(Language)},
        "title": _said(words(board.title or "Untitled", limit=300)),
        "description": _said(words(board.description, limit=1_000)),
        "date": board.date,
        "facts": [[name, _said(words(value))] for name, value in board.facts],
        "keys": _spread(
            [pictures[panel.number] for panel in board.panels if panel.number in pictures]
        ),
        "scenes": [_scene(line, words) for line in board.scenes],
        "panels": [_panel(panel, words, pictures, limit) for panel in board.panels],
    }


def texts_of(board: Storyboard) -> list[str]:
    """All that is written by people, for choosing fonts and language."""
    texts = [board.title, board.description, *(value for _, value in board.facts)]
    for line in board.scenes:
        texts += [line.name, line.description]
    for panel in board.panels:
        texts += [panel.clip, panel.lyrics, panel.prompt, panel.motion, panel.notes]
    return texts


def _limit(form: PanelForm) -> int:
    box = form.words or form.facts
    return max(200, int(box.width * box.height * _DENSITY))


def _boxes(form: PanelForm) -> dict[str, Any]:
    boxes = {"picture": form.picture, "facts": form.facts, "words": form.words}
    drawn = {name: _box(box) if box else None for name, box in boxes.items()}
    return {"width": form.width, "height": form.height, **drawn}


def _box(box: Box) -> dict[str, float]:
    return box._asdict()


def _scene(line: SceneRow, words: TextSetter) -> dict[str, Any]:
    return {
        "number": line.number,
        "name": _said(words(line.name, limit=200)),
        "description": _said(words(line.description, limit=300)),
        "in": line.timecode_in,
        "length": line.length,
        "shots": line.shots,
    }


def _panel(
    panel: Panel, words: TextSetter, pictures: Mapping[int, str], limit: int
) -> dict[str, Any]:
    sections = (
        ("Lyrics", words(panel.lyrics, limit=limit, lines=_LINES)),
        ("Prompt", words(panel.prompt, limit=limit)),
        ("Notes", words(panel.notes, limit=limit)),
        ("Motion", words(panel.motion, limit=limit)),
    )
    return {
        "number": panel.number,
        "scene_number": panel.scene_number,
        "starts_scene": panel.starts_scene,
        "scene": _said(words(panel.scene, limit=200)),
        "clip": _said(words(panel.clip or "Untitled", limit=200)),
        "in": panel.timecode_in,
        "out": panel.timecode_out,
        "length": panel.length,
        "picture": pictures.get(panel.number),
        "sections": [[name, _said(text)] for name, text in sections if text.text],
    }


def _said(words: TextLine) -> dict[str, Any]:
    return {"text": words.text, "lang": words.language, "rtl": words.right_to_left}


def _spread(names: list[str]) -> list[str]:
    """The first, the last, and what lies evenly between."""
    if len(names) <= _KEY_PICTURES:
        return names
    step = (len(names) - 1) / (_KEY_PICTURES - 1)
    return [names[round(place * step)] for place in range(_KEY_PICTURES)]

"""The storyboard as one HTML file: pictures inside, nothing fetched, and it prints like the PDF.

Written piece by piece, so that memory holds one picture at a time.
"""

import base64
import unicodedata
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

_STYLE = Path(__file__).with_name("storyboard.css")
_LINE = 1.32
#: Scene, a name of two lines, times, and the space under them, in ems.
_FACTS = 6.4
#: Millimetres that a column of its own needs.
_COLUMN = 38
_LETTER = 0.55
_MILLIMETRES_A_POINT = 25.4 / 72
_LANGUAGES = {"zh-hans": "zh-Hans", "zh-hant": "zh-Hant"}

Document = dict[str, Any]


def write_page(folder: Path, document: Document, *, fonts_css: str) -> Path:
    """`folder/storyboard.html` from the document that the PDF is made of. Blocking."""
    path = folder / "storyboard.html"
    with path.open("w", encoding="utf-8", newline="\n") as page:
        page.writelines(_pieces(folder, document, fonts_css))
    return path


def _pieces(folder: Path, document: Document, fonts_css: str) -> Iterator[str]:
    form = document["page"]
    yield _head(document, fonts_css)
    yield from _title_page(folder, document)
    a_page = form["columns"] * form["rows"]
    panels = document["panels"]
    pages = range(0, len(panels), a_page)
    for number, start in enumerate(pages, start=2):
        yield f'<section class="sheet">{_running_head(document)}<div class="panels">\n'
        for panel in panels[start : start + a_page]:
            yield from _panel(folder, document, panel)
        yield f"</div>{_running_foot(document, number, len(pages) + 1)}</section>\n"
    yield "</main></body></html>\n"


def _head(document: Document, fonts_css: str) -> str:
    form, boxes = document["page"], document["panel"]
    sizes = {
        "sheet-width": f"{form['width']}mm",
        "sheet-height": f"{form['height']}mm",
        "margin": f"{form['margin']}mm",
        "head": f"{form['head']}mm",
        "foot": f"{form['foot']}mm",
        "gutter": f"{form['gutter']}mm",
        "columns": form["columns"],
        "aspect": f"{boxes['picture']['width'] / boxes['picture']['height']:.4f}",
        "size": f"{document['size']}pt",
        "panel-width": f"{boxes['width']:.3f}mm",
        "panel-height": f"{boxes['height']:.3f}mm",
        **_box_sizes("picture", boxes["picture"]),
        **_box_sizes("facts", boxes["facts"]),
        **_box_sizes("words", boxes["words"] or boxes["facts"]),
    }
    variables = "".join(f"--{name}:{value};" for name, value in sizes.items())
    sheet = f"@page{{size:{form['width']}mm {form['height']}mm;margin:0}}"
    title = escape(document["title"]["text"])
    style = _STYLE.read_text("utf-8")
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{title} - storyboard</title>\n"
        f"<style>:root{{{variables}}}{sheet}\n{style}{fonts_css}</style></head>\n<body><main>\n"
    )


def _box_sizes(name: str, box: dict[str, float]) -> dict[str, str]:
    return {f"{name}-{side}": f"{value:.3f}mm" for side, value in box.items()}


def _title_page(folder: Path, document: Document) -> Iterator[str]:
    yield '<section class="sheet title"><p class="kind">Storyboard</p>'
    yield _said("h1", document["title"])
    yield _said("p", document["description"], "about")
    if document["keys"]:
        yield '<div class="keys">'
        yield from (f'<img src="{_data(folder / name)}" alt="">' for name in document["keys"])
        yield "</div>"
    facts = (f"<div><dt>{name}</dt>{_said('dd', value)}</div>" for name, value in document["facts"])
    yield f'<dl class="totals">{"".join(facts)}</dl>\n'
    if not document["scenes"]:
        yield "<p>There are no clips yet.</p>"
    else:
        yield '<table><thead><tr><th class="n">#</th><th>Scene</th><th>Begins at</th>'
        yield '<th class="n">Length</th><th class="n">Shots</th></tr></thead><tbody>\n'
        yield from map(_scene, document["scenes"])
        yield "</tbody></table>"
    yield f"<footer><span>As of {document['date']}</span></footer></section>\n"


def _scene(scene: Document) -> str:
    return (
        f'<tr><td class="n scene">{scene["number"]}</td>'
        f"<td>{_said('b', scene['name'])}{_said('p', scene['description'])}</td>"
        f'<td>{scene["in"]}</td><td class="n">{scene["length"]}</td>'
        f'<td class="n">{scene["shots"]}</td></tr>\n'
    )


def _running_head(document: Document) -> str:
    return f"<header>{_said('span', document['title'])}<span>Storyboard</span></header>\n"


def _running_foot(document: Document, number: int, total: int) -> str:
    return f"<footer><span>As of {document['date']}</span><span>{number} / {total}</span></footer>"


def _panel(folder: Path, document: Document, panel: Document) -> Iterator[str]:
    yield '<article><figure class="picture">'
    if panel["picture"]:
        alt = escape(panel["clip"]["text"])
        yield f'<img src="{_data(folder / panel["picture"])}" alt="{alt}">'
    else:
        yield f'<div class="card">{_said("b", panel["clip"])}<span>no picture yet</span></div>'
    yield f'<b class="number">{panel["number"]}</b></figure><div class="facts">'
    scene = panel["scene"] | {"text": f"{panel['scene_number']} · {panel['scene']['text']}"}
    yield _said("p", scene, "scene") + _said("h2", panel["clip"])
    yield f'<p class="times"><span>{panel["in"]} → {panel["out"]}</span>'
    yield f"<span>{panel['length']}</span></p>"
    apart = document["panel"]["words"] is not None
    if apart:
        yield '</div><div class="words">'
    yield from _sections(document, panel["sections"], apart=apart)
    yield "</div></article>\n"


def _sections(document: Document, sections: list[Any], *, apart: bool) -> Iterator[str]:
    box = document["panel"]["words"] or document["panel"]["facts"]
    size = document["size"] * _MILLIMETRES_A_POINT
    room = int((box["height"] - (0 if apart else _FACTS * size)) / (size * _LINE))
    is_wide = len(sections) > 1 and box["width"] / len(sections) > _COLUMN
    if is_wide:
        kept, lines = sections, [max(1, room - 1)] * len(sections)
    else:
        kept = sections[: max(1, room)]
        needs = [_lines(name, words, box["width"] / size) for name, words in kept]
        lines = shares(needs, room)
    yield f'<div class="sections{" wide" if is_wide else ""}">'
    for (name, words), most in zip(kept, lines, strict=True):
        yield _section(name, words, most)
    yield "</div>"


def _section(name: str, words: Document, most: int) -> str:
    language, direction = _spoken(words)
    said = f"<b>{name}</b> {escape(words['text'])}"
    return f'<p style="--lines:{most}"{language}{direction}>{said}</p>'


def _lines(name: str, words: Document, ems: float) -> int:
    """Estimated: letters are half an em wide, those of East Asia a whole one."""
    wide = sum(unicodedata.east_asian_width(char) in "WF" for char in words["text"])
    return -(-(len(name) + 1 + len(words["text"]) + wide) // max(1, int(ems / _LETTER)))


def shares(needs: list[int], room: int) -> list[int]:
    """Lines for each: what it needs, or an even share of what those who need little leave."""
    given = [1] * len(needs)
    for rank, place in enumerate(sorted(range(len(needs)), key=needs.__getitem__)):
        given[place] = max(1, min(needs[place], room // (len(needs) - rank)))
        room -= given[place]
    return given


def _said(tag: str, words: Document, kind: str = "") -> str:
    """Text in its language and direction, escaped; "" for none."""
    if not words["text"]:
        return ""
    language, direction = _spoken(words)
    chosen = f' class="{kind}"' if kind else ""
    return f"<{tag}{chosen}{language}{direction}>{escape(words['text'])}</{tag}>"


def _spoken(words: Document) -> tuple[str, str]:
    language = _LANGUAGES.get(words["lang"], words["lang"])
    said = f' lang="{language}"' if language != "en" else ""
    return said, ' dir="rtl"' if words["rtl"] else ' dir="ltr"'


def _data(path: Path) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(path.read_bytes()).decode()

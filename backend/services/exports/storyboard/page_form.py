"""Where things stand on a page: sheet, grid and the boxes of a panel, in millimetres. Pure."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Literal, NamedTuple

Paper = Literal["a4", "letter"]
Orientation = Literal["portrait", "landscape"]


class PanelsAPage(IntEnum):
    TWO = 2
    THREE = 3
    FOUR = 4
    SIX = 6
    NINE = 9


_SHEETS: dict[Paper, tuple[float, float]] = {"a4": (210.0, 297.0), "letter": (215.9, 279.4)}
#: Columns and rows of an upright page; a lying one turns them.
_GRIDS: dict[int, tuple[int, int]] = {2: (1, 2), 3: (1, 3), 4: (2, 2), 6: (2, 3), 9: (3, 3)}
_TYPE_SIZES: dict[int, float] = {2: 9.0, 3: 8.5, 4: 7.75, 6: 7.0, 9: 6.25}

_MARGIN = 14.0
_HEAD = 9.0
_FOOT = 8.0
_GUTTER = 7.0
#: Between a picture and what is written beside or under it.
_GAP = 2.5
#: Of a panel's height, at most so much is picture, so that there is room to write.
_TALLEST_PICTURE = 0.62
_WIDEST_PICTURE = 0.62
#: Facts need so much room beside a picture.
_NARROWEST_FACTS = 31.0
_FACTS_LINES = 5.0
_WORTH_OF_WORDS = 0.5
#: Lyrics, prompt, notes and motion want a line each.
_FEWEST_LINES = 4
_LINE_HEIGHT = 1.32
_WORTH_WHEN_CRAMPED = 0.75
_MILLIMETRES_A_POINT = 25.4 / 72


class Box(NamedTuple):
    """Millimetres from the panel's upper left corner."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class PageForm:
    """What a request asks of the paper."""

    panels: PanelsAPage = PanelsAPage.SIX
    paper: Paper = "a4"
    orientation: Orientation = "portrait"

    @property
    def sheet(self) -> tuple[float, float]:
        short, long = _SHEETS[self.paper]
        return (short, long) if self.orientation == "portrait" else (long, short)

    @property
    def grid(self) -> tuple[int, int]:
        """Columns and rows."""
        columns, rows = _GRIDS[self.panels]
        return (columns, rows) if self.orientation == "portrait" else (rows, columns)

    @property
    def type_size(self) -> float:
        """Points."""
        return _TYPE_SIZES[self.panels]


@dataclass(frozen=True, slots=True)
class PanelForm:
    """A panel's boxes. Without a box of their own the words follow the facts in theirs."""

    width: float
    height: float
    picture: Box
    facts: Box
    words: Box | None = None


def panel_form(form: PageForm, aspect: float) -> PanelForm:
    """The arrangement that serves a picture of this aspect and the words best."""
    width, height = _cell(form)
    facts = _FACTS_LINES * form.type_size * _MILLIMETRES_A_POINT
    both = (_beside(width, height, aspect), _above(width, height, aspect))
    return max(both, key=lambda arrangement: _worth(arrangement, facts, form.type_size))


def margins() -> dict[str, float]:
    """What the page leaves around the panels, and between them."""
    return {"margin": _MARGIN, "head": _HEAD, "foot": _FOOT, "gutter": _GUTTER}


def _cell(form: PageForm) -> tuple[float, float]:
    (width, height), (columns, rows) = form.sheet, form.grid
    inner = width - 2 * _MARGIN - (columns - 1) * _GUTTER
    upright = height - 2 * _MARGIN - _HEAD - _FOOT - (rows - 1) * _GUTTER
    return inner / columns, upright / rows


def _above(width: float, height: float, aspect: float) -> PanelForm:
    """The picture on top; facts under it, or at its side where that leaves room for them."""
    tall = min(width / aspect, height * _TALLEST_PICTURE)
    picture = Box(0.0, 0.0, tall * aspect, tall)
    under = tall + _GAP
    rest = width - picture.width - _GAP
    below = Box(0.0, under, width, height - under)
    if rest < _NARROWEST_FACTS:
        return PanelForm(width, height, picture, below)
    return PanelForm(width, height, picture, Box(width - rest, 0.0, rest, tall), below)


def _beside(width: float, height: float, aspect: float) -> PanelForm:
    wide = min(width * _WIDEST_PICTURE, height * aspect)
    picture = Box(0.0, 0.0, wide, wide / aspect)
    rest = width - wide - _GAP
    return PanelForm(width, height, picture, Box(width - rest, 0.0, rest, height))


def _worth(form: PanelForm, facts: float, type_size: float) -> float:
    """Square millimetres; those of the words count less. `facts` is the height of the facts."""
    words = form.words or form.facts._replace(height=max(0.0, form.facts.height - facts))
    worth = _area(form.picture) + _WORTH_OF_WORDS * _area(words)
    is_cramped = words.height < _FEWEST_LINES * type_size * _LINE_HEIGHT * _MILLIMETRES_A_POINT
    return worth * _WORTH_WHEN_CRAMPED if is_cramped else worth


def _area(box: Box) -> float:
    return box.width * box.height

"""The program of the process that cuts fonts: `python subset_child.py FOLDER`.

It imports nothing of ours, reads `fonts.json` and writes `font0.woff`, `font1.woff` and so on.
"""

import json
import sys
from pathlib import Path
from typing import Any

from fontTools import subset
from fontTools.ttLib import TTFont


def main(folder: Path) -> None:
    """What fontTools raises ends the process with its words on stderr."""
    orders = json.loads((folder / "fonts.json").read_text("utf-8"))
    for place, order in enumerate(orders):
        _cut(order, folder / f"font{place}.woff")


def _cut(order: dict[str, Any], target: Path) -> None:
    """Weights stay, and with all features the shaping of Arabic and Indic scripts."""
    options = subset.Options(flavor="woff", layout_features=["*"], hinting=False, name_IDs=[])
    font = TTFont(order["file"], fontNumber=order["number"], lazy=True, recalcTimestamp=False)
    cutter = subset.Subsetter(options)
    cutter.populate(text=order["text"])
    cutter.subset(font)
    subset.save_font(font, str(target), options)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

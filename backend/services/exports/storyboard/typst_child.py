"""The program of the process that runs Typst: `python typst_child.py FOLDER`.

It imports nothing of ours, reads `storyboard.typ`, `order.json` and `document.json`, and writes
`part.pdf`.
"""

import json
import sys
from pathlib import Path

PART = "part.pdf"
TEMPLATE = "storyboard.typ"


def main(folder: Path) -> None:
    """TypstError ends the process with its words on stderr."""
    import typst  # 84 MB that only this process needs

    order = json.loads((folder / "order.json").read_text("utf-8"))
    fonts = typst.Fonts(
        include_system_fonts=False,
        include_embedded_fonts=False,
        font_paths=[Path(path) for path in order["fonts"]],
    )
    typst.compile(
        folder / TEMPLATE,
        output=folder / PART,
        root=folder,
        font_paths=fonts,
        timestamp=order["date"],
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""The program of the process that binds parts: `python bind_child.py FOLDER`.

It imports nothing of ours and reads `parts.json`, names of PDFs in their order, and writes
`storyboard.pdf`.
"""

import json
import sys
from pathlib import Path

from pypdf import PdfReader, PdfWriter


def main(folder: Path) -> None:
    """Bookmarks are kept; tags are not, for pypdf does not join their trees."""
    parts = [folder / name for name in json.loads((folder / "parts.json").read_text("utf-8"))]
    with PdfWriter() as book:
        for part in parts:
            book.append(part)
        book.metadata = PdfReader(parts[0]).metadata
        book.write(folder / "storyboard.pdf")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""`python -m scripts.openapi`: write docs/openapi.json, the manual that other programs read.

Run it with `.venv/bin/python` after a change of routes or DTOs; a test compares the two.
"""

import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from backend.config import ROOT, Settings
from backend.server import create_app

TARGET = ROOT / "docs" / "openapi.json"


def document() -> dict[str, Any]:
    """Give what a server answers at /openapi.json; no setting changes it."""
    with TemporaryDirectory() as folder:
        settings = Settings(_env_file=None, mongo_url="memory:", upload_dir=Path(folder))
        return create_app(settings).openapi()


def text() -> str:
    return json.dumps(document(), indent=2, ensure_ascii=False) + "\n"


def main() -> int:
    TARGET.write_text(text(), "utf-8")
    print(f"{TARGET.relative_to(ROOT)} is written.")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""What the tests of documents share: their parts, and running their commands as they stand."""

import asyncio
import re
import shlex
from collections.abc import Mapping
from pathlib import Path

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_ROW = re.compile(r"^\| `([^`]+)` \|(.*)\|$", re.MULTILINE)


def section(text: str, heading: str) -> str:
    """What stands below a heading, up to the next one of the same depth."""
    depth = heading.partition(" ")[0]
    return re.split(rf"^{depth} ", text.split(f"\n{heading}\n")[1], flags=re.MULTILINE)[0]


def blocks(text: str, language: str) -> list[str]:
    return [body for found, body in _FENCE.findall(text) if found == language]


def rows(text: str) -> dict[str, list[str]]:
    """The rows of a table whose first cell is code, by that cell."""
    return {name: [cell.strip() for cell in rest.split("|")] for name, rest in _ROW.findall(text)}


async def paste(script: str, folder: Path, places: Mapping[str, object]) -> str:
    """Run it in bash as a person would paste it, but stop at the first command that fails.

    `places` are variables of its environment. Nothing may be said on standard error.
    """
    given = {"TMPDIR": folder, "no_proxy": "*", **places}
    exports = "".join(f"export {name}={shlex.quote(str(given[name]))}\n" for name in given)
    shell = await asyncio.create_subprocess_exec(
        "bash", "-c", f"set -euo pipefail\n{exports}{script}",
        cwd=folder,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(60):
        told, complaints = await shell.communicate()
    assert shell.returncode == 0, f"{told.decode()}\n{complaints.decode()}"
    assert complaints == b""
    return told.decode()

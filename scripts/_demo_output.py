"""The demo's folder: made aside, put in place at once, and only ever in place of itself."""

import json
import shutil
import urllib.parse
from pathlib import Path
from typing import Any, NamedTuple

from scripts._api import Api, DemoError

#: Each file with the export that makes it.
EXPORTS = {
    "project.fcpxml": "fcpxml",
    "project_resolve.fcpxml": "resolve",
    "project.edl": "edl",
    "project.json": "json",
}
MEDIA = "media"


class Delivered(NamedTuple):
    """`timeline` is that of the JSON export; `media` maps a take's id to its file."""

    timeline: dict[str, Any]
    media: dict[str, Path]


def require_replaceable(output: Path) -> None:
    """Raise DemoError rather than delete what an earlier demo did not write."""
    if not output.exists():
        return
    if not output.is_dir():
        raise DemoError(f"{output} is a file: name another place with --output.")
    foreign = sorted({entry.name for entry in output.iterdir()} - {*EXPORTS, MEDIA})
    if foreign:
        raise DemoError(
            f"{output} holds '{foreign[0]}', which no demo wrote; it would be deleted. "
            "Name another folder with --output."
        )


def write_output(api: Api, project_id: str, output: Path) -> Delivered:
    """Fetch every export and the media they refer to, under exactly the names they use."""
    require_replaceable(output)
    making = output.with_name(f".{output.name}.new")
    shutil.rmtree(making, ignore_errors=True)
    (making / MEDIA).mkdir(parents=True)
    for name, kind in EXPORTS.items():
        (making / name).write_bytes(api.download(f"/api/projects/{project_id}/export/{kind}"))
    timeline = json.loads((making / "project.json").read_bytes())["timeline"]
    for media in timeline["media"]:
        served = f"/uploads/{urllib.parse.quote(media['path'])}"
        (making / MEDIA / media["name"]).write_bytes(api.download(served))
    if output.exists():
        shutil.rmtree(output)
    making.rename(output)
    return Delivered(timeline, {it["id"]: output / MEDIA / it["name"] for it in timeline["media"]})

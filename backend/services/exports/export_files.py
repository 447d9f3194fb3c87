"""The file of each format: which exporter writes it, what it is called, what type it is."""

import hashlib
import unicodedata
from collections.abc import Callable
from typing import NamedTuple

from backend.models.exports.timeline import Timeline
from backend.services.exports.film import ExportFormat, Film
from backend.services.exports.formats import (
    archive,
    edl,
    fcpxml,
    json_export,
    otio_export,
    shot_list,
    xmeml,
)
from backend.services.exports.formats.names import slug

_XML = "application/xml"
#: No file system takes them in a name; the bidirectional ones would disguise its ending.
_UNSAFE = set('<>:"/\\|?*\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069')
#: File systems take 255 bytes; browsers add a number.
_LONGEST_NAME = 180


class ExportFile(NamedTuple):
    """`filename` is ASCII, `title` what people would call it; `etag` is of the content."""

    body: bytes
    media_type: str
    filename: str
    title: str
    etag: str


class _Kind(NamedTuple):
    """`write` gives the file, or the parts of one that its format can't hold."""

    media_type: str
    ending: str
    write: Callable[[Film, Timeline], bytes | list[bytes]]


def export_file(fmt: ExportFormat, film: Film, timeline: Timeline) -> ExportFile:
    """Write a film; InvalidRequestError for a `media_root` that is none."""
    media_type, ending, write = _KINDS[fmt]
    stem = slug(film.project.name, fallback="project", limit=60)
    body = write(film, timeline)
    if isinstance(body, list):
        body = archive.zip_parts(body, stem=stem, suffix=ending)
        media_type, ending = "application/zip", f"_{fmt}.zip"
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    title = safe_title(film.project.name) + ending
    return ExportFile(body, media_type, stem + ending, title, etag)


def safe_title(name: str) -> str:
    """A project's name as the stem of a file name that any system takes; `project` for none."""
    kept = (c for c in name if c not in _UNSAFE and unicodedata.category(c) not in {"Cc", "Cs"})
    title = " ".join("".join(kept).split()).strip(". ")
    cut = title.encode()[:_LONGEST_NAME].decode(errors="ignore").strip(". ")
    return cut or "project"


def _fcpxml(film: Film, timeline: Timeline) -> bytes:
    return fcpxml.write(timeline, media_root=film.options.media_root)


def _resolve(film: Film, timeline: Timeline) -> bytes:
    return fcpxml.write(timeline, variant="resolve", media_root=film.options.media_root)


def _edl(film: Film, timeline: Timeline) -> bytes | list[bytes]:
    parts = edl.write(timeline, unique_reels=film.options.unique_reels)
    return parts[0] if len(parts) == 1 else parts


def _xmeml(film: Film, timeline: Timeline) -> bytes:
    return xmeml.write(timeline, media_root=film.options.media_root)


def _otio(film: Film, timeline: Timeline) -> bytes:
    return otio_export.write(timeline, media_root=film.options.media_root)


def _csv(film: Film, timeline: Timeline) -> bytes:
    return shot_list.write(timeline, scenes=film.scenes, clips=film.clips)


def _json(film: Film, timeline: Timeline) -> bytes:
    return json_export.write(
        timeline,
        project=film.project,
        scenes=film.scenes,
        clips=film.clips,
        characters=film.characters,
        link=film.options.link,
    )


_KINDS: dict[ExportFormat, _Kind] = {
    "fcpxml": _Kind(_XML, ".fcpxml", _fcpxml),
    "resolve": _Kind(_XML, "_resolve.fcpxml", _resolve),
    "edl": _Kind("text/plain", ".edl", _edl),
    "xmeml": _Kind(_XML, ".xml", _xmeml),
    "otio": _Kind("application/json", ".otio", _otio),
    "json": _Kind("application/json", ".json", _json),
    "csv": _Kind("text/csv", ".csv", _csv),
}

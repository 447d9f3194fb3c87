"""README.txt of a media package: what is in it, what to open where, and what is missing."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from backend.models.exports.timeline import Timeline
from backend.services.exports.formats.names import one_line


class WrittenTimeline(NamedTuple):
    """A timeline file of the package; without names it was refused, for that reason."""

    label: str
    names: Sequence[str] = ()
    refusal: str = ""


_OPENING = """\
What to open
------------
Unpack everything first, and keep the media folder beside the timelines.

Final Cut Pro     File > Import > XML, then {fcpxml}
DaVinci Resolve   File > Import > Timeline, then {resolve}
                  Media offline? Right-click the timeline's bin, Relink, choose the folder media.
Premiere Pro      File > Import, then {xmeml}
                  (or {otio} with 25.6 and newer; {edl} is a bare cut list)
Anything else     {otio}, {edl}
Spreadsheets      {csv}: the shot list
StoryCanvas       {json}: POST /api/v1/projects/import makes the project anew
"""


def write(
    timeline: Timeline,
    written: Mapping[str, WrittenTimeline],
    *,
    lost: Sequence[str],
    media_root: str = "",
) -> bytes:
    """UTF-8. `lost` says which files of the film could not be packed, a sentence each."""
    return "\n".join(
        [
            *_heading(timeline, media_root),
            _OPENING.format(**{fmt: _names(file) for fmt, file in written.items()}),
            *_section("Not in this package", [*lost, *_refusals(written)]),
            *_section("What was changed or is missing", _problems(timeline)),
            *_section("Media", [f"media/{media.name}" for media in timeline.media], note=_MEDIA),
        ]
    ).encode("utf-8", "replace")


_MEDIA = (
    "Videos were converted to the timeline's rate (H.264, constant rate); stills and music are"
    " as they were. Names are s<scene>_c<clip>_<title>_<mark of the take>."
)


def _heading(timeline: Timeline, media_root: str) -> list[str]:
    name = one_line(timeline.name, fallback="Untitled")
    rate = timeline.rate
    drop = ", drop frame" if timeline.drop_frame else ""
    seconds = float(timeline.total_frames * rate.frame_duration)
    place = [f"The timelines look for their media in {media_root}"] if media_root else []
    return [
        name,
        "=" * min(len(name), 80),
        f"{timeline.width} x {timeline.height}, {rate.fps:.6g} frames a second{drop},"
        f" {timeline.total_frames} frames ({seconds:.1f} s)",
        *place,
        "",
    ]


def _names(file: WrittenTimeline) -> str:
    return ", ".join(file.names) or f"({file.label} could not be written, see below)"


def _refusals(written: Mapping[str, WrittenTimeline]) -> list[str]:
    return [f"{file.label}: {file.refusal}" for file in written.values() if file.refusal]


def _problems(timeline: Timeline) -> list[str]:
    return [one_line(problem.message, fallback="") for problem in timeline.problems]


def _section(title: str, lines: Sequence[str], *, note: str = "") -> list[str]:
    if not lines:
        return []
    return [title, "-" * len(title), *([note] if note else []), *(f"- {at}" for at in lines), ""]

"""Looks at a timeline with the eyes of a format. Pure: nothing is opened, nothing is written."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

from backend.models.content import ContentType
from backend.models.exports.frame_rate import SUPPORTED_FPS, FrameRate
from backend.models.exports.preflight import Finding, FindingPlace, Preflight, Severity
from backend.models.exports.timeline import Gap, MediaKind, ProblemCode, Timeline
from backend.services.exports.film import ExportFormat, Film
from backend.services.exports.formats import otio_export
from backend.services.exports.formats.edl import MAX_EVENTS, title_of
from backend.services.exports.formats.names import one_line
from backend.utils.errors import ConflictError

#: Places that one finding lists; the count tells how many there are.
_MOST_PLACES = 1_000
#: A source's rate may be off by this much and still be the timeline's: 23.98 is 23.976.
_SAME_RATE = 0.005

#: Formats that show clips under their titles; the others name them after their files.
_TITLED: frozenset[ExportFormat] = frozenset({"fcpxml", "xmeml", "csv", "json"})
_BY_FILE_NAME: frozenset[ExportFormat] = frozenset({"resolve", "edl", "otio"})

_PROBLEMS: dict[ProblemCode, tuple[Severity, str, str]] = {
    ProblemCode.NO_MEDIA: (
        Severity.WARNING,
        "Some clips have nothing to show.",
        "Generate or select a take, or export with media=placeholder for cards in their place.",
    ),
    ProblemCode.MISSING_FILE: (
        Severity.WARNING,
        "Files of selected takes are gone.",
        "Select another take, or generate the clip again.",
    ),
    ProblemCode.EMPTY_FILE: (
        Severity.WARNING,
        "Files of selected takes are empty.",
        "Select another take, or generate the clip again.",
    ),
    ProblemCode.DAMAGED_FILE: (
        Severity.WARNING,
        "Files of selected takes are damaged.",
        "Select another take, or generate the clip again.",
    ),
    ProblemCode.UNKNOWN_LENGTH: (
        Severity.WARNING,
        "The length of some videos is unknown, so they can't be cut in.",
        "Select another take, or generate the clip again.",
    ),
    ProblemCode.SHORT_VIDEO: (
        Severity.WARNING,
        "Some clips are longer than their videos; a gap follows the video.",
        "Shorten the clip, or select a longer take.",
    ),
    ProblemCode.OVERLAP: (
        Severity.WARNING,
        "Some clips overlap; the later one gives way.",
        "Move them apart: the scene's timeline analysis suggests where to.",
    ),
    ProblemCode.ORPHAN_CLIP: (
        Severity.WARNING,
        "Some clips belong to no scene and are left out.",
        "Delete them, or create them again in a scene.",
    ),
    ProblemCode.MUSIC_LEFT_OUT: (
        Severity.WARNING,
        "The music is left out.",
        "Upload it again, or add a clip for it to play under.",
    ),
}


def refuse(timeline: Timeline, fmt: ExportFormat) -> None:
    """ConflictError, in the words of the preflight, for what the format can't write right."""
    for finding in _errors(timeline, fmt):
        raise _refusal(finding)


def refuse_rate(film: Film) -> None:
    """ConflictError for a rate that no editor knows."""
    if bad_rate(film):
        raise _refusal(_rate_finding(film))


def bad_rate(film: Film) -> bool:
    return not any(abs(film.project.fps - fps) < _SAME_RATE for fps in SUPPORTED_FPS)


def of_bad_rate(film: Film, fmt: ExportFormat) -> Preflight:
    """There is no timeline to look at."""
    return Preflight(film.project.id, fmt, 0, 0.0, 0, 0, (_rate_finding(film),))


def inspect(film: Film, timeline: Timeline, fmt: ExportFormat) -> Preflight:
    """Errors first, then warnings, then notes."""
    events = sum(1 for _ in timeline.clips) + bool(timeline.music)
    findings = [
        *_errors(timeline, fmt),
        *_problems(timeline),
        *(found for look in _LOOKS for found in look(film, timeline, fmt)),
    ]
    ranks = list(Severity)
    findings.sort(key=lambda finding: ranks.index(finding.severity))
    return Preflight(
        project_id=film.project.id,
        format=fmt,
        total_frames=timeline.total_frames,
        duration=round(float(timeline.total_frames * timeline.rate.frame_duration), 3),
        events=events,
        parts=max(1, -(-events // MAX_EVENTS)) if fmt == "edl" else 1,
        findings=tuple(findings),
    )


def _refusal(finding: Finding) -> ConflictError:
    message = f"{finding.message} {finding.advice}"
    return ConflictError(message, code="EXPORT_REFUSED", finding=finding.code)


def _rate_finding(film: Film) -> Finding:
    rates = ", ".join(f"{fps:g}" for fps in SUPPORTED_FPS)
    return Finding(
        "unsupported_rate",
        Severity.ERROR,
        f"{film.project.fps:g} frames a second is no rate that editors know.",
        f"Set the project's fps to one of {rates}.",
    )


def _errors(timeline: Timeline, fmt: ExportFormat) -> Iterator[Finding]:
    if fmt == "otio" and not otio_export.AVAILABLE:
        yield Finding(
            "library_missing",
            Severity.ERROR,
            "OpenTimelineIO is not installed: it is not made for this version of Python.",
            "Export another format, or run StoryCanvas with Python 3.11 to 3.13.",
        )
    rate, drop = timeline.rate, timeline.drop_frame
    end = rate.hour(drop_frame=drop) + timeline.total_frames
    if fmt == "edl" and not rate.has_timecode(end, drop_frame=drop):
        yield Finding(
            "too_long",
            Severity.ERROR,
            "Record time begins at 01:00:00:00 and timecode ends at 24 hours, so an EDL carries"
            " less than 23 hours.",
            "Export another format, or divide the project.",
        )


def _problems(timeline: Timeline) -> Iterator[Finding]:
    by_code: dict[ProblemCode, list[FindingPlace]] = {}
    for problem in timeline.problems:
        by_code.setdefault(problem.code, []).append(FindingPlace(problem.clip_id, problem.message))
    for code, places in by_code.items():
        severity, message, advice = _PROBLEMS[code]
        yield _finding(str(code), severity, message, advice, places)


def _mixed_rates(film: Film, timeline: Timeline, _fmt: ExportFormat) -> Iterator[Finding]:
    fps_of = {
        take.id: take.fps
        for clip in film.clips
        if (take := clip.selected(ContentType.VIDEO)) and take.fps
    }
    places = [
        FindingPlace(clip.clip_id, f"The video of clip '{clip.name}' has {fps:g} frames a second.")
        for clip in timeline.clips
        if (fps := fps_of.get(clip.media.id)) and abs(fps - timeline.rate.fps) >= _SAME_RATE
    ]
    yield from _if_any(
        "mixed_rates",
        Severity.WARNING,
        f"Some videos have another rate than the timeline's {timeline.rate.fps:.6g}; the file"
        " describes them as if they had been converted.",
        "Convert the media to the timeline's rate before you link them.",
        places,
    )


def _gaps(_film: Film, timeline: Timeline, _fmt: ExportFormat) -> Iterator[Finding]:
    short = {p.clip_id for p in timeline.problems if p.code is ProblemCode.SHORT_VIDEO}
    holes = _holes(timeline, short)
    places = [_place_of_gap(timeline.rate, gap, before) for before, gap in holes]
    yield from _if_any(
        "gaps",
        Severity.NOTE,
        "Nothing is shown between some clips.",
        "Leave them, or move the clips together.",
        places,
    )


def _holes(timeline: Timeline, short: set[str | None]) -> Iterator[tuple[str | None, Gap]]:
    """Gaps that are no clips, without those that follow a video that is too short."""
    before: str | None = None
    for item in timeline.items:
        if isinstance(item, Gap) and item.clip_id is None and before not in short:
            yield before, item
        before = item.clip_id


def _place_of_gap(rate: FrameRate, gap: Gap, before: str | None) -> FindingPlace:
    start, end = (float(frame * rate.frame_duration) for frame in (gap.offset, gap.end))
    return FindingPlace(before, f"Nothing is shown from {start:.3f} s to {end:.3f} s of the film.")


def _tiny_clips(film: Film, timeline: Timeline, _fmt: ExportFormat) -> Iterator[Finding]:
    laid = {item.clip_id for item in timeline.items if item.duration == 1}
    half = float(timeline.rate.frame_duration) / 2
    places = [
        FindingPlace(clip.id, f"Clip '{clip.name}' lasts {clip.length:g} s.")
        for clip in film.clips
        if clip.id in laid and clip.length < half
    ]
    yield from _if_any(
        "under_a_frame",
        Severity.NOTE,
        "Some clips are shorter than half a frame and are shown for one.",
        "Lengthen them.",
        places,
    )


def _cards(_film: Film, timeline: Timeline, _fmt: ExportFormat) -> Iterator[Finding]:
    places = [
        FindingPlace(clip.clip_id, f"Clip '{clip.name}' is shown by a card.")
        for clip in timeline.clips
        if clip.media.path is None
    ]
    yield from _if_any(
        "placeholders",
        Severity.NOTE,
        "Cards stand for clips that have nothing to show.",
        "Their pictures are in the bundle; beside it they are offline.",
        places,
    )


def _names(film: Film, timeline: Timeline, fmt: ExportFormat) -> Iterator[Finding]:
    places = [*_changed_titles(film, fmt)]
    if fmt not in {"edl", "json"}:
        places += [
            FindingPlace(item.clip_id, f"The clip is called '{written}'.")
            for item in timeline.items
            if item.clip_id and (written := one_line(item.name, fallback="Untitled")) != item.name
        ]
    yield from _if_any(
        "name_changed",
        Severity.NOTE,
        "Some names had to change.",
        "Take control characters and line breaks out of them; an EDL's title is ASCII.",
        places,
    )


def _changed_titles(film: Film, fmt: ExportFormat) -> Iterator[FindingPlace]:
    name = film.project.name
    written = title_of(name) if fmt == "edl" else one_line(name, fallback="Untitled")
    if fmt not in {"csv", "json"} and written != name:
        yield FindingPlace(None, f"The timeline is called '{written}'.")


def _duplicates(_film: Film, timeline: Timeline, fmt: ExportFormat) -> Iterator[Finding]:
    if fmt not in _TITLED:
        return
    titles = Counter(item.name for item in timeline.items if item.clip_id)
    places = [
        FindingPlace(item.clip_id, f"'{one_line(item.name, fallback='Untitled')}' is not alone.")
        for item in timeline.items
        if item.clip_id and titles[item.name] > 1
    ]
    yield from _if_any(
        "duplicate_names",
        Severity.NOTE,
        "Some clips have the same name; their files do not.",
        "Rename them if you look for clips by name.",
        places,
    )


def _named_after_files(_film: Film, timeline: Timeline, fmt: ExportFormat) -> Iterator[Finding]:
    if fmt in _BY_FILE_NAME and timeline.items:
        titles = "are left out" if fmt == "edl" else "are in the notes"
        yield Finding(
            "named_after_files",
            Severity.NOTE,
            f"Clips are named after their files, which is what editors relink by; titles {titles}.",
            "Nothing to do.",
        )


def _music(_film: Film, timeline: Timeline, _fmt: ExportFormat) -> Iterator[Finding]:
    music = timeline.music
    if music is None:
        return
    if music.media.frames > music.duration:
        yield Finding(
            "music_longer",
            Severity.NOTE,
            "The music is longer than the picture and is cut off with it.",
            "Nothing to do; the rest of it is there when you pull its end.",
        )
    elif music.duration < timeline.total_frames:
        yield Finding(
            "music_shorter",
            Severity.NOTE,
            "The music ends before the picture.",
            "Nothing to do, unless it should last.",
        )


def _length(_film: Film, timeline: Timeline, fmt: ExportFormat) -> Iterator[Finding]:
    rate, drop = timeline.rate, timeline.drop_frame
    end = rate.hour(drop_frame=drop) + timeline.total_frames
    if fmt not in {"edl", "json"} and not rate.has_timecode(end, drop_frame=drop):
        yield Finding(
            "longer_than_timecode",
            Severity.WARNING,
            "The film passes 24:00:00:00, where timecode begins again.",
            "Divide the project.",
        )


def _edl(_film: Film, timeline: Timeline, fmt: ExportFormat) -> Iterator[Finding]:
    if fmt != "edl":
        return
    events = sum(1 for _ in timeline.clips) + bool(timeline.music)
    if events > MAX_EVENTS:
        yield Finding(
            "over_999_events",
            Severity.WARNING,
            f"{events} events are more than an EDL holds; you get a zip of several.",
            "Import all parts in order: their record times follow one another.",
            events,
        )
    stills = [
        FindingPlace(clip.clip_id, f"Clip '{clip.name}' is a still.")
        for clip in timeline.clips
        if clip.media.kind is MediaKind.STILL
    ]
    yield from _if_any(
        "stills_in_edl",
        Severity.WARNING,
        "DaVinci Resolve links no stills from an EDL.",
        "Use the Resolve export there.",
        stills,
    )
    if timeline.markers or any(item.note for item in timeline.items):
        yield Finding(
            "not_carried",
            Severity.NOTE,
            "An EDL carries no notes, markers or sizes.",
            "Export another format if you need them.",
        )


_Look = Callable[[Film, Timeline, ExportFormat], Iterable[Finding]]
_LOOKS: tuple[_Look, ...] = (
    _mixed_rates,
    _gaps,
    _tiny_clips,
    _cards,
    _names,
    _duplicates,
    _named_after_files,
    _music,
    _length,
    _edl,
)


def _if_any(
    code: str, severity: Severity, message: str, advice: str, places: Sequence[FindingPlace]
) -> Iterator[Finding]:
    if places:
        yield _finding(code, severity, message, advice, places)


def _finding(
    code: str, severity: Severity, message: str, advice: str, places: Sequence[FindingPlace]
) -> Finding:
    return Finding(code, severity, message, advice, len(places), tuple(places[:_MOST_PLACES]))

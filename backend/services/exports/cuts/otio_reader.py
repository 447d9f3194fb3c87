"""Reads `.otio` through OpenTimelineIO: all picture tracks of the first timeline."""

from collections.abc import Iterator
from fractions import Fraction
from math import isfinite
from posixpath import basename
from typing import Any
from urllib.parse import unquote

import orjson

from backend.models.exports.cut import Cut, CutItem
from backend.models.exports.frame_rate import RATES
from backend.services.exports.cuts.unreadable import unreadable
from backend.services.exports.formats.otio_export import NAMESPACE

try:
    import opentimelineio as otio
except ImportError:  # it has no wheels for this Python
    otio = None

#: Stacks within stacks; a hostile file could nest until the library's recursion ends.
_DEEPEST = 24


def read(text: str) -> Cut:
    """UnprocessableError for what is no timeline, or one that OpenTimelineIO refuses."""
    if otio is None:
        raise unreadable("OpenTimelineIO is not made for this version of Python")
    timeline = _timeline(text)
    try:
        items = [item for track in timeline.video_tracks() for item in _track(track)]
    except _faults() as error:
        raise unreadable(f"OpenTimelineIO says: {str(error)[:200]}") from error
    return Cut("otio", tuple(sorted(items, key=lambda item: item.start)))


def _faults() -> tuple[type[Exception], ...]:
    """What the library raises for what it does not like: there is no common base."""
    ours: type[Exception] = otio.exceptions.OTIOError
    return (ours, ValueError, TypeError, LookupError, AttributeError, RuntimeError)


def _timeline(text: str) -> Any:
    # Checked first by a parser that refuses NaN, and nesting beyond what a stack can bear.
    try:
        head = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise unreadable(f"it is no JSON ({error})") from error
    if not isinstance(head, dict) or _depth(head) > _DEEPEST * 4:
        raise unreadable("it is no timeline")
    try:
        root = otio.core.deserialize_json_from_string(text)
    except _faults() as error:
        raise unreadable(f"OpenTimelineIO says: {str(error)[:200]}") from error
    if isinstance(root, otio.schema.SerializableCollection):
        root = next((each for each in root if isinstance(each, otio.schema.Timeline)), None)
    if not isinstance(root, otio.schema.Timeline):
        raise unreadable("there is no timeline in it")
    return root


def _depth(value: Any) -> int:
    deepest, waiting = 0, [(value, 1)]
    while waiting:
        found, depth = waiting.pop()
        deepest = max(deepest, depth)
        children = found.values() if isinstance(found, dict) else found
        waiting += [(each, depth + 1) for each in children if isinstance(each, dict | list)]
    return deepest


def _track(track: Any) -> Iterator[CutItem]:
    cursor = Fraction(0)
    for item in track:
        if isinstance(item, otio.schema.Transition):
            continue
        length = _seconds(item.trimmed_range().duration)
        if length < 0:
            raise unreadable(f"'{item.name[:80]}' has a length below zero")
        ours = _remembered(item)
        if length and (ours or not isinstance(item, otio.schema.Gap)):
            yield _item(item, ours, cursor, length)
        cursor += length


def _item(item: Any, ours: str | None, start: Fraction, length: Fraction) -> CutItem:
    reference = getattr(item, "media_reference", None)
    shown = item.source_range
    available = getattr(reference, "available_range", None)
    begin = _seconds(available.start_time) if available else Fraction(0)
    return CutItem(
        names=tuple(dict.fromkeys(_names(item, reference))),
        start=start,
        duration=length,
        clip_id=ours,
        source_in=_seconds(shown.start_time) - begin if shown else None,
        has_speed=any(isinstance(each, otio.schema.TimeEffect) for each in item.effects),
    )


def _names(item: Any, reference: Any) -> Iterator[str]:
    url = getattr(reference, "target_url", "") or ""
    yield basename(unquote(url))
    if reference is not None:
        yield reference.name or ""
    yield item.name or ""


def _remembered(item: Any) -> str | None:
    """The clip's id, if the metadata that our export wrote is still there."""
    ours = item.metadata.get(NAMESPACE)
    if not isinstance(ours, str):
        return None
    try:
        words = orjson.loads(ours)
    except orjson.JSONDecodeError:
        return None
    clip_id = words.get("clip_id") if isinstance(words, dict) else None
    return clip_id if isinstance(clip_id, str) else None


def _seconds(time: Any) -> Fraction:
    if not isfinite(time.value) or not isfinite(time.rate) or time.rate <= 0:
        raise unreadable("a time in it is no number")
    known = (rate.exact for rate in RATES if abs(rate.fps - time.rate) < 0.005)
    rate = next(known, Fraction(time.rate).limit_denominator(1001))
    if rate <= 0:
        raise unreadable("a rate in it is no rate")
    return Fraction(time.value).limit_denominator(1_000_000) / rate

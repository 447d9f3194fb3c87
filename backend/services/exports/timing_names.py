"""Finds clips again by what editors keep of them: ids, file names, reels, titles."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator

from backend.models.clip import Clip
from backend.models.exports.cut import CutItem
from backend.models.exports.timeline import Timeline
from backend.services.exports.formats.edl import reels_of
from backend.services.exports.formats.names import one_line

#: `s01_c02_`: where a clip lay when it was exported; the rest of the name is its own.
_PLACE = re.compile(r"s\d{2,}_c\d{2,}_(?=.)")


class NameIndex:
    """`timelines` are the film as exports may have shown it: with and without placeholders."""

    def __init__(self, timelines: Iterable[Timeline], clips: Iterable[Clip]) -> None:
        self._clips = {clip.id for clip in clips}
        self._files: defaultdict[str, list[str]] = defaultdict(list)
        self._stems: defaultdict[str, list[str]] = defaultdict(list)
        self._titles: defaultdict[str, list[str]] = defaultdict(list)
        self._reels: defaultdict[str, list[str]] = defaultdict(list)
        for timeline in timelines:
            self._enter(timeline)

    def find(self, item: CutItem) -> list[str]:
        """Clip ids, in story order; of several with one name the caller takes who is left."""
        if item.clip_id in self._clips:
            return [item.clip_id or ""]
        for ids in self._by_name(item.names):
            if ids:
                return ids
        return []

    def _by_name(self, names: Iterable[str]) -> Iterator[list[str]]:
        """By whole file names first, by titles last: those are often not alone."""
        for name in names:
            yield self._files.get(name.casefold(), [])
        for name in names:
            yield self._alone(self._stems, _PLACE.sub("", name.casefold()))
        for name in names:
            yield self._reels.get(name, [])
        for name in names:
            yield self._alone(self._titles, name)

    def _alone(self, book: defaultdict[str, list[str]], name: str) -> list[str]:
        found = book.get(name, [])
        return found if len(found) == 1 else []

    def _enter(self, timeline: Timeline) -> None:
        reels = reels_of(timeline)
        for item in timeline.items:
            if item.clip_id:
                _put(self._titles, one_line(item.name, fallback="Untitled"), item.clip_id)
        for clip in timeline.clips:
            name = clip.media.name.casefold()
            _put(self._files, name, clip.clip_id)
            _put(self._stems, _PLACE.sub("", name), clip.clip_id)
            _put(self._reels, reels[clip.media.id], clip.clip_id)


def _put(book: defaultdict[str, list[str]], name: str, clip_id: str) -> None:
    if clip_id not in book[name]:
        book[name].append(clip_id)

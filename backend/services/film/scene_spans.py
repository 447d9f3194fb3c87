"""Remembers where the clips of a scene lie until the scene's timeline changes.

Reading 10,000 clips takes the embedded database a second, and every move is checked against all
of them. So they are kept under the scene's timeline revision, which every write raises that the
spans depend on, whichever process makes it. Who moves a clip knows what they are afterwards.
"""

from collections.abc import Iterable, Sequence

from backend.models.clip import Clip
from backend.models.scene import Scene
from backend.repositories.clip_repository import ClipRepository
from backend.repositories.scene_repository import Totals
from backend.utils.revision_cache import RevisionCache
from backend.utils.timeline_validator import Span, to_ms, to_seconds

#: Clips of all scenes that are remembered; one takes a quarter of a kilobyte.
_KEPT_CLIPS = 40_000


class SceneSpans:
    """One for all services of a process. Lists are shared: do not change them."""

    def __init__(
        self, clips: ClipRepository, cache: RevisionCache[Sequence[Span]] | None = None
    ) -> None:
        self._clips = clips
        self._cache = cache or RevisionCache(_KEPT_CLIPS)

    async def of(self, scene: Scene) -> Sequence[Span]:
        """The spans of a scene that has just been read, alternates left out, in any order."""
        kept = self._cache.get(scene.id, scene.timeline_revision)
        if kept is not None:
            return kept
        spans = await self._clips.spans(scene.id)
        if is_settled(scene, spans):
            self._put(scene.id, scene.timeline_revision, spans)
        return spans

    def changed(self, scene: Scene, spans: Sequence[Span]) -> None:
        """Remember what the spans are after a write that raised the revision of `scene` by one.

        If somebody raised it as well, there is never again a scene of that revision to ask for.
        """
        self._put(scene.id, scene.timeline_revision + 1, spans)

    def added(self, scene: Scene, clips: Iterable[Clip]) -> None:
        """Remember the spans with new clips, which were counted in on `scene` and are stored."""
        known = self._cache.get(scene.id, scene.timeline_revision)
        if known is not None:
            self.changed(scene, [*known, *(span_of(clip) for clip in clips)])

    def renamed(self, scene: Scene, clip_id: str, name: str) -> None:
        """Remember the spans after a rename that raised the revision of `scene`."""
        known = self._cache.get(scene.id, scene.timeline_revision)
        if known is not None:
            spans = [each._replace(name=name) if each.id == clip_id else each for each in known]
            self.changed(scene, spans)

    def _put(self, scene_id: str, revision: int, spans: Sequence[Span]) -> None:
        self._cache.put(scene_id, revision, spans, size=len(spans) or 1)


def span_of(clip: Clip) -> Span:
    start = to_ms(clip.timeline_position)
    return Span(clip.id, clip.name, start, start + to_ms(clip.length))


def is_settled(scene: Scene, spans: Sequence[Span]) -> bool:
    """Whether the clips are those that the scene, read before them, has counted.

    New clips are counted before they are stored, so a scene may be ahead of its clips.
    """
    return totals_of(spans) == (scene.clip_count, scene.duration)


def totals_of(spans: Sequence[Span]) -> Totals:
    return Totals(len(spans), to_seconds(max((span.end for span in spans), default=0)))

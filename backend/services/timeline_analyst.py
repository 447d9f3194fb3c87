"""The analysis of a scene's timeline, worked out only when its clips changed.

The finished answer is kept under the scene's timeline revision: a repeat costs one read of the
scene.
"""

import asyncio
from collections.abc import Sequence

import orjson

from backend.models.scene import Scene
from backend.repositories.scene_repository import SceneRepository
from backend.services.clip_timeline import report_on
from backend.services.scene_spans import SceneSpans, is_settled
from backend.services.timeline_analysis import analysis_of
from backend.utils.revision_shelf import RevisionShelf
from backend.utils.timeline_validator import Span

#: Bytes of finished answers that are kept; one of 10,000 clips with a gap behind each has 2.3 MB.
_KEPT_BYTES = 16_000_000


class TimelineAnalyst:
    def __init__(
        self,
        scenes: SceneRepository,
        spans: SceneSpans,
        *,
        shelf: RevisionShelf[bytes] | None = None,
    ) -> None:
        self._scenes = scenes
        self._spans = spans
        self._shelf = shelf or RevisionShelf(_KEPT_BYTES)
        # One reading at a time bounds memory; who waited may find done what it came for.
        self._reading = asyncio.Lock()

    async def answer(self, scene_id: str) -> bytes:
        """Give the analysis as JSON; ResourceNotFoundError without the scene."""
        scene = await self._scenes.get(scene_id)
        if kept := self._shelf.get(scene_id, scene.timeline_revision):
            return kept
        async with self._reading:
            return self._shelf.get(scene_id, scene.timeline_revision) or await self._fresh(scene)

    async def _fresh(self, scene: Scene) -> bytes:
        spans = await self._spans.of(scene)
        # In a thread: 10,000 clips take longer than others should wait for the event loop.
        answer = await asyncio.to_thread(_written, scene.id, spans)
        if is_settled(scene, spans):
            self._shelf.put(scene.id, scene.timeline_revision, answer, size=len(answer))
        return answer


def _written(scene_id: str, spans: Sequence[Span]) -> bytes:
    return orjson.dumps(analysis_of(scene_id, report_on(spans)))

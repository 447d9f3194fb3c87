"""The analysis of a scene's timeline in the words of the contract: seconds, names and sentences.

It is worked out only when the scene's clips changed: the finished answer is kept under the scene's
timeline revision, and a repeat costs one read of the scene.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

import orjson

from backend.models.scene import Scene
from backend.repositories.scene_repository import SceneRepository
from backend.services.film.clip_timeline import TimelineReport, report_on
from backend.services.film.scene_spans import SceneSpans, is_settled
from backend.utils.revision_cache import RevisionCache
from backend.utils.timeline_validator import Overlap, Span, SpanGap, to_seconds


def summary_of(report: TimelineReport) -> dict[str, Any]:
    return {
        "total_clips": len(report.spans),
        "total_duration": to_seconds(report.filled),
        "timeline_end": to_seconds(report.end),
        "gaps": len(report.gaps),
    }


def analysis_of(scene_id: str, report: TimelineReport) -> dict[str, Any]:
    """`has_issues` when there is any gap or overlap."""
    return {
        "scene_id": scene_id,
        "total_clips": len(report.spans),
        "summary": summary_of(report),
        "overlaps": [_overlap(overlap) for overlap in report.overlaps],
        "gaps": [_gap(gap) for gap in report.gaps],
        "suggestions": [
            {
                "clip_id": span.id,
                "suggested_position": to_seconds(start),
                "reason": f"'{span.name}' starts before the clip ahead of it ends.",
            }
            for span, start in report.moves
        ],
        "has_issues": bool(report.overlaps or report.gaps),
    }


def _overlap(overlap: Overlap) -> dict[str, Any]:
    start, end = to_seconds(overlap.start), to_seconds(overlap.end)
    first, second = overlap
    return {
        "clip1_id": first.id,
        "clip1_name": first.name,
        "clip2_id": second.id,
        "clip2_name": second.name,
        "start": start,
        "end": end,
        "duration": to_seconds(overlap.end - overlap.start),
        "error": f"'{first.name}' and '{second.name}' overlap from {start:.10g} s to {end:.10g} s.",
    }


def _gap(gap: SpanGap) -> dict[str, Any]:
    return {
        "after_clip_id": gap.after.id if gap.after else None,
        "after_clip_name": gap.after.name if gap.after else None,
        "before_clip_id": gap.before.id,
        "before_clip_name": gap.before.name,
        "gap_start": to_seconds(gap.start),
        "gap_end": to_seconds(gap.end),
        "gap_duration": to_seconds(gap.end - gap.start),
    }


#: Bytes of finished answers that are kept; one of 10,000 clips with a gap behind each has 2.3 MB.
_KEPT_BYTES = 16_000_000


class TimelineAnalyzer:
    def __init__(
        self,
        scenes: SceneRepository,
        spans: SceneSpans,
        *,
        cache: RevisionCache[bytes] | None = None,
    ) -> None:
        self._scenes = scenes
        self._spans = spans
        self._cache = cache or RevisionCache(_KEPT_BYTES)
        # One reading at a time bounds memory; who waited may find done what it came for.
        self._reading = asyncio.Lock()

    async def answer(self, scene_id: str) -> bytes:
        """Give the analysis as JSON; ResourceNotFoundError without the scene."""
        scene = await self._scenes.get(scene_id)
        if kept := self._cache.get(scene_id, scene.timeline_revision):
            return kept
        async with self._reading:
            return self._cache.get(scene_id, scene.timeline_revision) or await self._fresh(scene)

    async def _fresh(self, scene: Scene) -> bytes:
        spans = await self._spans.of(scene)
        # In a thread: 10,000 clips take longer than others should wait for the event loop.
        answer = await asyncio.to_thread(_written, scene.id, spans)
        if is_settled(scene, spans):
            self._cache.put(scene.id, scene.timeline_revision, answer, size=len(answer))
        return answer


def _written(scene_id: str, spans: Sequence[Span]) -> bytes:
    return orjson.dumps(analysis_of(scene_id, report_on(spans)))

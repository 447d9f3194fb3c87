"""A timeline report in the words of the contract: seconds, names and sentences."""

from typing import Any

from backend.services.clip_timeline import TimelineReport
from backend.utils.timeline_validator import Gap, Overlap, to_seconds


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


def _gap(gap: Gap) -> dict[str, Any]:
    return {
        "after_clip_id": gap.after.id,
        "after_clip_name": gap.after.name,
        "before_clip_id": gap.before.id,
        "before_clip_name": gap.before.name,
        "gap_start": to_seconds(gap.start),
        "gap_end": to_seconds(gap.end),
        "gap_duration": to_seconds(gap.end - gap.start),
    }

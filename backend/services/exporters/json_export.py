"""Everything a project holds, and its timeline in frames, as JSON for other programs."""

from collections.abc import Sequence
from typing import Any

import orjson

from backend.models.character import Character
from backend.models.clip import Clip
from backend.models.project import Project
from backend.models.scene import Scene
from backend.models.timeline import Audio, ClipItem, Item, Media, Music, Timeline

FORMAT = "storycanvas"
#: Raised when a field changes its meaning or goes; new fields don't raise it.
VERSION = 1


def write(
    timeline: Timeline,
    *,
    project: Project,
    scenes: Sequence[Scene],
    clips: Sequence[Clip],
    characters: Sequence[Character] = (),
) -> bytes:
    """`{format, version, project, characters, scenes, clips, timeline}` in UTF-8.

    `POST /projects/import` reads it back. Documents are as stored: seconds, paths relative to
    the upload folder. The timeline counts
    frames of `rate.numerator / rate.denominator`; `record_*` and `source_*` outs are exclusive.
    """
    document = {
        "format": FORMAT,
        "version": VERSION,
        "project": project.model_dump(mode="json"),
        "characters": [character.model_dump(mode="json") for character in characters],
        "scenes": [scene.model_dump(mode="json") for scene in scenes],
        "clips": [clip.model_dump(mode="json") for clip in clips],
        "timeline": _timeline(timeline),
    }
    return orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _timeline(timeline: Timeline) -> dict[str, Any]:
    rate = timeline.rate
    return {
        "name": timeline.name,
        "rate": {"numerator": rate.numerator, "denominator": rate.denominator},
        "drop_frame": timeline.drop_frame,
        "width": timeline.width,
        "height": timeline.height,
        "total_frames": timeline.total_frames,
        "media": [_media(media) for media in timeline.media],
        "items": [_item(item) for item in timeline.items],
        "markers": [
            {"frame": marker.frame, "name": marker.name, "note": marker.note}
            for marker in timeline.markers
        ],
        "music": _music(timeline.music) if timeline.music else None,
        "problems": [
            {"code": problem.code, "message": problem.message, "clip_id": problem.clip_id}
            for problem in timeline.problems
        ],
    }


def _item(item: Item) -> dict[str, Any]:
    common = {
        "record_in": item.offset,
        "record_out": item.end,
        "name": item.name,
        "note": item.note,
        "clip_id": item.clip_id,
    }
    if isinstance(item, ClipItem):
        source = {"source_in": item.source_in, "source_out": item.source_out}
        shown = {"scene_id": item.scene_id, "media_id": item.media.id}
        return {"type": "clip"} | common | source | shown
    return {"type": "gap"} | common


def _media(media: Media) -> dict[str, Any]:
    return {
        "id": media.id,
        "kind": media.kind,
        "name": media.name,
        "path": media.path,
        "width": media.width or None,
        "height": media.height or None,
        "frames": media.frames or None,
        "audio": _audio(media.audio) if media.audio else None,
    }


def _audio(audio: Audio) -> dict[str, Any]:
    return {"channels": audio.channels, "sample_rate": audio.sample_rate}


def _music(music: Music) -> dict[str, Any]:
    end = music.offset + music.duration
    return {"media_id": music.media.id, "record_in": music.offset, "record_out": end}

"""Everything a project holds, and its timeline in frames, as JSON for other programs."""

from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Any

import orjson

from backend.models.character import Character
from backend.models.clip import Clip
from backend.models.exports.timeline import Audio, ClipItem, Item, Media, Music, Timeline
from backend.models.project import Project
from backend.models.scene import Scene
from backend.utils.media_links import UPLOADS, with_addresses

Link = Callable[[str], str]

FORMAT = "storycanvas"
#: Raised when a field changes its meaning or goes; new fields don't raise it.
VERSION = 1
_INDENT = b"  "


def write(
    timeline: Timeline,
    *,
    project: Project,
    scenes: Sequence[Scene],
    clips: Sequence[Clip],
    characters: Sequence[Character] = (),
    link: Link = str,
) -> bytes:
    """`{format, version, project, characters, scenes, clips, timeline}` in UTF-8.

    `POST /projects/import` reads it back. Documents are as stored: seconds, paths relative to
    the upload folder; but addresses of media, `/uploads/…`, are as `link` makes them for whoever
    gets the file. The timeline counts frames of `rate.numerator / rate.denominator`;
    `record_*` and `source_*` outs are exclusive.
    """
    lines = _object(
        {
            "format": FORMAT,
            "version": VERSION,
            "project": _project(project, link),
            "characters": (_character(character, link) for character in characters),
            "scenes": (scene.model_dump(mode="json") for scene in scenes),
            "clips": (_clip(clip, link) for clip in clips),
            "timeline": _object(_timeline(timeline, link), depth=1),
        }
    )
    return b"".join((*lines, b"\n"))


def _object(fields: dict[str, Any], *, depth: int = 0) -> Iterator[bytes]:
    """An object whose long lists are written element by element.

    The serializer holds the interpreter, and a film's 20 MB at once would hold up everybody else.
    A generator of bytes is an object that is written already, any other one a list.
    """
    indent = _INDENT * (depth + 1)
    begin = b"{\n"
    for name, value in fields.items():
        yield begin + indent + b'"' + name.encode() + b'": '
        yield from _value(value, indent) if isinstance(value, Iterator) else [_json(value, indent)]
        begin = b",\n"
    yield b"\n" + _INDENT * depth + b"}"


def _value(elements: Iterator[Any], indent: bytes) -> Iterator[bytes]:
    first = next(elements, None)
    if isinstance(first, bytes):
        yield first
        yield from elements
        return
    if first is None:
        yield b"[]"
        return
    begin = b"[\n" + indent + _INDENT
    for element in chain([first], elements):
        yield begin + _json(element, indent + _INDENT)
        begin = b",\n" + indent + _INDENT
    yield b"\n" + indent + b"]"


def _json(value: Any, indent: bytes) -> bytes:
    """No line break stands within a JSON string, so each is one of the layout."""
    return orjson.dumps(value, option=orjson.OPT_INDENT_2).replace(b"\n", b"\n" + indent)


def _project(project: Project, link: Link) -> dict[str, Any]:
    told = project.model_dump(mode="json")
    if project.music_file_path:
        told["music_file_path"] = link(UPLOADS + project.music_file_path).removeprefix(UPLOADS)
    if project.music_file_url:
        told["music_file_url"] = link(project.music_file_url)
    return told


def _character(character: Character, link: Link) -> dict[str, Any]:
    told = character.model_dump(mode="json")
    told["reference_images"] = [link(each) for each in character.reference_images]
    told["face_image"] = link(character.face_image) if character.face_image else None
    told["generation_params"] = with_addresses(told["generation_params"], link)
    return told


def _clip(clip: Clip, link: Link) -> dict[str, Any]:
    told = clip.model_dump(mode="json")
    for take in (*told["generated_images"], *told["generated_videos"]):
        take["generation_params"] = with_addresses(take["generation_params"], link)
    return told


def _timeline(timeline: Timeline, link: Link) -> dict[str, Any]:
    rate = timeline.rate
    return {
        "name": timeline.name,
        "rate": {"numerator": rate.numerator, "denominator": rate.denominator},
        "drop_frame": timeline.drop_frame,
        "width": timeline.width,
        "height": timeline.height,
        "total_frames": timeline.total_frames,
        "media": (_media(media, link) for media in timeline.media),
        "items": (_item(item) for item in timeline.items),
        "markers": (
            {"frame": marker.frame, "name": marker.name, "note": marker.note}
            for marker in timeline.markers
        ),
        "music": _music(timeline.music) if timeline.music else None,
        "problems": (
            {"code": problem.code, "message": problem.message, "clip_id": problem.clip_id}
            for problem in timeline.problems
        ),
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


def _media(media: Media, link: Link) -> dict[str, Any]:
    return {
        "id": media.id,
        "kind": media.kind,
        "name": media.name,
        "path": media.path,
        "url": link(UPLOADS + media.path) if media.path else None,
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

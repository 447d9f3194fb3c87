"""Films for the export tests: builders with plain defaults, and hypothesis' random ones."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

from backend.models.clip import Clip
from backend.models.content import ContentType, GeneratedContent
from backend.models.exports.timeline import Audio, Timeline
from backend.models.project import Project
from backend.models.scene import Scene
from backend.services.exports.timeline import build_timeline
from backend.services.exports.timeline_media import MUSIC, MediaFacts, MediaMode

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
FPS = (23.976, 24, 25, 29.97, 30, 50, 59.94, 60)


@dataclass(frozen=True)
class Film:
    """What a project's repositories hold, and what probing its media told."""

    project: Project
    scenes: list[Scene] = field(default_factory=list)
    clips: list[Clip] = field(default_factory=list)
    facts: dict[str, MediaFacts] = field(default_factory=dict)

    def timeline(
        self, *, include_alternates: bool = False, media_mode: MediaMode = "selected"
    ) -> Timeline:
        return build_timeline(
            self.project,
            self.scenes,
            self.clips,
            self.facts,
            include_alternates=include_alternates,
            media_mode=media_mode,
        )

    def with_facts(self, **facts: MediaFacts) -> "Film":
        return replace(self, facts=self.facts | facts)


def make_project(**changes: Any) -> Project:
    plain: dict[str, Any] = {"id": "p", "name": "Film", "created_at": NOW, "updated_at": NOW}
    return Project(**plain | changes)


def make_scene(scene_id: str = "s1", **changes: Any) -> Scene:
    plain: dict[str, Any] = {"id": scene_id, "project_id": "p", "name": f"Scene {scene_id}"}
    return Scene(**plain | {"created_at": NOW, "updated_at": NOW} | changes)


def make_clip(clip_id: str = "c1", *takes: GeneratedContent, **changes: Any) -> Clip:
    """The last take of each kind is the selected one."""
    images = tuple(take for take in takes if take.content_type is ContentType.IMAGE)
    videos = tuple(take for take in takes if take.content_type is ContentType.VIDEO)
    plain: dict[str, Any] = {
        "id": clip_id,
        "scene_id": "s1",
        "project_id": "p",
        "name": f"Clip {clip_id}",
    }
    shown: dict[str, Any] = {
        "generated_images": images,
        "generated_videos": videos,
        "selected_image_id": images[-1].id if images else None,
        "selected_video_id": videos[-1].id if videos else None,
    }
    return Clip(**plain | shown | {"created_at": NOW, "updated_at": NOW} | changes)


def still(take_id: str = "i1", **changes: Any) -> GeneratedContent:
    plain: dict[str, Any] = {
        "id": take_id,
        "content_type": ContentType.IMAGE,
        "path": f"images/{take_id}.png",
    }
    return GeneratedContent(**plain | {"width": 1024, "height": 576, "created_at": NOW} | changes)


def video(take_id: str = "v1", **changes: Any) -> GeneratedContent:
    plain: dict[str, Any] = {
        "id": take_id,
        "content_type": ContentType.VIDEO,
        "path": f"videos/{take_id}.mp4",
    }
    size: dict[str, Any] = {"width": 832, "height": 480, "duration": 5.0, "fps": 16.0}
    return GeneratedContent(**plain | size | {"created_at": NOW} | changes)


def film(*clips: Clip, scenes: list[Scene] | None = None, **project: Any) -> Film:
    return Film(make_project(**project), scenes or [make_scene()], list(clips))


#: Names as artists and attackers write them. JSON can't carry surrogates, so they can't arrive.
hostile_text = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=30),
    st.sampled_from(
        [
            "",
            "\x00\x01\x0b\x1f",
            "]]><!--&amp;\"'",
            "夜の屋上 🎬",
            "a\r\nb\tc",
            "\ufffe\uffff",
            "CON",
            "Zoë's café é",
            "x" * 200,
            "<clip name='a' & \"b\">",
        ]
    ),
)

_seconds = st.integers(0, 20_000).map(lambda ms: ms / 1000)
_lengths = st.one_of(st.integers(1, 9_000), st.just(1)).map(lambda ms: ms / 1000)
_sizes = st.sampled_from([None, 64, 511, 720, 1080, 1920, 3840])
_source_rates = st.sampled_from([None, 8.0, 12.0, 16.0, 23.976, 24.0, 29.97, 60.0])
_media_lengths = st.one_of(st.none(), st.floats(0, 12, allow_nan=False))
_audio = st.one_of(st.none(), st.builds(Audio, st.integers(1, 6), st.sampled_from([None, 48000])))


@st.composite
def _takes(draw: st.DrawFn, number: int) -> list[GeneratedContent]:
    found = []
    if draw(st.booleans()):
        found.append(still(f"i{number}", width=draw(_sizes), height=draw(_sizes)))
    if draw(st.booleans()):
        length, fps = draw(_media_lengths), draw(_source_rates)
        found.append(video(f"v{number}", duration=length, fps=fps, width=draw(_sizes)))
    return found


@st.composite
def _clips(draw: st.DrawFn, number: int, scene_ids: list[str]) -> Clip:
    return make_clip(
        f"c{number}",
        *draw(_takes(number)),
        scene_id=draw(st.sampled_from([*scene_ids, "gone"])),
        name=draw(hostile_text),
        lyrics=draw(hostile_text),
        timeline_position=draw(_seconds),
        length=draw(_lengths),
        is_alternate=draw(st.integers(0, 5)) == 0,
    )


@st.composite
def films(draw: st.DrawFn) -> Film:
    """Any film that the API could hold: overlaps, holes, strange names, odd media."""
    fps = draw(st.sampled_from(FPS))
    scenes = [
        make_scene(
            f"s{number}",
            name=draw(hostile_text),
            description=draw(hostile_text),
            order=draw(st.integers(0, 3)),
            is_alternate=draw(st.integers(0, 4)) == 0,
        )
        for number in range(draw(st.integers(0, 4)))
    ]
    ids = [scene.id for scene in scenes]
    clips = [draw(_clips(number, ids)) for number in range(draw(st.integers(0, 8)))]
    has_music = draw(st.booleans())
    project = make_project(
        name=draw(hostile_text),
        fps=fps,
        drop_frame=draw(st.booleans()),
        width=draw(st.sampled_from([1920, 1280, 3840, 1081])),
        height=draw(st.sampled_from([1080, 720, 2160])),
        music_file_path="music/a.mp3" if has_music else None,
        music_duration=draw(_media_lengths) if has_music else None,
    )
    heard = draw(_audio)
    spoken = {f"v{n}": MediaFacts(640, 360, 3.21, 25, None, heard) for n in range(0, 8, 3)}
    facts = spoken | ({MUSIC: MediaFacts(duration=7.7, audio=heard)} if heard else {})
    return Film(project, scenes, clips, facts)


def modes() -> st.SearchStrategy[dict[str, Any]]:
    """Arguments for `Film.timeline`."""
    return st.fixed_dictionaries(
        {
            "include_alternates": st.booleans(),
            "media_mode": st.sampled_from(["selected", "placeholder"]),
        }
    )

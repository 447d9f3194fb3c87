"""How a film becomes frames."""

from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.models.exports.frame_rate import FrameRate
from backend.models.exports.timeline import ClipItem, Gap, Item, MediaKind, ProblemCode, Timeline
from backend.services.exports.timeline import build_timeline
from backend.services.exports.timeline_media import MUSIC, MediaFacts
from backend.utils.errors import UnprocessableError
from tests.export.films import Film, film, films, make_clip, make_scene, modes, still, video


def _spans(timeline: Timeline) -> list[tuple[str, int, int]]:
    return [(_what(item), item.offset, item.end) for item in timeline.items]


def _what(item: Item) -> str:
    return item.clip_id or "-"


def _codes(timeline: Timeline) -> list[ProblemCode]:
    return [problem.code for problem in timeline.problems]


def test_clips_lie_by_position_with_holes_between() -> None:
    second = make_clip("b", still("i2"), timeline_position=3.0, length=1.0)
    first = make_clip("a", still(), timeline_position=0.5, length=2.0)
    timeline = film(second, first).timeline()
    assert _spans(timeline) == [("-", 0, 12), ("a", 12, 60), ("-", 60, 72), ("b", 72, 96)]
    assert timeline.problems == ()


def test_scenes_follow_one_another_by_order_and_start_with_markers() -> None:
    scenes = [make_scene("s2", order=2), make_scene("s1", order=1), make_scene("s3", order=3)]
    late = make_clip("b", still("i2"), scene_id="s2", timeline_position=1.0, length=1.0)
    early = make_clip("a", still(), length=1.0)
    timeline = film(late, early, scenes=scenes).timeline()
    assert _spans(timeline) == [("a", 0, 24), ("-", 24, 48), ("b", 48, 72)]
    assert [(m.name, m.frame) for m in timeline.markers] == [
        ("Scene s1", 0),
        ("Scene s2", 24),
        ("Scene s3", 71),
    ]


def test_starts_and_ends_are_rounded_so_nothing_drifts() -> None:
    third = 1.021  # 24.504 frames: by lengths 100 clips would end at 2500, in truth at 2450.4
    clips = [
        make_clip(f"c{n}", still(f"i{n}"), timeline_position=round(n * third, 3), length=third)
        for n in range(100)
    ]
    timeline = film(*clips).timeline()
    assert timeline.total_frames == 2450
    assert all(isinstance(item, ClipItem) for item in timeline.items)


def test_a_clip_shorter_than_half_a_frame_still_shows() -> None:
    clips = [
        make_clip(f"c{n}", still(f"i{n}"), timeline_position=n / 1000, length=0.001)
        for n in range(3)
    ]
    assert _spans(film(*clips).timeline()) == [("c0", 0, 1), ("c1", 1, 2), ("c2", 2, 3)]


class TestOverlaps:
    def test_the_later_clip_loses_its_beginning(self) -> None:
        first = make_clip("a", still(), length=2.0)
        second = make_clip("b", still("i2"), timeline_position=1.0, length=2.0)
        timeline = film(first, second).timeline()
        assert _spans(timeline) == [("a", 0, 48), ("b", 48, 72)]
        assert _codes(timeline) == [ProblemCode.OVERLAP]
        assert timeline.problems[0].clip_id == "b"

    def test_a_covered_clip_moves_behind(self) -> None:
        clips = [make_clip(f"c{n}", still(f"i{n}"), order=n, length=1.0) for n in range(3)]
        timeline = film(*clips).timeline()
        assert _spans(timeline) == [("c0", 0, 24), ("c1", 24, 48), ("c2", 48, 72)]
        assert _codes(timeline) == [ProblemCode.OVERLAP] * 2

    def test_touching_is_no_overlap(self) -> None:
        first = make_clip("a", still(), length=0.1)
        second = make_clip("b", still("i2"), timeline_position=0.1, length=0.2)
        assert film(first, second).timeline().problems == ()


class TestWhatAClipShows:
    def test_its_video_before_its_image(self) -> None:
        timeline = film(make_clip("a", still(), video())).timeline()
        (clip,) = timeline.clips
        assert clip.media.kind is MediaKind.VIDEO
        assert clip.media.frames == 120
        assert (clip.source_in, clip.source_out) == (0, 120)

    def test_a_longer_video_is_trimmed(self) -> None:
        (clip,) = film(make_clip("a", video(duration=9.0), length=2.0)).timeline().clips
        assert (clip.duration, clip.media.frames) == (48, 216)

    def test_a_shorter_video_leaves_a_gap(self) -> None:
        timeline = film(make_clip("a", video(duration=2.0), length=3.0)).timeline()
        assert _spans(timeline) == [("a", 0, 48), ("-", 48, 72)]
        assert _codes(timeline) == [ProblemCode.SHORT_VIDEO]

    @pytest.mark.parametrize(
        ("duration", "fps", "frames"),
        [
            (81 / 16, 16.0, 121),  # 5.0625 s are 121.5 frames of 24
            (5.083, 24.0, 122),  # 122/24, stored to the millisecond
            (5.08, None, 121),
            (0.001, None, 0),
            (5.0, 0.0, 120),
        ],
    )
    def test_frames_that_lie_wholly_inside_a_video(
        self, duration: float, fps: float | None, frames: int
    ) -> None:
        takes = (still(), video(duration=duration, fps=fps))
        (clip,) = film(make_clip("a", *takes, length=0.5)).timeline().clips
        assert clip.media.frames == frames

    def test_probed_facts_win_over_the_document(self) -> None:
        facts = MediaFacts(1280, 720, 99.0, 29.97, frames=30)
        (clip,) = film(make_clip("a", video(), length=0.5)).with_facts(v1=facts).timeline().clips
        # 30 frames of 29.97 last 1.001 s: 24 whole frames of 24.
        assert (clip.media.width, clip.media.height, clip.media.frames) == (1280, 720, 24)

    def test_a_video_of_unknown_length_gives_way_to_the_image(self) -> None:
        timeline = film(make_clip("a", still(), video(duration=None))).timeline()
        (clip,) = timeline.clips
        assert clip.media.kind is MediaKind.STILL
        assert _codes(timeline) == [ProblemCode.UNKNOWN_LENGTH]

    def test_an_image_of_unknown_size_takes_the_timelines(self) -> None:
        (clip,) = film(make_clip("a", still(width=None, height=None))).timeline().clips
        assert (clip.media.width, clip.media.height) == (1920, 1080)

    def test_nothing_to_show_is_a_named_gap(self) -> None:
        timeline = film(make_clip("a", length=1.0, lyrics="la")).timeline()
        assert timeline.items == (Gap(0, 24, "Clip a", "la", "a"),)
        assert _codes(timeline) == [ProblemCode.NO_MEDIA]

    def test_nothing_to_show_is_a_card_in_placeholder_mode(self) -> None:
        timeline = film(make_clip("a", length=1.0)).timeline(media_mode="placeholder")
        (clip,) = timeline.clips
        assert clip.media.path is None
        assert clip.media.label == "Clip a"
        assert clip.media.name.startswith("s01_c01_clip_a_")

    @pytest.mark.parametrize(
        "fault", [ProblemCode.MISSING_FILE, ProblemCode.EMPTY_FILE, ProblemCode.DAMAGED_FILE]
    )
    def test_a_file_that_is_gone_is_a_gap_or_a_card(self, fault: ProblemCode) -> None:
        found = film(make_clip("a", still(), length=1.0)).with_facts(i1=MediaFacts(fault=fault))
        assert found.timeline().items == (Gap(0, 24, "Clip a", "", "a"),)
        assert _codes(found.timeline()) == [fault, ProblemCode.NO_MEDIA]
        (card,) = found.timeline(media_mode="placeholder").clips
        assert card.media.path is None

    def test_the_image_stands_in_for_a_video_that_is_gone(self) -> None:
        found = film(make_clip("a", still(), video()))
        gone = found.with_facts(v1=MediaFacts(fault=ProblemCode.MISSING_FILE)).timeline()
        (clip,) = gone.clips
        assert clip.media.kind is MediaKind.STILL
        assert _codes(gone) == [ProblemCode.MISSING_FILE]

    def test_a_short_video_may_be_held_by_who_lengthens_the_file(self) -> None:
        found = film(make_clip("a", video(duration=2.0), length=5.0))
        plain = found.timeline()
        held = build_timeline(found.project, found.scenes, found.clips, {}, short_video="hold")
        assert [type(item) for item in plain.items] == [ClipItem, Gap]
        (clip,) = held.items
        assert isinstance(clip, ClipItem)
        assert (clip.duration, clip.media.frames) == (120, 120)

    def test_notes_carry_lyrics_and_prompts_and_markers_what_the_scene_says(self) -> None:
        scene = make_scene("s1", description="Cold light", lyrics="la la")
        clip = make_clip("a", still(), lyrics="la", image_prompt="a roof", video_prompt="pan")
        timeline = film(clip, scenes=[scene]).timeline()
        assert [item.note for item in timeline.items] == ["la\na roof\npan"]
        assert [marker.note for marker in timeline.markers] == ["Cold light\nla la"]

    def test_a_take_shown_twice_is_one_file(self) -> None:
        again = make_clip("b", still(), timeline_position=5.0)
        timeline = film(make_clip("a", still()), again).timeline()
        assert len(timeline.media) == 1


class TestAlternates:
    def _film(self) -> Film:
        scenes = [make_scene("s1"), make_scene("s1b", is_alternate=True), make_scene("s2", order=1)]
        return film(
            make_clip("a", still("i1"), length=1.0),
            make_clip("a2", still("i2"), length=1.0, is_alternate=True),
            make_clip("a3", still("i3"), length=1.0, is_alternate=True),
            make_clip("x", still("i4"), scene_id="s1b", length=1.0),
            make_clip("b", still("i5"), scene_id="s2", length=1.0),
            scenes=scenes,
            music_file_path="m.mp3",
            music_duration=60.0,
        )

    def test_are_left_out(self) -> None:
        assert _spans(self._film().timeline()) == [("a", 0, 24), ("b", 24, 48)]

    def test_follow_the_whole_film_when_asked_for(self) -> None:
        timeline = self._film().timeline(include_alternates=True)
        assert [_what(item) for item in timeline.items] == ["a", "b", "a2", "a3", "x"]
        assert [(m.name, m.frame) for m in timeline.markers][2:] == [
            ("Scene s1 (alternates)", 48),
            ("Scene s1b", 96),
        ]
        assert timeline.problems == ()

    def test_play_without_the_films_music(self) -> None:
        timeline = self._film().timeline(include_alternates=True)
        assert timeline.music is not None
        assert timeline.music.duration == 48

    def test_leave_the_films_file_names_alone(self) -> None:
        plain, full = self._film().timeline(), self._film().timeline(include_alternates=True)
        names = {media.id: media.name for media in full.media}
        assert all(names[media.id] == media.name for media in plain.media)


class TestMusic:
    def test_ends_with_the_picture(self) -> None:
        project: dict[str, Any] = {"music_file_path": "music/song.mp3", "music_duration": 60.0}
        music = film(make_clip("a", still(), length=2.0), **project).timeline().music
        assert music is not None
        assert (music.offset, music.duration, music.media.frames) == (0, 48, 1440)
        assert music.media.name.endswith(".mp3")

    def test_may_end_before_the_picture(self) -> None:
        project: dict[str, Any] = {"music_file_path": "song.mp3", "music_duration": 1.99}
        music = film(make_clip("a", still(), length=5.0), **project).timeline().music
        assert music is not None
        assert music.duration == 47

    @pytest.mark.parametrize("clips", [[], [make_clip("a", still())]])
    def test_is_left_out_without_picture_or_length(self, clips: list[object]) -> None:
        length = None if clips else 60.0
        found = film(*clips, music_file_path="song.mp3", music_duration=length)  # type: ignore[arg-type]
        timeline = found.timeline()
        assert timeline.music is None
        assert _codes(timeline) == [ProblemCode.MUSIC_LEFT_OUT]

    def test_probed_length_wins(self) -> None:
        project = film(make_clip("a", still()), music_file_path="a.mp3", music_duration=90.0)
        music = project.with_facts(**{MUSIC: MediaFacts(duration=1.0)}).timeline().music
        assert music is not None
        assert music.media.frames == 24


def test_an_empty_film_is_an_empty_timeline() -> None:
    timeline = film(scenes=[make_scene()]).timeline()
    assert (timeline.items, timeline.markers, timeline.total_frames) == ((), (), 0)


def test_a_clip_of_no_scene_is_reported() -> None:
    timeline = film(make_clip("a", still(), scene_id="gone")).timeline()
    assert timeline.items == ()
    assert _codes(timeline) == [ProblemCode.ORPHAN_CLIP]


def test_drop_frame_needs_a_rate_that_has_it() -> None:
    assert film(drop_frame=True, fps=29.97).timeline().drop_frame
    assert not film(drop_frame=True, fps=24).timeline().drop_frame


def test_an_unknown_rate_is_refused() -> None:
    with pytest.raises(UnprocessableError):
        film(fps=16).timeline()


@pytest.mark.parametrize("items", [(Gap(1, 5),), (Gap(0, 5), Gap(6, 1)), (Gap(0, 0),)])
def test_a_timeline_with_holes_cannot_be_made(items: tuple[Item, ...]) -> None:
    with pytest.raises(ValueError, match="must start at"):
        Timeline("x", FrameRate.of(24), 1920, 1080, items=items)


def test_a_clip_that_reads_past_its_video_cannot_be_made() -> None:
    timeline = film(make_clip("a", video(duration=2.0), length=2.0)).timeline()
    (clip,) = timeline.clips
    with pytest.raises(ValueError, match="reads past the end"):
        replace(timeline, items=(replace(clip, source_in=1),))


@given(films(), modes(), st.randoms())
def test_the_order_of_documents_does_not_matter(
    random: Film, mode: dict[str, Any], dice: Random
) -> None:
    shuffled = list(random.clips)
    dice.shuffle(shuffled)
    again = replace(random, clips=shuffled).timeline(**mode)
    assert again.items == random.timeline(**mode).items


@given(films(), modes())
def test_every_clip_is_in_the_timeline_once(random: Film, mode: dict[str, Any]) -> None:
    timeline = random.timeline(**mode)
    laid = [item.clip_id for item in timeline.items if item.clip_id]
    alternate_scenes = {scene.id for scene in random.scenes if scene.is_alternate}
    expected = {
        clip.id
        for clip in random.clips
        if clip.scene_id != "gone"
        and (mode["include_alternates"] or not clip.is_alternate)
        and (mode["include_alternates"] or clip.scene_id not in alternate_scenes)
    }
    assert len(laid) == len(set(laid))
    assert set(laid) == expected
    assert len({media.name for media in timeline.media}) == len(timeline.media)

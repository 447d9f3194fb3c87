"""Families as data, and the sizes and frame counts that they really make."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.models.content import ContentType
from backend.services.families import FAMILIES, VARIANTS
from backend.services.families.base import FrameRule, ModelFamily, VramClass
from backend.services.families.detection import detect_family, family_of_checkpoint
from backend.services.families.stable_diffusion import SDXL
from backend.services.families.wan import WAN_2_1


@pytest.mark.parametrize(
    ("width", "height", "default_width"),
    [(None, None, 512), (512, 768, 512), (1024, None, 1024), (640, 1152, 1024)],
)
def test_unknown_checkpoints_get_defaults_by_size(
    width: int | None, height: int | None, default_width: int
) -> None:
    family = family_of_checkpoint("mystery.safetensors", width, height)
    assert family.id == "checkpoint"
    assert family.default_width == default_width


def test_there_are_eighteen_with_keys_of_their_own() -> None:
    assert len(FAMILIES) == len({family.id for family in FAMILIES}) == 18
    assert len(VARIANTS) == len({family.key for family in VARIANTS})
    assert {family.id for family in VARIANTS} == {family.id for family in FAMILIES}


@pytest.mark.parametrize("family", VARIANTS, ids=lambda family: family.key)
def test_each_is_consistent(family: ModelFamily) -> None:
    assert detect_family(family.official_model) is family
    assert family.side(None, family.default_width) == family.default_width
    assert family.side(None, family.default_height) == family.default_height
    assert family.preset("fast").steps < family.preset("quality").steps
    assert family.preset(None) == family.preset("quality")
    assert (ContentType.VIDEO in family.makes) == (family.frame_rule is not None)
    assert (family.default_fps is None) == (family.frame_rule is None)
    for preset in (*family.presets.values(), *family.refined.values()):
        assert (preset.frames is None) == (family.frame_rule is None)
        if family.frame_rule and preset.frames:
            assert family.frame_rule.nearest(preset.frames) == preset.frames
    for width, height in family.sizes:
        assert (family.side(width, 0), family.side(height, 0)) == (width, height)
    for slot in family.files:
        assert slot.names
        assert slot.folder in {"text_encoders", "vae", "clip_vision"}


def test_memory_falls_into_three_classes() -> None:
    assert [VramClass.of(gb) for gb in (4, 8, 12, 16, 24)] == [
        "small", "small", "medium", "medium", "large",
    ]  # fmt: skip


@pytest.mark.parametrize(("asked", "made"), [(1023, 1016), (767, 760), (1024, 1024), (3, 16)])
def test_sides_are_floored_as_the_server_does(asked: int, made: int) -> None:
    assert SDXL.side(asked, 1024) == made


@pytest.mark.parametrize(("asked", "made"), [(1, 1), (80, 81), (81, 81), (82, 81), (83, 85)])
def test_frames_are_rounded_to_4n_plus_1(asked: int, made: int) -> None:
    assert FrameRule(4).nearest(asked) == made


def test_frames_keep_to_the_limits_of_the_node() -> None:
    rule = FrameRule(8, minimum=9, maximum=97)
    assert [rule.nearest(frames) for frames in (1, 9, 500)] == [9, 9, 97]


def test_frames_that_are_cut_off_are_made_first() -> None:
    rule = FrameRule(4, dropped=4)
    assert (rule.nearest(53), rule.length(53)) == (53, 57)


@given(st.integers(1, 4000), st.sampled_from([1, 4, 8]))
def test_rounded_frames_are_near_and_stable(frames: int, step: int) -> None:
    rule = FrameRule(step)
    made = rule.nearest(frames)
    assert (made - 1) % step == 0
    assert abs(made - frames) <= step // 2
    assert rule.nearest(made) == made


@given(st.integers(16, 16384))
def test_rounded_sides_are_multiples_and_never_larger(side: int) -> None:
    made = WAN_2_1.side(side, 832)
    assert made % 16 == 0
    assert side - 16 < made <= side

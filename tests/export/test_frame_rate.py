from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.models.exports.frame_rate import RATES, FrameRate, milliseconds
from backend.utils.errors import InvalidRequestError, UnprocessableError
from tests.export.films import FPS

DROP_RATES = [rate for rate in RATES if rate.supports_drop_frame]
rates = st.sampled_from(RATES)


def test_of_knows_the_eight_rates_exactly() -> None:
    assert tuple(FrameRate.of(fps) for fps in FPS) == RATES
    assert FrameRate.of(23.98).exact == Fraction(24000, 1001)
    assert FrameRate.of(24.0).frame_duration == Fraction(1, 24)
    assert [rate.nominal for rate in RATES] == [24, 24, 25, 30, 30, 50, 60, 60]
    assert [rate.nominal for rate in DROP_RATES] == [30, 60]


@pytest.mark.parametrize("fps", [0, 16, 23.9, 48, 120, -24, float("nan"), float("inf")])
def test_of_refuses_other_rates(fps: float) -> None:
    with pytest.raises(UnprocessableError) as refused:
        FrameRate.of(fps)
    assert refused.value.code == "UNSUPPORTED_FRAME_RATE"


@given(rates, st.integers(0, 10**9))
def test_frames_is_the_nearest_frame_halves_up(rate: FrameRate, ms: int) -> None:
    exact = Fraction(ms, 1000) * rate.exact + Fraction(1, 2)
    assert rate.frames_of_ms(ms) == exact.numerator // exact.denominator
    assert rate.frames(ms / 1000) == rate.frames_of_ms(ms)
    assert milliseconds(ms / 1000) == ms


def test_half_a_frame_rounds_up_though_its_float_lies_below() -> None:
    assert FrameRate.of(25).frames(0.06) == 2


@given(rates, st.fractions(0, 10_000))
def test_whole_frames_never_pass_the_end(rate: FrameRate, length: Fraction) -> None:
    count = rate.whole_frames(length)
    assert count * rate.frame_duration <= length < (count + 1) * rate.frame_duration


@given(rates, st.data())
def test_timecode_survives_the_round_trip(rate: FrameRate, data: st.DataObject) -> None:
    frame = data.draw(st.integers(0, 86_400 * rate.nominal - 1))
    assert rate.parse_timecode(rate.timecode(frame)) == frame


@given(st.sampled_from(DROP_RATES), st.data())
def test_drop_frame_survives_the_round_trip(rate: FrameRate, data: st.DataObject) -> None:
    frame = data.draw(st.integers(0, _drop_frames_a_day(rate) - 1))
    assert rate.parse_timecode(rate.timecode(frame, drop_frame=True)) == frame


@pytest.mark.parametrize("rate", DROP_RATES)
def test_drop_frame_labels_follow_one_another_for_20_minutes(rate: FrameRate) -> None:
    """Against a count by hand: labels 0 and 1 (0 to 3 at 59.94) go, but not in tenth minutes."""
    drop = rate.nominal // 15
    labels = (
        f"00:{minute:02d}:{second:02d};{part:02d}"
        for minute in range(20)
        for second in range(60)
        for part in range(drop if second == 0 and minute % 10 else 0, rate.nominal)
    )
    for frame, label in enumerate(labels):
        assert rate.timecode(frame, drop_frame=True) == label


@pytest.mark.parametrize(
    ("fps", "frame", "label"),
    [
        (29.97, 1800, "00:01:00;02"),
        (29.97, 17_982, "00:10:00;00"),
        (29.97, 107_892, "01:00:00;00"),
        (59.94, 3600, "00:01:00;04"),
        (59.94, 215_784, "01:00:00;00"),
    ],
)
def test_known_drop_frame_labels(fps: float, frame: int, label: str) -> None:
    assert FrameRate.of(fps).timecode(frame, drop_frame=True) == label


@given(st.sampled_from(DROP_RATES), st.integers(0, 23), st.integers(0, 59))
def test_drop_frame_stays_beside_the_clock(rate: FrameRate, hour: int, minute: int) -> None:
    part = 0 if minute % 10 == 0 else rate.nominal // 15
    frame = rate.parse_timecode(f"{hour:02d}:{minute:02d}:00;{part:02d}")
    drift = frame * rate.frame_duration - (hour * 3600 + minute * 60)
    assert abs(drift) < Fraction(1, 5)


@pytest.mark.parametrize(
    "text",
    ["", "1:00:00:00", "01:00:00:24", "24:00:00:00", "00:60:00:00", "00:00:61:00", "00:00:00.00"],
)
def test_parse_refuses_what_is_no_timecode(text: str) -> None:
    with pytest.raises(InvalidRequestError):
        FrameRate.of(24).parse_timecode(text)


def test_parse_refuses_a_dropped_label() -> None:
    with pytest.raises(InvalidRequestError):
        FrameRate.of(29.97).parse_timecode("00:01:00;01")


@pytest.mark.parametrize("fps", [23.976, 24, 25, 30, 50, 60])
def test_drop_frame_exists_at_two_rates_only(fps: float) -> None:
    rate = FrameRate.of(fps)
    with pytest.raises(UnprocessableError):
        rate.timecode(0, drop_frame=True)
    with pytest.raises(UnprocessableError):
        rate.parse_timecode("00:00:00;00")


@pytest.mark.parametrize("frame", [-1, 86_400 * 24])
def test_timecode_ends_with_the_day(frame: int) -> None:
    with pytest.raises(UnprocessableError) as refused:
        FrameRate.of(24).timecode(frame)
    assert refused.value.code == "TIMECODE_OUT_OF_RANGE"


@pytest.mark.parametrize(
    ("fps", "one", "five"),
    [
        (23.976, "1001/24000s", "5005/24000s"),
        (24, "100/2400s", "500/2400s"),
        (25, "100/2500s", "500/2500s"),
        (29.97, "1001/30000s", "5005/30000s"),
        (30, "100/3000s", "500/3000s"),
        (50, "100/5000s", "500/5000s"),
        (59.94, "1001/60000s", "5005/60000s"),
        (60, "100/6000s", "500/6000s"),
    ],
)
def test_fcpxml_times_are_apples(fps: float, one: str, five: str) -> None:
    rate = FrameRate.of(fps)
    assert rate.fcpxml_time(1) == one
    assert rate.fcpxml_time(5) == five
    assert rate.fcpxml_time(0) == "0s"
    assert rate.fcpxml_time(rate.numerator * 3) == f"{3 * rate.denominator}s"


def _drop_frames_a_day(rate: FrameRate) -> int:
    return rate.nominal * 86_400 - rate.nominal // 15 * 9 * 144

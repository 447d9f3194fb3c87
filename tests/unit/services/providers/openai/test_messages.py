"""Answers of gateways, however they are spelt, read as the four statuses of the wire shape."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.dtos.openai_dto import VideoDTO, VideoListDTO
from backend.services.providers.openai.messages import (
    VideoState,
    error_code_of,
    parse_page,
    parse_video,
    retry_after,
    sentence_of,
    video_state,
)
from backend.utils.errors import UpstreamError

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
FIELDS = st.sampled_from(
    ["id", "task_id", "status", "progress", "error", "created_at", "seconds", "data", "size", "x"]
)


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("queued", "queued"),
        ("pending", "queued"),
        ("NOT_START", "queued"),
        ("in queue", "queued"),
        ("in_progress", "in_progress"),
        ("in-progress", "in_progress"),
        ("processing", "in_progress"),
        ("RUNNING", "in_progress"),
        ("completed", "completed"),
        ("succeeded", "completed"),
        (" Success ", "completed"),
        ("failed", "failed"),
        ("error", "failed"),
        ("cancelled", "failed"),
        ("canceled", "failed"),
        ("expired", "failed"),
    ],
)
def test_words_for_a_status(word: str, state: str) -> None:
    assert video_state(word) == state
    assert parse_video({"id": "v", "status": word}).wire["status"] == state


@pytest.mark.parametrize("status", ["dreaming", None, 7, ""])
def test_an_unknown_status_is_polled_on_unless_all_is_over(status: object) -> None:
    told = {"id": "v", "status": status}
    assert parse_video(told).state is VideoState.IN_PROGRESS
    assert parse_video({**told, "completed_at": 5}).state is VideoState.COMPLETED
    assert parse_video({**told, "error": {"message": "no"}}).state is VideoState.FAILED


def test_the_shape_itself_passes_unchanged() -> None:
    told = {
        "id": "video_1",
        "object": "video",
        "created_at": 1_764_347_090,
        "completed_at": None,
        "expires_at": None,
        "status": "in_progress",
        "progress": 42,
        "model": "sora-2",
        "seconds": "8",
        "size": "1280x720",
        "error": None,
        "remixed_from_video_id": None,
    }
    assert dict(parse_video(told).wire) == told


def test_drift_is_put_right() -> None:
    told = {
        "task_id": "t-1",
        "created_at": 1_764_347_090_922,
        "seconds": 8,
        "progress": "45%",
        "error": {"code": "moderation_blocked", "message": "Refused."},
        "status": "error",
        "url": "https://example.org/a.mp4",
        "usage": {"nested": 1},
    }
    video = parse_video({"data": told})
    assert (video.id, video.progress, video.error_code) == ("t-1", 45, "moderation_blocked")
    assert dict(video.wire) == {
        "id": "t-1",
        "task_id": "t-1",
        "object": "video",
        "status": "failed",
        "created_at": 1_764_347_090,
        "seconds": "8",
        "progress": 45,
        "error": {"code": "moderation_blocked", "message": "Refused."},
        "url": "https://example.org/a.mp4",
    }


@pytest.mark.parametrize(
    ("told", "progress"),
    [(0, 0), (100, 100), (250, 100), (-3, 0), (0.5, 50), ("30", 30), ("x", None), (None, None)],
)
def test_progress_is_percent(told: object, progress: int | None) -> None:
    assert parse_video({"id": "v", "progress": told}).progress == progress


@pytest.mark.parametrize("body", [None, [], "x", {}, {"id": 5}, {"id": ".."}, {"id": "a\nb"}])
def test_no_video(body: object) -> None:
    with pytest.raises(UpstreamError) as caught:
        parse_video(body)
    assert caught.value.code == "PROVIDER_NONSENSE"


@given(st.dictionaries(FIELDS, JSON), JSON)
def test_whatever_comes_fits_the_answer_or_is_refused(told: dict[str, Any], other: object) -> None:
    for body in (told, {**told, "id": "v"}, other):
        try:
            video = parse_video(body)
        except UpstreamError:
            continue
        shown = VideoDTO.model_validate(dict(video.wire)).model_dump_json(exclude_unset=True)
        assert json.loads(shown)["status"] == video.state


@given(JSON, st.integers(1, 3))
def test_whatever_list_comes_fits_the_answer_or_is_refused(entries: object, limit: int) -> None:
    try:
        page = parse_page({"data": entries}, limit=limit)
    except UpstreamError:
        return
    assert len(VideoListDTO.model_validate(page).data) <= limit


def test_a_bare_list_gets_its_frame() -> None:
    told = [{"id": "a", "status": "succeeded"}, {"nonsense": 1}, {"id": "b", "status": "queued"}]
    page = parse_page(told, limit=2)
    assert [entry["status"] for entry in page["data"]] == ["completed", "queued"]
    assert (page["first_id"], page["last_id"], page["has_more"]) == ("a", "b", True)
    assert parse_page({"data": told}, limit=5)["has_more"] is False
    assert parse_page({"data": told}, limit=1)["last_id"] == "a"
    assert parse_page({"data": []}, limit=1)["first_id"] is None


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"error": {"message": "No\n money.", "code": "x"}}, "No money."),
        ({"error": "No money."}, "No money."),
        ({"detail": "Video not found"}, "Video not found"),
        ({"detail": [{"loc": ["body"], "msg": "field required"}]}, "field required"),
        ({"message": "Bad"}, "Bad"),
        ({"error": {"message": "x" * 900}}, "x" * 500),
        ({"error": {}}, None),
        ("<html>", None),
        (None, None),
    ],
)
def test_the_providers_sentence(body: object, words: str | None) -> None:
    assert sentence_of(body) == words


def test_the_providers_code() -> None:
    assert error_code_of({"error": {"code": "insufficient_quota"}}) == "insufficient_quota"
    assert error_code_of({"error": {"type": "server_error"}}) == "server_error"
    assert error_code_of({"error": "no"}) is None


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("7", 7.0),
        ("0.5", 0.5),
        ("-3", 0.0),
        ("999999", 3600.0),
        ("nan", None),
        ("soon", None),
        (format(NOW + timedelta(seconds=30), "%a, %d %b %Y %H:%M:%S GMT"), 30.0),
        ("Sun, 22 Nov 2026 11:00:00", None),
    ],
)
def test_retry_after(header: str | None, seconds: float | None) -> None:
    assert retry_after(header, NOW) == seconds


def test_numbers_beyond_json_stay_out() -> None:
    huge = orjson.loads(b'{"id": "v", "created_at": 1e308, "progress": 1e308}')
    assert parse_video(huge).progress == 100

"""The models' own rules: legal moves, selections, frozen values."""

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from backend.models.clip import Clip
from backend.models.comfyui_server import ComfyUIServer
from backend.models.content import ContentType, GeneratedContent
from backend.models.job import ACTIVE, MOVES, Attempt, Job, JobStatus, Outcome
from backend.utils.errors import SecretKeyMismatchError

NOW = datetime(2026, 1, 1, tzinfo=UTC)
TIMES: dict[str, Any] = {"created_at": NOW, "updated_at": NOW}

LEGAL = {
    ("pending", "processing"), ("pending", "failed"), ("pending", "cancelled"),
    ("processing", "pending"), ("processing", "completed"), ("processing", "failed"),
    ("processing", "cancelled"), ("failed", "pending"), ("cancelled", "pending"),
}  # fmt: skip


def a_job(status: JobStatus = JobStatus.PENDING, **changes: Any) -> Job:
    return Job(
        id="j", project_id="p", scene_id="s", clip_id="c", generation_type=ContentType.IMAGE,
        created_at=NOW, status=status, **changes,
    )  # fmt: skip


def a_clip(**changes: Any) -> Clip:
    return Clip(id="c", scene_id="s", project_id="p", name="Clip", **TIMES, **changes)


def a_server(**changes: Any) -> ComfyUIServer:
    return ComfyUIServer(id="s", name="Studio", url="http://x", **TIMES, **changes)


def a_take(number: str, kind: ContentType = ContentType.IMAGE) -> GeneratedContent:
    return GeneratedContent(id=number, content_type=kind, path=f"a/{number}", created_at=NOW)


@pytest.mark.parametrize("here", JobStatus)
@pytest.mark.parametrize("there", JobStatus)
def test_only_legal_moves(here: JobStatus, there: JobStatus) -> None:
    assert a_job(here).may_move_to(there) is ((here, there) in LEGAL)


def test_every_status_has_its_moves() -> None:
    assert set(MOVES) == set(JobStatus)
    assert {status for status in JobStatus if not a_job(status).is_finished} == ACTIVE


def test_the_last_attempt_is_the_current_one() -> None:
    attempt = Attempt(
        number=1, server_id="s", server_name="S", prompt_id="p", client_id="c", started_at=NOW
    )
    ended = attempt.ended(Outcome.LOST, "It went.", NOW)
    assert (ended.outcome, ended.words, ended.ended_at) == (Outcome.LOST, "It went.", NOW)
    assert attempt.outcome is None
    assert a_job().current_attempt is None
    assert a_job(attempts=(ended, attempt)).current_attempt == attempt


def test_a_clip_shows_what_is_selected() -> None:
    video = a_take("v", ContentType.VIDEO)
    clip = a_clip(
        generated_images=(a_take("a"), a_take("b")),
        generated_videos=(video,),
        selected_image_id="b",
        selected_video_id="gone",
    )
    assert clip.selected(ContentType.IMAGE) == a_take("b")
    assert clip.selected(ContentType.VIDEO) is None
    assert a_clip().selected(ContentType.IMAGE) is None


def test_ends_are_rounded_to_milliseconds() -> None:
    assert a_clip(timeline_position=0.1, length=0.2).timeline_end == 0.3


def test_urls_are_under_uploads() -> None:
    take = a_take("x.png")
    assert (take.url, take.thumbnail_url) == ("/uploads/a/x.png", None)
    small = take.model_copy(update={"thumbnail_path": "a/x.webp"})
    assert small.thumbnail_url == "/uploads/a/x.webp"


def test_models_do_not_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        a_clip().name = "other"  # type: ignore[misc]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_no_number_is_less_than_a_number(value: float) -> None:
    with pytest.raises(ValidationError, match="finite"):
        a_clip(length=value)


def test_a_servers_key() -> None:
    assert a_server().require_key() is None
    assert a_server(api_key="k").require_key() == "k"
    assert not a_server().has_api_key
    assert a_server(api_key="k").has_api_key
    assert a_server(key_locked=True).has_api_key
    with pytest.raises(SecretKeyMismatchError, match="Studio"):
        a_server(key_locked=True).require_key()

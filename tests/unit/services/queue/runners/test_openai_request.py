"""What a job becomes in the provider's terms."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from backend.models.content import ContentType
from backend.models.job import Job
from backend.services.media.media_files import MediaFiles
from backend.services.queue.runners.openai_reference import load_reference
from backend.services.queue.runners.openai_request import (
    VideoOrder,
    check_provider_job,
    facts_of,
    is_provider_job,
    video_order,
)
from backend.utils.errors import UnprocessableError
from tests.unit.services.media.media_samples import animation, picture, video

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def job(**changes: Any) -> Job:
    values: dict[str, Any] = {
        "id": "j",
        "project_id": "p",
        "scene_id": "s",
        "clip_id": "c",
        "generation_type": ContentType.VIDEO,
        "prompt": "a red car",
        "params": {"provider": "openai", "seed": 5},
        "created_at": NOW,
    }
    return Job(**{**values, **changes})


def order(model: str | None = None, length: float = 5.0, **params: Any) -> VideoOrder:
    made = job(model=model, params={"provider": "openai", **params})
    return video_order(made, clip_length=length, default_model="sora-2")


@pytest.mark.parametrize(
    ("model", "provider", "is_ours"),
    [
        (None, "openai", True),
        ("wan2.1", "openai", True),
        ("sora-2", None, True),
        ("Sora-2-Pro", None, True),
        ("sora-2", "comfyui", False),
        ("wan2.1", None, False),
        (None, None, False),
        ("my_sora.safetensors", None, False),
    ],
)
def test_which_jobs(model: str | None, provider: str | None, is_ours: bool) -> None:
    params = {"provider": provider} if provider else {}
    assert is_provider_job(job(model=model, params=params)) is is_ours


def test_a_custom_workflow_is_for_comfyui() -> None:
    assert not is_provider_job(job(model="sora-2", params={}, workflow_json="{}"))
    with pytest.raises(UnprocessableError) as caught:
        check_provider_job(job(workflow_json="{}"))
    assert caught.value.code == "PROVIDER_NO_WORKFLOW"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"generation_type": ContentType.IMAGE}, "PROVIDER_ONLY_VIDEO"),
        ({"prompt": " "}, "PROMPT_MISSING"),
    ],
)
def test_what_it_cannot_make(changes: dict[str, Any], code: str) -> None:
    with pytest.raises(UnprocessableError) as caught:
        check_provider_job(job(**changes))
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("length", "params", "seconds"),
    [
        (5.0, {}, "8"),
        (4.0, {}, "4"),
        (0.5, {}, "4"),
        (60.0, {}, "12"),
        (5.0, {"video_frames": 96}, "4"),
        (5.0, {"video_frames": 96, "video_fps": 12}, "8"),
        (5.0, {"video_fps": 12}, "8"),
    ],
)
def test_sora_makes_three_lengths(length: float, params: dict[str, Any], seconds: str) -> None:
    assert order("sora-2", length, **params).fields["seconds"] == seconds


@pytest.mark.parametrize(
    ("length", "params", "seconds"),
    [(5.0, {}, 5), (5.2, {}, 6), (0.2, {}, 1), (9.0, {"video_frames": 48, "video_fps": 23.976}, 2)],
)
def test_other_models_get_whole_seconds(
    length: float, params: dict[str, Any], seconds: int
) -> None:
    assert order("wan-2.2", length, **params).seconds == seconds


@pytest.mark.parametrize(
    ("model", "params", "size"),
    [
        ("sora-2", {}, "1280x720"),
        ("sora-2", {"width": 1920, "height": 1080}, "1280x720"),
        ("sora-2", {"width": 576, "height": 1024}, "720x1280"),
        ("sora-2", {"width": 1792, "height": 1024}, "1280x720"),
        ("sora-2", {"height": 720}, "1280x720"),
        ("sora-2-pro", {"width": 1792, "height": 1024}, "1792x1024"),
        ("sora-2-pro", {"width": 1080, "height": 1920}, "1024x1792"),
        ("sora-2-pro", {"width": 576, "height": 1024}, "720x1280"),
        ("wan-2.2", {"width": 832, "height": 480}, "832x480"),
        ("wan-2.2", {"width": 1280}, "1280x720"),
        ("wan-2.2", {}, None),
    ],
)
def test_sizes(model: str, params: dict[str, Any], size: str | None) -> None:
    assert order(model, **params).fields.get("size") == size


@given(
    st.sampled_from(["sora-2", "sora-2-pro", "wan"]),
    st.floats(0.001, 10_000),
    st.none() | st.integers(64, 4096),
    st.none() | st.integers(64, 4096),
)
def test_every_job_has_an_order(
    model: str, length: float, width: int | None, height: int | None
) -> None:
    made = order(model, length, width=width, height=height)
    assert made.seconds >= 1
    if model != "wan":
        assert made.seconds in {4, 8, 12}
        assert made.size in {(1280, 720), (720, 1280), (1792, 1024), (1024, 1792)}
        if width and height and width != height:
            assert made.size is not None
            assert (made.size[0] > made.size[1]) is (width > height)


def test_the_take_is_told_what_was_ordered() -> None:
    facts = facts_of(order(None, 4.0))
    assert (facts["model_name"], facts["model_type"], facts["seed"]) == ("sora-2", "openai", None)
    assert facts["params"] == {"seconds": 4, "size": "1280x720", "width": 1280, "height": 720}


class TestReference:
    SORA = order("sora-2")
    OTHER = order("wan")

    async def test_goes_as_it_is(self, tmp_path: Path) -> None:
        content = picture("JPEG")
        (tmp_path / "a b.jpg").write_bytes(content)
        sent = await load_reference(MediaFiles(tmp_path), "/uploads/a%20b.jpg?v=2", self.OTHER)
        assert sent == ("reference.jpg", "image/jpeg", content)

    async def test_is_cut_to_the_size_that_sora_demands(self, tmp_path: Path) -> None:
        (tmp_path / "a.png").write_bytes(picture(size=(90, 160)))
        sent = await load_reference(MediaFiles(tmp_path), "/uploads/a.png", self.SORA)
        (tmp_path / "sent.png").write_bytes(sent.content)
        with Image.open(tmp_path / "sent.png") as shown:
            assert shown.size == (1280, 720)

    async def test_another_format_becomes_png(self, tmp_path: Path) -> None:
        (tmp_path / "a.gif").write_bytes(picture("GIF"))
        sent = await load_reference(MediaFiles(tmp_path), "/uploads/a.gif", self.OTHER)
        assert sent.media_type == "image/png"
        assert sent.content.startswith(b"\x89PNG")

    @pytest.mark.parametrize(
        "url",
        [
            "http://example.org/a.png",
            "https://127.0.0.1/uploads/a.png",
            "file:///etc/passwd",
            "/etc/passwd",
            "/uploads/../secret",
            "/uploads/%2e%2e/secret",
            "/uploads/",
            "/uploads/none.png",
            "/uploads/.incoming/x",
            "/uploads/x/../.incoming/x",
            "/uploads/a%00b",
            "/uploads/video.mp4",
            "/uploads/moving.gif",
            "/uploads/text.png",
        ],
    )
    async def test_nothing_else_is_read(self, tmp_path: Path, url: str) -> None:
        root = tmp_path / "uploads"
        (root / ".incoming").mkdir(parents=True)
        (root / ".incoming" / "x").write_bytes(picture())
        (root / "video.mp4").write_bytes(video(frames=2))
        (root / "moving.gif").write_bytes(animation("GIF"))
        (root / "text.png").write_text("hello")
        (tmp_path / "secret").write_bytes(picture())
        with pytest.raises(UnprocessableError) as caught:
            await load_reference(MediaFiles(root), url, self.SORA)
        assert caught.value.code == "INPUT_REFERENCE_REFUSED"
        assert str(root) not in caught.value.message

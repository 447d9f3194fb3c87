"""What RunPod says, in all the shapes that its workers give it."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.services.providers.runpod.messages import (
    RunState,
    endpoint_url,
    files_of,
    is_lacking,
    parse_health,
    parse_run,
    sentence_of,
)
from backend.utils.errors import InvalidRequestError, UpstreamError
from tests.unit.services.media.media_samples import picture

PICTURE = base64.b64encode(picture()).decode()
BUCKET = "https://bucket.s3.amazonaws.com/j/ComfyUI_00001_.png?X-Amz-Signature=1"
HEALTHY = {"workers": {"idle": 1, "throttled": 3}, "jobs": {"inQueue": 2, "inProgress": 1}}


def run(**fields: Any) -> Any:
    return parse_run({"id": "r-1", **fields})


@pytest.mark.parametrize(
    ("output", "names", "urls"),
    [
        (
            {"images": [{"filename": "a.png", "type": "base64", "data": PICTURE}]},
            ["a.png"],
            [None],
        ),
        (
            {"images": [{"filename": "a.png", "type": "s3_url", "data": BUCKET}]},
            ["a.png"],
            [BUCKET],
        ),
        ({"message": PICTURE, "status": "success"}, ["result_1"], [None]),
        ({"message": BUCKET, "status": "success"}, ["ComfyUI_00001_.png"], [BUCKET]),
        (
            {
                "images": [{"filename": "a.png", "data": PICTURE}],
                "videos": [{"filename": "b.mp4", "type": "s3_url", "data": BUCKET}],
                "errors": ["one node was skipped"],
            },
            ["a.png", "b.mp4"],
            [None, BUCKET],
        ),
        ({"video": f"data:video/mp4;base64,{PICTURE}"}, ["result_1"], [None]),
        ({"images": [PICTURE, BUCKET]}, ["result_1", "ComfyUI_00001_.png"], [None, BUCKET]),
        ([{"images": [{"image": PICTURE}]}], ["result_1"], [None]),
        ({"video_url": BUCKET, "message": "made 1 video"}, ["ComfyUI_00001_.png"], [BUCKET]),
        (BUCKET, ["ComfyUI_00001_.png"], [BUCKET]),
        ({"status": "success_no_images", "images": []}, [], []),
        ({"message": "done", "status": "success"}, [], []),
        ({"images": [{"filename": "a.png", "data": "simulated_uploaded/a.png"}]}, [], []),
        (None, [], []),
        (17, [], []),
    ],
)
def test_files(output: object, names: list[str], urls: list[str | None]) -> None:
    found = run(status="COMPLETED", output=output).files
    assert [file.name for file in found] == names
    assert [file.url for file in found] == urls
    assert all(file.url or PICTURE in file.content for file in found)


def test_a_result_does_not_show_in_logs() -> None:
    found = run(status="COMPLETED", output={"images": [{"data": PICTURE}]})
    assert PICTURE not in repr(found)


class TestStates:
    @pytest.mark.parametrize("word", ["IN_QUEUE", "IN_PROGRESS", "RUNNING", None, "WARMING_UP"])
    def test_not_over(self, word: str | None) -> None:
        assert not run(status=word).state.is_over

    @pytest.mark.parametrize("word", ["COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT"])
    def test_over(self, word: str) -> None:
        assert run(status=word).state is RunState(word)

    def test_times_are_seconds(self) -> None:
        found = run(status="COMPLETED", delayTime=2188, executionTime=1500.5)
        assert (found.waited, found.ran) == (2.188, 1.5)
        assert run(status="COMPLETED", delayTime="soon", executionTime=True).ran is None

    def test_progress_of_a_worker_that_tells_it(self) -> None:
        assert run(status="IN_PROGRESS", output={"progress": 40}).progress == 0.4
        assert run(status="IN_PROGRESS", output={"progress": 0.4}).progress == 0.4
        assert run(status="IN_PROGRESS", output="Update 2/3").progress is None
        assert run(status="COMPLETED", output={"progress": 40}).progress is None


class TestErrors:
    def test_of_a_failed_run(self) -> None:
        told = json.dumps(
            {
                "error_type": "<class 'ValueError'>",
                "error_message": "no VRAM",
                "error_traceback": "…",
            }
        )
        assert run(status="FAILED", error=told).error == "no VRAM"
        assert run(status="FAILED", error="no VRAM").error == "no VRAM"
        assert run(status="FAILED", output={"error": "no VRAM"}).error == "no VRAM"
        assert run(status="FAILED", output="no VRAM").error == "no VRAM"
        assert run(status="FAILED").error is None

    @pytest.mark.parametrize(
        "output",
        [
            {"error": "boom"},
            {"errors": ["boom"]},
            {"status": "error", "message": "boom"},
            {"error": {"message": "boom"}},
        ],
    )
    def test_a_completed_run_that_says_error_has_failed(self, output: object) -> None:
        found = run(status="COMPLETED", output=output)
        assert (found.state, found.error) == (RunState.FAILED, "boom")

    def test_errors_beside_pictures_do_not_spoil_them(self) -> None:
        output = {"images": [{"data": PICTURE}], "errors": ["a preview got lost"]}
        found = run(status="COMPLETED", output=output)
        assert (found.state, found.error) == (RunState.COMPLETED, "a preview got lost")

    @pytest.mark.parametrize(
        "words",
        [
            "Workflow validation failed: Node 4 (ckpt_name): Value not in list: 'x' not in ['y']",
            "value_not_in_list",
            "Cannot execute because node WanVideoLoader does not exist.",
            "missing_node_type",
            "FileNotFoundError: Model in folder 'loras' with filename 'a' not found",
        ],
    )
    def test_lacking(self, words: str) -> None:
        assert is_lacking(words)

    @pytest.mark.parametrize(
        "words", ["CUDA out of memory", "job timed out after 1 retries", "Workflow failed", ""]
    )
    def test_not_lacking(self, words: str) -> None:
        assert not is_lacking(words)

    @pytest.mark.parametrize("body", [None, [], {}, {"id": 7}, {"id": ""}, "x"])
    def test_no_run(self, body: object) -> None:
        with pytest.raises(UpstreamError):
            parse_run(body)

    def test_long_words_are_cut(self) -> None:
        assert len(run(status="FAILED", error="x" * 5000).error) == 1000


class TestHealth:
    def test_counts(self) -> None:
        found = parse_health(HEALTHY)
        assert (found.idle, found.throttled, found.ready, found.jobs) == (1, 3, 0, 3)

    @pytest.mark.parametrize("body", [None, {}, {"workers": 3}, []])
    def test_nonsense(self, body: object) -> None:
        with pytest.raises(UpstreamError):
            parse_health(body)

    def test_nonsense_inside_counts_as_nothing(self) -> None:
        assert parse_health({"workers": {"idle": "two"}, "jobs": 4}).idle == 0


class TestAddress:
    @pytest.mark.parametrize(
        ("url", "endpoint", "expected"),
        [
            ("https://api.runpod.ai", "abc", "https://api.runpod.ai/v2/abc"),
            ("https://api.runpod.ai/v2", "abc", "https://api.runpod.ai/v2/abc"),
            ("https://api.runpod.ai/v2/abc", "abc", "https://api.runpod.ai/v2/abc"),
            ("https://api.runpod.ai/v2/abc", None, "https://api.runpod.ai/v2/abc"),
            ("https://api.runpod.ai/v2/old", "abc", "https://api.runpod.ai/v2/abc"),
            ("http://127.0.0.1:9/v2", "abc", "http://127.0.0.1:9/v2/abc"),
            ("http://127.0.0.1:9", "abc", "http://127.0.0.1:9/abc"),
        ],
    )
    def test_complete(self, url: str, endpoint: str | None, expected: str) -> None:
        assert endpoint_url(url, endpoint) == expected

    @pytest.mark.parametrize("url", ["https://api.runpod.ai", "http://127.0.0.1:9/v2"])
    def test_no_endpoint(self, url: str) -> None:
        with pytest.raises(InvalidRequestError, match="endpoint"):
            endpoint_url(url, None)


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text() | st.just(PICTURE) | st.just(BUCKET),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["images", "data", "message", "error", "errors", "status", "type", "x"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(output=json_values, error=json_values, word=st.sampled_from([*RunState, "X", None]))
def test_whatever_comes_is_read(output: object, error: object, word: str | None) -> None:
    found = run(status=word, output=output, error=error)
    assert not (found.files and found.state is not RunState.COMPLETED)
    assert found.error is None or 0 < len(found.error) <= 1000
    assert len({id(file) for file in files_of(output)}) == len(files_of(output))
    assert sentence_of(error) != ""

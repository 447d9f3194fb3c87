"""What ComfyUI says, in recorded shapes and in broken ones."""

import json
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.services.comfyui.messages import (
    NodesFinished,
    NodeStarted,
    OutputFile,
    PromptFinished,
    PromptState,
    ServerQueue,
    StepDone,
    node_errors_of,
    parse_event,
    parse_history,
    parse_queue,
    parse_system_stats,
    rejection,
)
from backend.utils.errors import UpstreamError

SAMPLES = Path(__file__).parents[5] / "shared/comfyui/samples"
KEYS = (
    "p",
    "prompt",
    "outputs",
    "status",
    "messages",
    "images",
    "filename",
    "type",
    "data",
    "nodes",
    "node",
    "max",
    "node_errors",
    "errors",
    "extra_info",
    "error",
    "queue_running",
    "queue_pending",
    "system",
    "devices",
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(KEYS),
            inner,
            max_size=4,
        )
    ),
    max_leaves=15,
)


def entry(
    outputs: dict[str, Any], *messages: tuple[str, dict[str, Any]], status: str | None = "success"
) -> dict[str, Any]:
    """A history answer of ComfyUI 0.3.64 for prompt "p"."""
    told = [[name, {"prompt_id": "p", "timestamp": 1, **data}] for name, data in messages]
    return {
        "p": {
            "prompt": [0, "p", {}, {"client_id": "c"}, list(outputs) or ["9"]],
            "outputs": outputs,
            "status": {"status_str": status, "completed": status == "success", "messages": told},
            "meta": {},
        }
    }


def shown(name: str, kind: str = "output", subfolder: str = "") -> dict[str, str]:
    return {"filename": name, "subfolder": subfolder, "type": kind}


def test_no_entry_is_no_outcome() -> None:
    assert parse_history("p", {}) is None
    assert parse_history("p", {"q": {}}) is None


def test_a_success_lists_its_files() -> None:
    outputs = {"5": {"images": [shown("a_00001_.png"), shown("a_00002_.png", subfolder="x")]}}
    outcome = parse_history("p", entry(outputs, ("execution_cached", {"nodes": []})))
    assert outcome is not None
    assert outcome.state is PromptState.SUCCESS
    assert outcome.files == (
        OutputFile("a_00001_.png", "", "output", "5"),
        OutputFile("a_00002_.png", "x", "output", "5"),
    )
    assert (outcome.error, outcome.cached) == (None, False)


@pytest.mark.parametrize(
    "output",
    [
        {"images": [shown("v.mp4")], "animated": [True]},
        {"gifs": [{**shown("v.mp4"), "format": "video/h264-mp4", "frame_rate": 8.0}]},
        {"videos": [shown("v.mp4")]},
    ],
)
def test_videos_are_found_wherever_nodes_put_them(output: dict[str, Any]) -> None:
    outcome = parse_history("p", entry({"3": output}))
    assert outcome is not None
    assert outcome.files == (OutputFile("v.mp4", "", "output", "3", animated=True),)


def test_previews_count_only_when_nothing_was_saved() -> None:
    preview = {"7": {"images": [shown("t.png", "temp")]}}
    only = parse_history("p", entry(preview))
    both = parse_history("p", entry({**preview, "9": {"images": [shown("a.png")]}}))
    assert only is not None
    assert both is not None
    assert [file.filename for file in only.files] == ["t.png"]
    assert [file.filename for file in both.files] == ["a.png"]


@pytest.mark.parametrize(
    ("nodes", "cached"), [([], False), (["1", "9"], True), (["1"], False), (["9"], True)]
)
def test_cached_means_that_the_output_itself_was(nodes: list[str], cached: bool) -> None:
    outputs = {"9": {"images": [shown("a.png")]}}
    outcome = parse_history("p", entry(outputs, ("execution_cached", {"nodes": nodes})))
    assert outcome is not None
    assert outcome.cached is cached


def test_an_interrupt_is_not_an_error() -> None:
    told = ("execution_interrupted", {"node_id": "5", "node_type": "KSampler", "executed": []})
    outcome = parse_history("p", entry({}, told, status="error"))
    assert outcome is not None
    assert (outcome.state, outcome.error) == (PromptState.INTERRUPTED, None)


@pytest.mark.parametrize(
    ("kind", "words", "out_of_memory"),
    [
        ("torch.OutOfMemoryError", "Allocation on device\nTIPS", True),
        ("torch.cuda.OutOfMemoryError", "", True),
        ("RuntimeError", "MPS backend out of memory (MPS allocated: 9 GB)", True),
        ("RuntimeError", "DefaultCPUAllocator: not enough memory", True),
        ("safetensors.SafetensorError", "Error while deserializing header\n", False),
    ],
)
def test_an_error_names_its_node(kind: str, words: str, out_of_memory: bool) -> None:
    told = {
        "node_id": "4",
        "node_type": "CheckpointLoaderSimple",
        "exception_type": kind,
        "exception_message": words,
    }
    outputs = {"21": {"images": [shown("ok.png")]}}
    outcome = parse_history("p", entry(outputs, ("execution_error", told), status="error"))
    assert outcome is not None
    assert outcome.state is PromptState.ERROR
    assert outcome.error is not None
    assert (outcome.error.node_id, outcome.error.node_type) == ("4", "CheckpointLoaderSimple")
    assert outcome.error.message == (words.strip() or kind)
    assert outcome.error.out_of_memory is out_of_memory
    assert [file.filename for file in outcome.files] == ["ok.png"]


def test_a_status_of_null_is_judged_by_the_outputs() -> None:
    empty: dict[str, Any] = {"p": {"outputs": {}, "status": None}}
    full = {"p": {"outputs": {"9": {"images": [shown("a.png")]}}, "status": None}}
    failed, done = parse_history("p", empty), parse_history("p", full)
    assert failed is not None
    assert done is not None
    assert (failed.state, done.state) == (PromptState.ERROR, PromptState.SUCCESS)


def test_the_queue_is_told_in_the_order_it_will_run() -> None:
    pending = [[-99.0, "first"], [5, "b"], [1.5, "second"], [5, "a"]]
    answer = {"queue_running": [[0, "run", {}, {}, []]], "queue_pending": pending}
    queue = parse_queue(answer)
    assert queue == ServerQueue(("run",), ("first", "second", "a", "b"))
    assert "b" in queue
    assert "run" in queue
    assert "c" not in queue


def test_a_refusal_keeps_comfyuis_words_and_names_the_input() -> None:
    fault = {
        "type": "value_not_in_list",
        "message": "Value not in list",
        "details": "ckpt_name: 'nope' not in ['a']",
        "extra_info": {"input_name": "ckpt_name", "received_value": "nope"},
    }
    node = {"class_type": "CheckpointLoaderSimple", "dependent_outputs": ["9"], "errors": [fault]}
    other = {"class_type": "X", "errors": [{"type": "t", "message": "m", "details": ""}]}
    error = rejection(
        {"error": {"type": "x", "message": "y"}, "node_errors": {"4": node, "5": other}}
    )
    assert error.details["errors"] == [
        {
            "loc": ["workflow", "4", "ckpt_name"],
            "msg": "Value not in list: ckpt_name: 'nope' not in ['a']",
            "type": "value_not_in_list",
            "class_type": "CheckpointLoaderSimple",
        },
        {"loc": ["workflow", "5"], "msg": "m", "type": "t", "class_type": "X"},
    ]
    assert "node 4 (CheckpointLoaderSimple), input 'ckpt_name'" in error.message
    assert error.message.endswith("(and 1 more)")


def test_a_refusal_without_nodes_keeps_the_general_words() -> None:
    told = {
        "type": "invalid_prompt",
        "message": "Cannot execute because node NoSuch does not exist.",
        "details": "Node ID '#3'",
    }
    error = rejection({"error": told, "node_errors": {}})
    assert error.details["errors"][0]["type"] == "invalid_prompt"
    assert "node NoSuch does not exist. Node ID '#3'" in error.message
    assert rejection({"error": "in other words"}).message.endswith("in other words")


def test_events_of_progress() -> None:
    def event(kind: str, **data: Any) -> object:
        return parse_event({"type": kind, "data": data})

    assert event("progress", value=1, max=4, prompt_id="p", node="3") == StepDone("p", "3", 1, 4)
    assert event("executing", node="3", prompt_id="p") == NodeStarted("p", "3")
    assert event("executing", node="3") == NodeStarted(None, "3")
    assert event("executing", node=None, prompt_id="p") == PromptFinished("p")
    nodes = {"1": {"state": "finished"}, "2": {"state": "running"}}
    assert event("progress_state", prompt_id="p", nodes=nodes) == NodesFinished(
        "p", frozenset({"1"})
    )
    assert event("execution_cached", prompt_id="p", nodes=["4"]) == NodesFinished(
        "p", frozenset({"4"})
    )
    assert event("execution_cached", prompt_id="p", nodes=[]) is None
    assert event("status", status={"exec_info": {"queue_remaining": 1}}, sid="c") is None
    assert event("progress", value=1, max=0, prompt_id="p", node="3") is None


def test_stats_of_something_else_are_refused() -> None:
    with pytest.raises(UpstreamError):
        parse_system_stats({"hello": "world"})
    assert parse_system_stats({"system": {}}).version is None


@given(JSON)
def test_no_shape_breaks_the_readers(answer: Any) -> None:
    for read in (lambda a: parse_history("p", a), parse_queue, parse_system_stats):
        with suppress(UpstreamError):
            read(answer)
    assert rejection(answer).message
    node_errors_of(answer)
    parse_event(answer)


def test_every_recorded_history_reads_as_what_happened() -> None:
    states: Counter[str] = Counter()
    for path in SAMPLES.glob("*.http.json"):
        for exchange in json.loads(path.read_text()):
            asked = exchange["request"]["path"]
            if asked.startswith("/history/") and exchange["status"] == 200:
                outcome = parse_history(asked.removeprefix("/history/"), exchange["body"])
                states[outcome.state if outcome else "none"] += 1
    if SAMPLES.exists():
        assert set(states) == {"success", "error", "interrupted", "none"}


def test_every_recorded_socket_ends_with_a_finish() -> None:
    for path in SAMPLES.glob("[01]*_success*.ws.jsonl"):
        frames = [json.loads(line).get("text") for line in path.read_text().splitlines()]
        events = [event for frame in frames if (event := parse_event(frame))]
        assert isinstance(events[-1], PromptFinished)

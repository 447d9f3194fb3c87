"""Which mistakes POST /prompt refuses, in which words, and which it lets pass."""

import copy
from typing import Any

import pytest

from backend.comfyui_simulator import SimulatorOptions
from backend.comfyui_simulator.errors import InternalError
from backend.comfyui_simulator.nodes import NodeSet, load_nodes
from backend.comfyui_simulator.validation import ValidationVerdict, validate
from tests.unit.comfyui_simulator.graphs import (
    Client,
    Graph,
    model_free,
    text_to_image,
    text_to_video,
)

NO_SUCH_MODEL = "nope.safetensors"


@pytest.fixture(scope="module")
def nodes() -> NodeSet:
    return load_nodes(SimulatorOptions())


def judged(graph: Any, nodes: NodeSet, **more: Any) -> ValidationVerdict:
    return validate(graph, nodes, file_exists=lambda name: name == "here.png", **more)


def changed(graph: Graph, node_id: str, **inputs: Any) -> Graph:
    graph = copy.deepcopy(graph)
    graph[node_id]["inputs"].update(inputs)
    return graph


def only_problem(verdict: ValidationVerdict, node_id: str) -> dict[str, Any]:
    assert verdict.error is not None
    assert verdict.error["type"] == "prompt_outputs_failed_validation"
    assert list(verdict.node_errors) == [node_id]
    problems = verdict.node_errors[node_id]["errors"]
    assert len(problems) == 1
    found = problems[0]
    assert isinstance(found, dict)
    return found


def test_good_graphs_pass(nodes: NodeSet) -> None:
    for graph in (model_free(), text_to_image(), text_to_video()):
        verdict = judged(graph, nodes)
        assert (verdict.error, verdict.node_errors, len(verdict.outputs)) == (None, {}, 1)


def test_unknown_and_missing_classes(nodes: NodeSet) -> None:
    graph = model_free()
    graph["3"]["class_type"] = "NoSuchNode"
    assert judged(graph, nodes).error == {
        "type": "invalid_prompt",
        "message": "Cannot execute because node NoSuchNode does not exist.",
        "details": "Node ID '#3'",
        "extra_info": {},
    }
    del graph["3"]["class_type"]
    error = judged(graph, nodes).error
    assert error is not None
    assert error["message"] == "Cannot execute because a node is missing the class_type property."


def test_missing_input(nodes: NodeSet) -> None:
    graph = model_free()
    del graph["3"]["inputs"]["image2"]
    verdict = judged(graph, nodes)
    assert verdict.node_errors["3"] == {
        "class_type": "ImageBlend",
        "dependent_outputs": ["5"],
        "errors": [
            {
                "type": "required_input_missing",
                "message": "Required input is missing",
                "details": "image2",
                "extra_info": {"input_name": "image2"},
            }
        ],
    }


def test_value_not_in_list(nodes: NodeSet) -> None:
    problem = only_problem(judged(text_to_image(checkpoint=NO_SUCH_MODEL), nodes), "4")
    names = ["sd_xl_base_1.0.safetensors", "v1-5-pruned-emaonly-fp16.safetensors"]
    assert problem["type"] == "value_not_in_list"
    assert problem["details"] == f"ckpt_name: 'nope.safetensors' not in {names}"
    assert problem["extra_info"]["input_config"][0] == names
    assert problem["extra_info"]["received_value"] == NO_SUCH_MODEL


def test_long_lists_are_not_quoted(nodes: NodeSet) -> None:
    problem = only_problem(judged(changed(text_to_image(), "3", sampler_name="x"), nodes), "3")
    assert problem["details"] == "sampler_name: 'x' not in (list of length 42)"
    assert problem["extra_info"]["input_config"] is None


@pytest.mark.parametrize(
    ("width", "kind", "message"),
    [
        (-1, "value_smaller_than_min", "Value -1 smaller than min of 0"),
        (99999, "value_bigger_than_max", "Value 99999 bigger than max of 16384"),
        ("abc", "invalid_input_type", "Failed to convert an input value to a INT value"),
        (None, "invalid_input_type", "Failed to convert an input value to a INT value"),
    ],
)
def test_bad_numbers(nodes: NodeSet, width: Any, kind: str, message: str) -> None:
    problem = only_problem(judged(changed(model_free(), "4", width=width), nodes), "4")
    assert (problem["type"], problem["message"]) == (kind, message)
    assert problem["extra_info"]["received_value"] == width


@pytest.mark.parametrize(("given", "kept"), [("256", 256), (100.9, 100), (True, 1)])
def test_numbers_are_converted(nodes: NodeSet, given: Any, kept: int) -> None:
    graph = changed(model_free(), "4", width=given)
    assert judged(graph, nodes).outputs == ("5",)
    assert graph["4"]["inputs"]["width"] == kept


@pytest.mark.parametrize(
    ("link", "kind", "details"),
    [
        (["4", 0, 1], "bad_linked_input", "latent_image"),
        (
            ["4", 0],
            "return_type_mismatch",
            "latent_image, received_type(MODEL) mismatch input_type(LATENT)",
        ),
    ],
)
def test_bad_links(nodes: NodeSet, link: list[Any], kind: str, details: str) -> None:
    graph = changed(text_to_image(), "3", latent_image=link)
    problem = only_problem(judged(graph, nodes), "3")
    assert (problem["type"], problem["details"]) == (kind, details)


@pytest.mark.parametrize(
    ("link", "exception", "details"),
    [
        (["99", 0], "KeyError", "'99'"),
        (["1", 7], "IndexError", "tuple index out of range"),
        ([1, 0], "KeyError", "1"),
    ],
)
def test_links_to_nowhere_are_blamed_on_their_owner(
    nodes: NodeSet, link: list[Any], exception: str, details: str
) -> None:
    problem = only_problem(judged(changed(model_free(), "3", image1=link), nodes), "3")
    assert problem["type"] == "exception_during_inner_validation"
    assert problem["details"] == details
    assert problem["extra_info"]["exception_type"] == exception
    assert problem["extra_info"]["input_name"] == "image"
    assert problem["extra_info"]["linked_node"] == ["3", 0]


def test_an_output_that_links_nowhere(nodes: NodeSet) -> None:
    verdict = judged(changed(model_free(), "5", images=["99", 0]), nodes)
    problem = only_problem(verdict, "5")
    assert problem["type"] == "exception_during_validation"
    assert verdict.error is not None
    assert verdict.error["details"] == "Exception when validating node: '99'"


def test_cycle_has_no_node_errors(nodes: NodeSet) -> None:
    verdict = judged(changed(model_free(), "3", image1=["4", 0]), nodes)
    assert verdict.error is not None
    assert (verdict.error["type"], verdict.node_errors) == ("prompt_outputs_failed_validation", {})


def test_no_outputs(nodes: NodeSet) -> None:
    graph = model_free()
    for verdict in (judged({}, nodes), judged(graph, nodes, only=["77"])):
        assert verdict.error is not None
        assert verdict.error["type"] == "prompt_no_outputs"


def test_one_good_output_is_enough(nodes: NodeSet) -> None:
    graph = model_free() | {"6": {"class_type": "SaveImage", "inputs": {"filename_prefix": "x"}}}
    verdict = judged(graph, nodes)
    assert (verdict.error, verdict.outputs) == (None, ("5",))
    assert verdict.node_errors["6"]["errors"][0]["details"] == "images"


def test_load_image_needs_its_file(nodes: NodeSet) -> None:
    graph: Graph = {
        "1": {"class_type": "LoadImage", "inputs": {"image": "missing.png"}},
        "2": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}},
    }
    problem = only_problem(judged(graph, nodes), "1")
    assert problem["type"] == "custom_validation_failed"
    assert problem["details"] == "image - Invalid image file: missing.png"
    assert judged(changed(graph, "1", image="here.png"), nodes).outputs == ("2",)


@pytest.mark.parametrize(
    ("node_id", "inputs"),
    [
        ("3", {"extra_unknown": 1}),
        ("3", {"image1": "abc"}),
        ("3", {"blend_mode": "no such mode"}),
        ("4", {"width": 127}),
    ],
)
def test_accepted_although_wrong(nodes: NodeSet, node_id: str, inputs: dict[str, Any]) -> None:
    assert judged(changed(model_free(), node_id, **inputs), nodes).outputs == ("5",)


@pytest.mark.parametrize("graph", ["text", [1], {"1": None}, {"1": {"class_type": ["a"]}}, None])
def test_what_breaks_the_real_server_is_500(nodes: NodeSet, graph: Any) -> None:
    with pytest.raises(InternalError):
        judged(graph, nodes)


async def test_over_http(client: Client) -> None:
    status, answer = await client.post(
        "/prompt", {"prompt": text_to_image(checkpoint=NO_SUCH_MODEL)}
    )
    assert (status, sorted(answer)) == (400, ["error", "node_errors"])
    no_prompt = {"type": "no_prompt", "message": "No prompt provided"}
    expected = {**no_prompt, "details": "No prompt provided", "extra_info": {}}
    assert await client.post("/prompt", [1, 2]) == (400, {"error": expected, "node_errors": {}})
    for data in ("{bad json", "", '{"prompt": "text"}', '{"prompt": {}, "number": "abc"}'):
        status, answer = await client.call("POST", "/prompt", data=data)
        assert (status, answer.splitlines()[0]) == (500, "500 Internal Server Error")
    assert (await client.call("PUT", "/prompt", {}))[0] == 405
    assert await client.call("GET", "/nope") == (404, "")


async def test_foreign_origin_is_403(client: Client) -> None:
    body = {"prompt": model_free()}
    for origin, wanted in [("http://evil.example", 403), (client.simulator.url, 200)]:
        found = await client.call("POST", "/prompt", body, headers={"Origin": origin})
        assert found[0] == wanted

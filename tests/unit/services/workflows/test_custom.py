"""Graphs that users bring: recognised, filled in, and kept inside the server's folders."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.models.content import ContentType
from backend.models.render import RenderRequest
from backend.services.workflows import InputImage, build_workflow, missing, requirements
from backend.services.workflows.bindings import bindings_of, unknown_names
from backend.utils.errors import ModelUnavailableError, WorkflowError
from tests.unit.services.comfyui.catalogs import catalog


def graph(**nodes: dict[str, Any]) -> dict[str, Any]:
    base = {
        "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "sd_xl_base_1.0"}},
        "2": {"class_type": "CLIPTextEncode", "inputs": {"text": "{{prompt}}", "clip": ["1", 1]}},
        "3": {
            "class_type": "EmptyLatentImage",
            "inputs": {"width": "{{width}}", "height": "{{ height }}", "batch_size": 1},
        },
        "4": {
            "class_type": "KSampler",
            "inputs": {"seed": "{{seed}}", "steps": "{{steps}}", "cfg": "{{cfg}}"},
        },
        "9": {"class_type": "SaveImage", "inputs": {"images": ["4", 0], "filename_prefix": "x"}},
    }
    return {**base, **{name.lstrip("n"): node for name, node in nodes.items()}}


def request(workflow: Any, **changes: Any) -> RenderRequest:
    return RenderRequest(
        kind=ContentType.IMAGE,
        **({"prompt": "a boat", "seed": 2**60, "workflow_json": workflow} | changes),
    )


def refusal(workflow: Any, **changes: Any) -> WorkflowError:
    with pytest.raises(WorkflowError) as raised:
        build_workflow(request(workflow, **changes), catalog())
    return raised.value


def test_placeholders_keep_their_types() -> None:
    wanted = request(graph(), width=640, height=384, steps=9, cfg=3)
    built = build_workflow(wanted, catalog())
    assert built.graph["2"]["inputs"]["text"] == "a boat"
    assert built.graph["3"]["inputs"] == {"width": 640, "height": 384, "batch_size": 1}
    assert built.graph["4"]["inputs"] == {"seed": 2**60, "steps": 9, "cfg": 3.0}
    assert (built.width, built.height, built.seed) == (640, 384, 2**60)
    assert built.output_node == "9"


def test_placeholders_left_open_get_the_familys_defaults() -> None:
    built = build_workflow(request(graph(), model="sd_xl_base_1.0"), catalog())
    assert built.graph["3"]["inputs"]["width"] == 1024
    assert built.graph["4"]["inputs"]["steps"] == 25


def test_a_placeholder_inside_a_text_becomes_text_and_is_not_read_twice() -> None:
    texts = {"text": "{{prompt}}, {{seed}}, {{unknown}}, {a|b}", "more": [["{{negative_prompt}}"]]}
    node = {"class_type": "CLIPTextEncode", "inputs": texts}
    wanted = request(graph(n2=node), prompt="say {{seed}}", negative_prompt="no", seed=5)
    inputs = build_workflow(wanted, catalog()).graph["2"]["inputs"]
    assert inputs["text"] == "say {{seed}}, 5, {{unknown}}, {a|b}"
    assert inputs["more"] == [["no"]]


def titled(class_type: str, title: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": class_type, "inputs": inputs, "_meta": {"title": title}}


def test_a_title_binds_the_nodes_own_inputs() -> None:
    nodes = {
        "n2": titled("CLIPTextEncode", "Words: {{prompt}}", text="as saved", clip=["1", 1]),
        "n4": titled(
            "KSampler", "{{seed}} {{ steps }} {{cfg}} {{steps}}", seed=1, steps=2, cfg=3.5
        ),
    }
    built = build_workflow(request(graph(**nodes), steps=9, cfg=4), catalog())
    assert built.graph["2"]["inputs"] == {"text": "a boat", "clip": ["1", 1]}
    assert built.graph["4"]["inputs"] == {"seed": 2**60, "steps": 9, "cfg": 4.0}


def test_a_title_leaves_alone_what_comes_from_another_node() -> None:
    linked = titled("KSampler", "{{seed}}", seed=["3", 0], noise_seed=5)
    built = build_workflow(request(graph(n4=linked)), catalog())
    assert built.graph["4"]["inputs"] == {"seed": ["3", 0], "noise_seed": 2**60}
    error = refusal(graph(n4=titled("KSampler", "{{seed}}", seed=["3", 0])))
    assert error.details["errors"][0]["type"] == "title_idle"


def test_other_words_in_a_title_mean_nothing() -> None:
    node = titled("KSampler", "prompt {{promt}} {seed}", seed=7)
    assert build_workflow(request(graph(n4=node)), catalog()).seed == 7


def test_its_pictures_are_named_where_they_go() -> None:
    nodes = {
        "n5": {"class_type": "LoadImage", "inputs": {"image": " {{ image }} "}},
        "n6": titled("LoadImage", "{{image}}", image="example.png"),
    }
    built = build_workflow(request(graph(**nodes), init_image="/uploads/a.png"), catalog())
    assert built.inputs == (
        InputImage("5", "image", "/uploads/a.png"),
        InputImage("6", "image", "/uploads/a.png"),
    )
    placed = built.with_pictures({"/uploads/a.png": "storycanvas/a.png"})
    assert {placed.graph[name]["inputs"]["image"] for name in "56"} == {"storycanvas/a.png"}


@pytest.mark.parametrize("value", ["see {{image}}", ["{{image}}"], {"a": "{{image}}"}])
def test_a_picture_stands_alone(value: Any) -> None:
    node = {"class_type": "LoadImage", "inputs": {"image": value}}
    error = refusal(graph(n5=node), init_image="/uploads/a.png")
    assert error.details["errors"][0]["type"] == "image_not_alone"


def test_what_is_bound_is_told_in_order() -> None:
    node = titled("CLIPTextEncode", "Words", text="{{prompt}} {{seed}} {{prompt}} {{promt}}")
    told = list(bindings_of(graph(n2=node)))
    assert [(each.node_id, each.input_name, each.bound_to) for each in told] == [
        ("2", "text", "prompt"), ("2", "text", "seed"), ("3", "width", "width"),
        ("3", "height", "height"), ("4", "seed", "seed"), ("4", "steps", "steps"),
        ("4", "cfg", "cfg"),
    ]  # fmt: skip
    assert unknown_names(graph(n2=node)) == ["promt"]


def test_the_users_graph_itself_is_not_changed() -> None:
    workflow = graph()
    build_workflow(request(workflow), catalog())
    assert workflow == graph()


def test_a_fixed_seed_in_the_graph_is_the_one_told() -> None:
    node = {"class_type": "KSampler", "inputs": {"seed": 11}}
    assert build_workflow(request(graph(n4=node)), catalog()).seed == 11


def test_the_editors_format_is_refused_with_how_to_export() -> None:
    error = refusal({"nodes": [{"id": 1}], "links": [], "version": 0.4})
    assert "Export (API)" in error.message
    assert error.details["errors"][0]["type"] == "ui_format"


def test_a_wrapped_graph_is_unwrapped() -> None:
    built = build_workflow(request({"prompt": graph(), "client_id": "x"}), catalog())
    assert set(built.graph) == {"1", "2", "3", "4", "9"}
    assert built.model_name == "sd_xl_base_1.0.safetensors"


@pytest.mark.parametrize(
    ("workflow", "where"),
    [
        ({}, ["workflow"]),
        ({"1": "x"}, ["workflow", "1"]),
        ({"1": {"inputs": {}}}, ["workflow", "1"]),
        ({"1": {"class_type": "SaveImage"}}, ["workflow", "1"]),
        ({"1": {"class_type": "SaveImage", "inputs": []}}, ["workflow", "1"]),
        ({"1": {"class_type": "EmptyImage", "inputs": {}}}, ["workflow"]),
        (
            {"1": {"class_type": "SaveImage", "inputs": {"images": ["7", 0]}}},
            ["workflow", "1", "images"],
        ),
        ({str(n): {"class_type": "SaveImage", "inputs": {}} for n in range(2001)}, ["workflow"]),
    ],
)
def test_what_is_no_graph_is_refused_where_it_is_wrong(workflow: Any, where: list[str]) -> None:
    assert refusal(workflow).details["errors"][0]["loc"] == where


def test_nesting_without_end_is_refused() -> None:
    deep: Any = "x"
    for _ in range(200):
        deep = [deep]
    error = refusal({"1": {"class_type": "SaveImage", "inputs": {"a": deep}}})
    assert error.details["errors"][0]["type"] == "too_large"


@pytest.mark.parametrize(
    ("class_type", "name"), [("LoadImage", "image"), ("VHS_LoadVideoPath", "video")]
)
@pytest.mark.parametrize(
    "path",
    ["../../etc/passwd", "a/../../b.png", "..\\x.png", "/etc/passwd", "C:\\x.png", "\\\\host\\x"],
)
def test_ways_out_of_the_input_folder_are_refused(class_type: str, name: str, path: str) -> None:
    error = refusal(graph(n5={"class_type": class_type, "inputs": {name: path}}))
    assert error.details["errors"][0] == {
        "loc": ["workflow", "5", name],
        "msg": f"Node 5 may not read or write '{name}' outside the server's own folders.",
        "type": "path_outside",
        "class_type": None,
    }


def test_upload_inputs_of_any_class_are_watched() -> None:
    node = {"class_type": "OddInput", "inputs": {"source": "../x.png"}}
    assert refusal(graph(n5=node)).details["errors"][0]["type"] == "path_outside"


def test_a_placeholder_does_not_smuggle_a_path() -> None:
    node = {"class_type": "LoadImage", "inputs": {"image": "{{prompt}}"}}
    error = refusal(graph(n5=node), prompt="../../etc/passwd")
    assert error.details["errors"][0]["type"] == "path_outside"


def test_inputs_inside_the_folder_and_dots_in_prose_pass() -> None:
    node = {"class_type": "LoadImage", "inputs": {"image": "sub/a..b.png [output]"}}
    built = build_workflow(request(graph(n5=node), prompt="/wait for it... ../"), catalog())
    assert built.graph["2"]["inputs"]["text"] == "/wait for it... ../"


def test_a_graph_that_only_previews_may_run_but_saving_wins() -> None:
    preview = {"class_type": "PreviewImage", "inputs": {"images": ["4", 0]}}
    only = {key: node for key, node in graph(n8=preview).items() if key != "9"}
    assert build_workflow(request(only), catalog()).output_node == "8"
    assert build_workflow(request(graph(n8=preview)), catalog()).output_node == "9"


def test_model_files_are_spelled_as_the_server_does_and_missed_by_name() -> None:
    loader = {"class_type": "LoraLoader", "inputs": {"lora_name": "anna.safetensors"}}
    built = build_workflow(request(graph(n5=loader)), catalog())
    assert built.graph["5"]["inputs"]["lora_name"] == "people/anna.safetensors"
    gone = {"class_type": "LoraLoader", "inputs": {"lora_name": "gone.safetensors"}}
    with pytest.raises(ModelUnavailableError) as raised:
        build_workflow(request(graph(n5=gone)), catalog())
    assert raised.value.details["missing"][0]["folder"] == "loras"


def test_requirements_name_every_class() -> None:
    needs = requirements(request(graph(n5={"class_type": "FancyNode", "inputs": {}})))
    assert [str(lack) for lack in missing(needs, catalog())] == ["the node 'FancyNode'"]


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.text(max_size=8)
        | st.sampled_from(["{{image}}", "x {{image}}", "{{seed}} {{prompt}}"]),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "prompt",
                        "nodes",
                        "links",
                        "1",
                        "class_type",
                        "inputs",
                        "image",
                        "_meta",
                        "title",
                    ]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    ).filter(lambda value: isinstance(value, dict))
)
def test_any_json_is_built_or_refused_by_name(workflow: dict[str, Any]) -> None:
    try:
        built = build_workflow(request(workflow), catalog())
    except (WorkflowError, ModelUnavailableError):
        return
    assert built.output_node in built.graph

"""Graphs that are kept with takes: free of what is local, and made anew without a change."""

import hashlib
import json
from datetime import UTC, datetime
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.comfyui_simulator.nodes import load_nodes
from backend.comfyui_simulator.options import SimulatorOptions
from backend.models.content import ContentType
from backend.models.job import Job
from backend.models.provenance import GraphFile, GraphPlan
from backend.models.render import RenderRequest
from backend.services.comfyui.catalog import ServerCatalog
from backend.services.comfyui.prompt_cache import nothing_rendered
from backend.services.queue.provenance import plan_of, provenance_of
from backend.services.queue.render_request import file_prefix, render_request
from backend.services.workflows import build_workflow, missing, requirements
from backend.services.workflows.saved_plans import canonical, graph_hash, neutral, with_prefix
from backend.utils.errors import ModelUnavailableError, WorkflowError
from tests.unit.services.comfyui.catalogs import catalog

XL = "sd_xl_base_1.0.safetensors"


def a_job(**changes: Any) -> Job:
    fields: dict[str, Any] = {
        "id": "j-1", "project_id": "p", "scene_id": "s", "clip_id": "c", "prompt": "a boat",
        "generation_type": ContentType.IMAGE, "params": {"seed": 7}, "model": XL,
        "created_at": datetime(2026, 3, 1, tzinfo=UTC),
    }  # fmt: skip
    return Job(**{**fields, **changes})


@cache
def server() -> ServerCatalog:
    """One that has the nodes for pictures too."""
    return ServerCatalog.from_object_info(load_nodes(SimulatorOptions()).with_files([]))


def plan_for(job: Job, attempt: int = 1) -> GraphPlan:
    built = build_workflow(render_request(job, attempt), server())
    return plan_of(job, built, attempt)


def own(**inputs: Any) -> str:
    """A custom graph whose saving node has these inputs."""
    graph = {
        "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": XL}},
        "2": {"class_type": "KSampler", "inputs": {"seed": 2**63, "steps": 9, "model": ["1", 0]}},
        "9": {"class_type": "SaveImage", "inputs": {"images": ["2", 0], **inputs}},
    }
    return json.dumps(graph)


class TestPlan:
    def test_job_and_attempt_leave_no_trace(self) -> None:
        plans = [plan_for(a_job()), plan_for(a_job(), 3), plan_for(a_job(id="j-2"))]
        assert len({graph_hash(plan.graph) for plan in plans}) == 1
        assert "j-1" not in str(plans[0])

    def test_what_decides_the_picture_decides_the_hash(self) -> None:
        changed: list[dict[str, Any]] = [
            {}, {"prompt": "a ship"}, {"params": {"seed": 8}}, {"params": {"seed": 7, "cfg": 3}},
        ]  # fmt: skip
        hashes = {graph_hash(plan_for(a_job(**each)).graph) for each in changed}
        assert len(hashes) == len(changed)

    def test_the_hash_is_that_of_sorted_json(self) -> None:
        graph = plan_for(a_job(prompt="ein Boot, 雨 🎬")).graph
        text = json.dumps(graph, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        assert graph_hash(graph) == hashlib.sha256(text.encode()).hexdigest()
        turned = dict(reversed(graph.items()))
        assert graph_hash(turned) == graph_hash(graph)

    def test_pictures_keep_their_placeholders(self) -> None:
        plan = plan_for(a_job(params={"seed": 7, "init_image": "/uploads/a.png"}))
        (use,) = plan.pictures
        assert use.source == "/uploads/a.png"
        name = plan.graph[use.node_id]["inputs"][use.input_name]
        assert name.startswith("storycanvas_")

    def test_a_users_graph_tells_what_it_says_itself(self) -> None:
        plan = plan_for(a_job(workflow_json=own(filename_prefix="{{filename_prefix}}")))
        told = provenance_of(plan, version="0.3.64")
        assert (told.steps, told.cfg, told.kind, told.family) == (9, None, None, "sdxl")
        assert told.files == (GraphFile(folder="checkpoints", name=XL),)
        assert plan.seed == 2**63
        assert plan.graph["9"]["inputs"]["filename_prefix"] == "storycanvas"


class TestAgain:
    @pytest.mark.parametrize(
        "first",
        [
            a_job(loras=({"name": "example_style", "weight": 0.5},)),
            a_job(prompt="{{seed}} {{filename_prefix}} storycanvas"),
            a_job(workflow_json=own(filename_prefix="{{filename_prefix}}")),
            a_job(workflow_json=own(filename_prefix="mine", text="{{prompt}}")),
            a_job(params={"seed": 7, "init_image": "/uploads/a.png", "denoise": 0.3}),
        ],
    )
    def test_nothing_changes_but_the_name_of_the_result(self, first: Job) -> None:
        plan = plan_for(first)
        second = a_job(id="j-2", prompt="else", plan_json=plan.model_dump_json())
        built = build_workflow(render_request(second, 1), server())
        prefix = file_prefix("j-2", 1)
        assert canonical(neutral(built.graph, prefix)) == canonical(plan.graph)
        assert plan_of(second, built, 1) == plan
        assert (built.seed, built.family, built.output_node) == (
            plan.seed, plan.family, plan.output_node,
        )  # fmt: skip
        assert [image.source for image in built.inputs] == [use.source for use in plan.pictures]

    def test_a_repeat_writes_under_another_name(self) -> None:
        plan = plan_for(a_job(workflow_json=own(filename_prefix="mine")))
        job = a_job(plan_json=plan.model_dump_json())
        names = [
            build_workflow(render_request(job, n), catalog()).graph["9"]["inputs"]
            for n in (1, 2, 3)
        ]
        assert [each["filename_prefix"] for each in names] == ["mine", "mine_2", "mine_3"]
        own_names = a_job(workflow_json=own(filename_prefix="{{filename_prefix}}"))
        second = build_workflow(render_request(own_names, 2), catalog()).graph["9"]["inputs"]
        assert second["filename_prefix"] == "storycanvas/j-1_2"

    def test_only_the_very_file_will_do(self) -> None:
        plan = plan_for(a_job())
        job = a_job(plan_json=plan.model_dump_json())
        request = render_request(job, 1)
        for name in (f"sub/{XL}", "sd_xl_base_1.0_fp16.safetensors", "SD_XL_base_1.0.safetensors"):
            lacking = catalog(checkpoints=[name])
            (lack,) = missing(requirements(request), lacking)
            assert (lack.folder, lack.name, lack.nearest) == ("checkpoints", XL, (name,))
            with pytest.raises(ModelUnavailableError):
                build_workflow(request, lacking)

    def test_paths_and_choices_are_checked_on_each_server(self) -> None:
        """Which inputs name files is for the server to say, and another one may say more."""
        graph = {
            "1": {"class_type": "OddInput", "inputs": {"source": "../../etc/passwd"}},
            "9": {"class_type": "SaveImage", "inputs": {"images": ["1", 0]}},
        }
        plan = GraphPlan(graph=graph, output_node="9", family="custom", seed=1)
        with pytest.raises(WorkflowError, match="outside"):
            build_workflow(RenderRequest(kind=ContentType.IMAGE, seed=1, plan=plan), catalog())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text(max_size=8)
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@given(st.dictionaries(st.text(max_size=6), JSON, max_size=4))
def test_a_plan_survives_its_text(inputs: dict[str, Any]) -> None:
    plan = GraphPlan(
        graph={"1": {"class_type": "X", "inputs": inputs}}, output_node="1", family="x", seed=1
    )
    again = GraphPlan.model_validate_json(plan.model_dump_json())
    assert canonical(again.graph) == canonical(plan.graph)
    assert canonical(neutral(with_prefix(plan.graph, "storycanvas/a_1"), "storycanvas/a_1")) == (
        canonical(plan.graph)
    )


GRAPH = {
    "1": {"inputs": {}},
    "2": {"inputs": {"model": ["1", 0], "seed": 1}},
    "9": {"inputs": {"images": ["2", 0]}},
    "8": {"inputs": {"images": ["2", 0]}},
    "7": {"inputs": {}},
}


@pytest.mark.parametrize(
    ("outputs", "cached", "nothing"),
    [
        ({"9"}, set(), False),
        ({"9"}, {"1"}, False),
        ({"9"}, {"1", "2"}, True),
        ({"9"}, {"9"}, True),
        ({"9", "8"}, {"1", "2", "8"}, True),
        ({"7"}, {"1", "2"}, False),
        (set(), {"1"}, False),
    ],
)
def test_nothing_is_rendered_when_all_behind_the_outputs_was_there(
    outputs: set[str], cached: set[str], nothing: bool
) -> None:
    assert nothing_rendered(GRAPH, outputs, cached) is nothing


def test_graphs_of_any_shape_are_read() -> None:
    odd: dict[str, Any] = {
        "9": None,
        "8": {"inputs": []},
        "7": {"inputs": {"a": ["x", 0], "b": [[], 0]}},
    }
    assert nothing_rendered(odd, {"9", "8", "7"}, {"1"}) is False

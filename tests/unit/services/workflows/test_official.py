"""Each built-in graph equals ComfyUI's own of the same name, up to the differences named here."""

import json
from collections.abc import Mapping

import pytest

from backend.services.workflows.graph import Graph
from tests.unit.services.workflows.workflow_samples import (
    GOLDEN,
    OFFICIAL,
    golden_graphs,
    nodes_of,
    official_graph,
    official_requests,
    placed,
)

#: Official graphs that are not built, and why.
NOT_BUILT: Mapping[str, str] = {
    "_index": "no graph: the list of the others",
    "modelfree__image": "a test of the server without a model",
    "modelfree__video": "a test of the server without a model",
    "sd15__frames_to_mp4": "a test of SaveVideo with stills of SD 1.5; no family makes that",
    "flux_dev__custom_sampler": "the same picture as flux_dev by more nodes: flux_dev is built",
    "flux_kontext__2img_stitch": "two pictures go in as references, as in 3img_reference: stitched "
    "into one, the result would have the proportions of both side by side",
}
#: Classes that ours has more of, and why; everything else in such a graph is equal.
DIFFERENCES: Mapping[str, Mapping[str, tuple[int, str]]] = {
    "sd15__inpaint": {
        "ImageScale": (2, "picture and mask are scaled first: a large upload would take minutes"),
        "MaskToImage": (1, "only pictures can be scaled"),
        "ImageToMask": (1, "back to a mask"),
    }
}


@pytest.mark.parametrize("name", sorted(official_requests()))
def test_equals_the_official_graph(name: str) -> None:
    built = official_graph(name)
    golden = json.loads(GOLDEN.read_text("utf-8"))[name]
    assert built.graph == golden, (
        "python -m tests.unit.services.workflows.workflow_samples, and read it"
    )
    assert built.output_node == list(built.graph)[-1]
    if not OFFICIAL.exists():
        return
    official = json.loads((OFFICIAL / f"{name}.json").read_text("utf-8"))
    if name in DIFFERENCES:
        assert _more_classes(built.graph, official) == {
            class_type: count for class_type, (count, _) in DIFFERENCES[name].items()
        }
        assert _values(official) <= _values(built.graph)
    else:
        assert nodes_of(built.graph) == nodes_of(official)


def test_every_official_graph_is_built_or_has_a_reason() -> None:
    assert not NOT_BUILT.keys() & official_requests().keys()
    assert DIFFERENCES.keys() <= official_requests().keys()
    assert all(reason for more in DIFFERENCES.values() for _, reason in more.values())
    if OFFICIAL.exists():
        there = {path.stem for path in OFFICIAL.glob("*.json")}
        assert there == NOT_BUILT.keys() | official_requests().keys()


def test_the_golden_graphs_are_current() -> None:
    assert json.loads(GOLDEN.read_text("utf-8")) == golden_graphs()


def test_equality_sees_links_values_and_missing_nodes() -> None:
    graph = official_graph("sd15__lora2").graph
    renamed = {
        f"n{node_id}": {
            **node,
            "inputs": {
                name: [f"n{value[0]}", value[1]] if isinstance(value, list) else value
                for name, value in node["inputs"].items()
            },
        }
        for node_id, node in graph.items()
    }
    assert nodes_of(renamed) == nodes_of(graph)
    other_value = official_graph("sd15__lora1").graph
    assert nodes_of(other_value) != nodes_of(graph)
    crossed = json.loads(json.dumps(graph))
    sampler = next(n for n in crossed.values() if n["class_type"] == "KSampler")["inputs"]
    sampler["positive"], sampler["negative"] = sampler["negative"], sampler["positive"]
    same_but_text = nodes_of(crossed, free=frozenset())
    assert same_but_text != nodes_of(graph, free=frozenset())


def test_pictures_get_the_names_that_the_server_gave() -> None:
    built = official_graph("wan_2_2__flf2v")
    sources = [image.source for image in built.inputs]
    assert sources == ["/uploads/start.png", "/uploads/end.png"]
    names = {"/uploads/start.png": "a (1).png", "/uploads/end.png": "sub/b.png"}
    named = built.with_pictures(names).graph
    assert [named[image.node_id]["inputs"]["image"] for image in built.inputs] == [
        "a (1).png",
        "sub/b.png",
    ]
    assert placed(built).graph != built.graph
    with pytest.raises(KeyError):
        built.with_pictures({})


def _more_classes(ours: Graph, theirs: Graph) -> dict[str, int]:
    counted = nodes_of(ours), nodes_of(theirs)
    classes = [_by_class(count) for count in counted]
    return {name: count for name, n in classes[0].items() if (count := n - classes[1].get(name, 0))}


def _by_class(nodes: Mapping[str, int]) -> dict[str, int]:
    found: dict[str, int] = {}
    for name, count in nodes.items():
        class_type = name.partition(":")[0]
        found[class_type] = found.get(class_type, 0) + count
    return found


def _values(graph: Graph) -> set[str]:
    """The literal values of each node, without its links."""
    free = {"text", "filename_prefix", "image"}
    return {
        json.dumps(
            [
                node["class_type"],
                {
                    name: value
                    for name, value in node["inputs"].items()
                    if not isinstance(value, list) and name not in free
                },
            ],
            sort_keys=True,
        )
        for node in graph.values()
    }

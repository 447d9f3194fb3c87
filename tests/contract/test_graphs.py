"""Graphs of takes on every database: once in a project, whole, and gone with it."""

from datetime import UTC, datetime
from typing import Any

from backend.models.provenance import GraphPlan, KeptGraph, PictureUse, graph_id_of
from backend.repositories.registry import Repositories
from tests.contract.test_repositories import manager, repos

__all__ = ["manager", "repos"]

NOW = datetime(2026, 3, 1, 12, 0, 0, 123000, tzinfo=UTC)


def a_graph(project_id: str = "p", graph_hash: str = "h", **inputs: Any) -> KeptGraph:
    node = {"class_type": "KSampler", "inputs": {"seed": 2**64 - 1, "cfg": 7.0, **inputs}}
    use = PictureUse(node_id="1", input_name="image", source="/uploads/a.png")
    plan = GraphPlan(
        graph={"1": node}, output_node="1", family="sdxl", seed=2**64 - 1, pictures=(use,)
    )
    graph_id = graph_id_of(project_id, graph_hash)
    return KeptGraph(id=graph_id, project_id=project_id, plan=plan, created_at=NOW)


async def test_what_a_document_may_not_hold_comes_back_whole(repos: Repositories) -> None:
    odd: dict[str, Any] = {"$set": 1, "a.b": [1, 1.0, 1e-7, True, None], "\u202e🎬": {"": {}}}
    kept = a_graph(**odd)
    await repos.graphs.keep(kept)
    assert await repos.graphs.get(kept.id) == kept
    literals = (await repos.graphs.get(kept.id)).plan.graph["1"]["inputs"]["a.b"]
    assert [type(value) for value in literals] == [int, float, float, bool, type(None)]


async def test_the_same_graph_is_kept_once(repos: Repositories) -> None:
    for _ in range(3):
        await repos.graphs.keep(a_graph())
    await repos.graphs.keep(a_graph("q"))
    found = await repos.graphs.list_by_ids([graph_id_of("p", "h"), graph_id_of("p", "other")])
    assert [kept.project_id for kept in found] == ["p"]


async def test_graphs_go_with_their_project(repos: Repositories) -> None:
    for number in range(3):
        await repos.graphs.keep(a_graph("p", str(number)))
    await repos.graphs.keep(a_graph("q"))
    assert await repos.graphs.delete_for_project("p") == 3
    assert await repos.graphs.find_by_id(graph_id_of("q", "h")) is not None

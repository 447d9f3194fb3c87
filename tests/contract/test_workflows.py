"""Saved workflows: lists by age, of a project and of all, the same on every database."""

from datetime import timedelta
from typing import Any

from backend.models.saved_workflow import SavedWorkflow
from backend.repositories.registry import Repositories
from tests.contract.test_repositories import NOW, manager, repos

__all__ = ["manager", "repos"]


def a_workflow(number: int, project_id: str = "p", **changes: Any) -> SavedWorkflow:
    moment = NOW + timedelta(seconds=number)
    fields = {"id": f"w{number}", "project_id": project_id, "name": "Mine", "workflow_json": "{}"}
    return SavedWorkflow(**{**fields, "created_at": moment, "updated_at": moment, **changes})


async def test_lists_are_oldest_first_and_go_with_the_project(repos: Repositories) -> None:
    odd = a_workflow(3, workflow_json='{"$set.a": {"class_type": "X", "inputs": {"": "{{seed}}"}}}')
    other = a_workflow(2, "q")
    for workflow in (odd, other, a_workflow(1)):
        await repos.workflows.add(workflow)
    assert await repos.workflows.page("p", skip=0, limit=9) == ([a_workflow(1), odd], 2)
    assert await repos.workflows.page(None, skip=1, limit=1) == ([other], 3)
    assert await repos.workflows.list_by_ids({"w3", "none"}) == [odd]
    assert await repos.workflows.delete_for_project("p") == 2
    assert await repos.workflows.page(None, skip=0, limit=9) == ([other], 1)

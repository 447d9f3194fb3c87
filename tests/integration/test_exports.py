"""Exports under v1: what the legacy routes give, byte by byte."""

import itertools

import httpx

from backend.api import legacy_exports_router
from backend.api.v1 import exports_router
from tests.conftest import API, Maker

LEGACY = ("fcpxml", "edl", "resolve", "json")
OPTIONS = ("", "?include_alternates=true", "?media=placeholder")


def test_counts() -> None:
    assert len(exports_router.router.routes) == 2
    assert len(legacy_exports_router.router.routes) == 4


async def test_both_routes_give_the_same(client: httpx.AsyncClient, make_clip: Maker) -> None:
    clip = await make_clip(name="Wide", length=2)
    await make_clip(scene_id=clip["scene_id"], length=1, timeline_position=7)
    for kind, query in itertools.product(LEGACY, OPTIONS):
        ours, legacy = [
            await client.get(f"{root}/projects/{clip['project_id']}/export/{kind}{query}")
            for root in (API, "/api")
        ]
        assert ours.status_code == legacy.status_code == 200
        assert ours.content == legacy.content
        for header in ("content-type", "content-disposition"):
            assert ours.headers[header] == legacy.headers[header]
        assert ours.headers["content-disposition"].startswith('attachment; filename="')


async def test_an_unknown_project(client: httpx.AsyncClient) -> None:
    for kind in LEGACY:
        response = await client.get(f"{API}/projects/none/export/{kind}")
        code = response.json()["error"]["code"]
        assert (response.status_code, code) == (404, "PROJECT_NOT_FOUND")


async def test_an_unknown_format_names_those_there_are(
    client: httpx.AsyncClient, make_project: Maker
) -> None:
    project = await make_project()
    for kind in ("avi", "FCPXML", "fcpxml%20", "x" * 300):
        response = await client.get(f"{API}/projects/{project['id']}/export/{kind}")
        error = response.json()["error"]
        assert (response.status_code, error["code"]) == (422, "VALIDATION_ERROR")
        for known in LEGACY:
            assert f"'{known}'" in error["message"]


async def test_bad_options(client: httpx.AsyncClient, make_project: Maker) -> None:
    project = await make_project()
    for query in ("media=all", "include_alternates=perhaps"):
        response = await client.get(f"{API}/projects/{project['id']}/export/json?{query}")
        assert response.status_code == 422, query

"""The storyboard's two routes: what they send, under which name, and what they leave behind."""

from urllib.parse import unquote

import httpx
import pytest

from backend.config import Settings
from backend.container import Container
from tests.conftest import API, Maker
from tests.export import boards
from tests.takes import Gallery

KINDS = {"pdf": "application/pdf", "html": "text/html; charset=utf-8"}


def url(project_id: str, kind: str, query: str = "") -> str:
    return f"{API}/projects/{project_id}/export/storyboard.{kind}{query}"


async def test_both_are_downloads(
    client: httpx.AsyncClient, make_clip: Maker, settings: Settings
) -> None:
    clip = await make_clip(name="Wide", length=2)
    project_id = clip["project_id"]
    await client.put(f"{API}/projects/{project_id}", json={"name": "夜の屋上 / 1"})
    for kind, media_type in KINDS.items():
        first = await client.get(url(project_id, kind))
        assert (first.status_code, first.headers["content-type"]) == (200, media_type)
        assert int(first.headers["content-length"]) == len(first.content)
        said = first.headers["content-disposition"]
        assert said.startswith(f'attachment; filename="1_storyboard.{kind}"')
        assert unquote(said.split("UTF-8''")[1]) == f"夜の屋上 1_storyboard.{kind}"
        assert first.headers["x-content-type-options"] == "nosniff"
        etag = first.headers["etag"]
        again = await client.get(url(project_id, kind), headers={"If-None-Match": etag})
        assert (again.status_code, again.content) == (304, b"")
    assert list((settings.upload_dir / ".incoming").iterdir()) == []


async def test_pictures_are_in_it(
    client: httpx.AsyncClient,
    make_clip: Maker,
    container: Container,
    settings: Settings,
) -> None:
    clip = await make_clip(name="Wide", length=2, image_prompt="a car", auto_generate=False)
    await Gallery(container, settings.upload_dir).hang(clip)
    page = (await client.get(url(clip["project_id"], "html"))).text
    assert page.count("data:image/jpeg;base64,") == 2
    pdf = await client.get(url(clip["project_id"], "pdf"))
    reader = boards.read(pdf.content)
    assert [len(page.images) for page in reader.pages] == [1, 1]


async def test_paper(client: httpx.AsyncClient, make_clip: Maker) -> None:
    clip = await make_clip()
    for number in range(4):
        await make_clip(scene_id=clip["scene_id"], timeline_position=10 + 10 * number)
    query = "?panels=4&paper=letter&orientation=landscape"
    reader = boards.read((await client.get(url(clip["project_id"], "pdf", query))).content)
    assert len(reader.pages) == 3
    assert float(reader.pages[0].mediabox.width) == pytest.approx(792, abs=0.5)
    page = (await client.get(url(clip["project_id"], "html", query))).text
    assert "@page{size:279.4mm 215.9mm;margin:0}" in page


async def test_bad_queries(client: httpx.AsyncClient, make_project: Maker) -> None:
    project = await make_project()
    for query in ("?panels=5", "?panels=six", "?paper=a3", "?orientation=up"):
        for kind in KINDS:
            answer = await client.get(url(project["id"], kind, query))
            assert (answer.status_code, answer.json()["error"]["code"]) == (422, "VALIDATION_ERROR")


async def test_alternates(client: httpx.AsyncClient, make_clip: Maker) -> None:
    clip = await make_clip(name="Wide")
    await client.post(f"{API}/clips/{clip['id']}/create-alternate")
    plain = (await client.get(url(clip["project_id"], "html"))).text
    both = (await client.get(url(clip["project_id"], "html", "?include_alternates=true"))).text
    assert (plain.count("<article>"), both.count("<article>")) == (1, 2)
    assert "Alternate 1." in both


async def test_an_unknown_project(client: httpx.AsyncClient) -> None:
    for kind in KINDS:
        answer = await client.get(url("none", kind))
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "PROJECT_NOT_FOUND")

"""Characters, and pictures of them asked for as a client does."""

from typing import Any

import httpx

from tests.conftest import API
from tests.studio import Studio

SMALL = {"width": 128, "height": 128, "steps": 2}
#: Runs until it is interrupted, which happens between two steps.
LONG = {**SMALL, "steps": 200}


async def mara(desk: Studio, **fields: Any) -> dict[str, Any]:
    words = {"trigger_words": "ohwx woman", "style_notes": "film grain"}
    return await desk.post("/characters", {"name": "Mara", **words, **fields})


async def ask(desk: Studio, character: dict[str, Any], **body: Any) -> httpx.Response:
    url = f"{API}/characters/{character['id']}/generate"
    return await desk.client.post(url, json={"params": SMALL, **body})


async def made(desk: Studio, character: dict[str, Any], **body: Any) -> dict[str, Any]:
    response = await ask(desk, character, **body)
    assert response.status_code == 200, response.text
    return dict(response.json())


async def queued(desk: Studio, character: dict[str, Any], **body: Any) -> str:
    """A job that nobody waits for."""
    url = f"{API}/characters/{character['id']}/generate"
    wish = {"params": SMALL, **body}
    response = await desk.client.post(url, json=wish, headers={"Prefer": "respond-async"})
    assert response.status_code == 202, response.text
    return str(response.json()["job_id"])


async def gallery(desk: Studio, character: dict[str, Any], query: str = "") -> dict[str, Any]:
    return dict(await desk.get(f"/characters/{character['id']}/gallery{query}"))


def nodes(take: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    """The inputs of a graph's nodes of a class."""
    graph = take["workflow"].values()
    return [node["inputs"] for node in graph if node["class_type"] == kind]

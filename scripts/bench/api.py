"""How fast the API is beside bare FastAPI routes on the same database, in the same run.

    .venv/bin/python -m scripts.bench.api

Prints the median requests a second of several rounds, ours and the reference in turns.
"""

import asyncio
import json
import tempfile
from collections.abc import Callable
from pathlib import Path

import aiohttp
from rich.console import Console
from rich.table import Table

from backend.mongo.embedded import EmbeddedDatabase
from scripts.bench._bench import Request, free_port, median, process, rate, ready, session

ROUNDS = 7
CLIPS_IN_SCENE = 40

Wanted = Callable[[int], Request]


async def measure(ours: str, bare: str) -> Table:
    table = Table("route", "StoryCanvas /s", "bare /s", "ratio", title="requests a second, medians")
    async with session() as client:
        await ready(client, f"{ours}/api/v1/health")
        await ready(client, f"{bare}/health")
        project, scene, clip = await film(client, ours)
        fresh = await post(client, ours, "/scenes", {"project_id": project, "name": "Inserts"})
        body = {"scene_id": fresh, "name": "Clip", "length": 2.0}
        insert = json.dumps(body).encode()
        for name, count, mine, reference in (
            ("GET one project", 400, f"/api/v1/projects/{project}", f"/projects/{project}"),
            ("GET one clip", 400, f"/api/v1/clips/{clip}", f"/clips/{clip}"),
            (
                f"GET {CLIPS_IN_SCENE} clips",
                100,
                f"/api/v1/clips/scene/{scene}",
                f"/scenes/{scene}/clips",
            ),
        ):
            row = await compare(client, (ours, get(mine)), (bare, get(reference)), count)
            table.add_row(name, *row)
        row = await compare(
            client,
            (ours, lambda number: Request("/api/v1/clips", insert)),
            (bare, lambda number: Request("/clips", insert)),
            100,
        )
        table.add_row("POST one clip", *row)
    return table


async def compare(
    client: aiohttp.ClientSession, ours: tuple[str, Wanted], bare: tuple[str, Wanted], count: int
) -> tuple[str, str, str]:
    mine: list[float] = []
    reference: list[float] = []
    for _ in range(ROUNDS):
        mine.append(await rate(client, *ours, count=count))
        reference.append(await rate(client, *bare, count=count))
    first, second = median(mine), median(reference)
    return f"{first:.0f}", f"{second:.0f}", f"{first / second:.2f}"


async def film(client: aiohttp.ClientSession, url: str) -> tuple[str, str, str]:
    project = await post(client, url, "/projects", {"name": "Bench"})
    scene = await post(client, url, "/scenes", {"project_id": project, "name": "Scene"})
    clip = ""
    for number in range(CLIPS_IN_SCENE):
        clip = await post(client, url, "/clips", {"scene_id": scene, "name": f"Clip {number}"})
    return project, scene, clip


async def post(client: aiohttp.ClientSession, url: str, path: str, body: dict[str, object]) -> str:
    async with client.post(f"{url}/api/v1{path}", json=body) as response:
        answer = await response.json()
        return str(answer["id"])


def get(path: str) -> Wanted:
    return lambda number: Request(path)


def main() -> None:
    """Start database, server and reference, measure, stop everything."""
    with tempfile.TemporaryDirectory() as folder:
        database = EmbeddedDatabase(Path(folder) / "db")
        database.start()
        ours, bare = free_port(), free_port()
        place = {"MONGO_URL": database.url, "DB_NAME": "bench"}
        server = {"UPLOAD_DIR": f"{folder}/uploads", "BACKEND_PORT": str(ours)}
        try:
            with (
                process(["-m", "backend.server"], **place, **server),
                process(["-m", "scripts.bench._bare"], **place, BARE_PORT=str(bare)),
            ):
                urls = (f"http://127.0.0.1:{ours}", f"http://127.0.0.1:{bare}")
                Console().print(asyncio.run(measure(*urls)))
        finally:
            database.stop()


if __name__ == "__main__":
    main()

"""How much memory the server needs for a large package, and how fast it streams.

    .venv/bin/python -m scripts.bench.bundle [--gigabytes 2]

A film of large stills (hard links of one PNG that holds noise, each a take of its own), one long
WAV of silence in a sparse file, and a few videos to convert. The package is taken twice by a
client that throws it away: once with everything to prove and convert, once with all that known.
Memory is the server's own, by /proc; the rendering process beside it is told apart.
"""

import argparse
import asyncio
import os
import tempfile
import time
import wave
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import av
from motor.motor_asyncio import AsyncIOMotorClient
from PIL import Image
from rich.console import Console
from rich.table import Table

from backend.mongo.embedded import EmbeddedDatabase
from scripts.bench._bench import (
    free_port,
    peak_megabytes,
    process,
    ready,
    resident_megabytes,
    session,
)

_DATABASE = "bench_bundle"
_MUSIC_SECONDS = 3600
_STILL = (2400, 2400)
_VIDEOS = 4
_MEGABYTE = 1_048_576


class Taken(NamedTuple):
    """One download. `wait` is the longest that a small request took meanwhile, in seconds."""

    megabytes: float
    seconds: float
    peak: float
    worker: float
    wait: float


def write_still(path: Path) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = [Image.effect_noise(_STILL, 90 + shade) for shade in range(3)]
    Image.merge("RGB", noise).save(path, "PNG", compress_level=0)
    return path.stat().st_size


def write_video(path: Path, shade: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", format="mp4") as writer:
        stream: Any = writer.add_stream("libx264", rate=16)
        stream.width, stream.height, stream.pix_fmt = 832, 480, "yuv420p"
        for number in range(81):
            colour = (shade * 40, number * 3, 120)
            frame = av.VideoFrame.from_image(Image.new("RGB", (832, 480), colour))
            writer.mux(stream.encode(frame))
        writer.mux(stream.encode(None))


def write_music(path: Path) -> int:
    """Silence of which only the header takes room on the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as writer:
        writer.setnchannels(2)
        writer.setsampwidth(2)
        writer.setframerate(48_000)
        writer.setnframes(_MUSIC_SECONDS * 48_000)
        writer.writeframes(b"")
    size = 44 + _MUSIC_SECONDS * 48_000 * 4
    header = bytearray(path.read_bytes()[:44])
    header[4:8] = (size - 8).to_bytes(4, "little")
    header[40:44] = (size - 44).to_bytes(4, "little")
    path.write_bytes(header)
    os.truncate(path, size)
    return size


async def post(client: aiohttp.ClientSession, url: str, body: dict[str, Any]) -> dict[str, Any]:
    async with client.post(url, json=body) as answer:
        answer.raise_for_status()
        return dict(await answer.json())


def write_files(folder: Path, size: int) -> int:
    """All media of a film of this size; gives how many of its clips are stills."""
    first = folder / "still.png"
    each = write_still(first)
    stills = max(1, (size - write_music(folder / "music.wav")) // each)
    for number in range(stills + _VIDEOS):
        target = folder / path_of(number, stills)
        target.parent.mkdir(exist_ok=True)
        if number >= stills:
            write_video(target, number - stills)
        else:
            os.link(first, target)
    return stills


def path_of(number: int, stills: int) -> str:
    return f"takes/t{number}.{'mp4' if number >= stills else 'png'}"


async def make_film(client: aiohttp.ClientSession, api: str, stills: int) -> str:
    """Documents by the API, takes straight into the database; gives the project's id."""
    project = await post(client, f"{api}/projects", {"name": "Large", "fps": 24})
    scene = await post(client, f"{api}/scenes", {"project_id": project["id"], "name": "One"})
    for number in range(stills + _VIDEOS):
        body = {"scene_id": scene["id"], "name": f"Shot {number}", "auto_generate": False}
        await post(client, f"{api}/clips", body)
    async with client.get(f"{api}/projects/{project['id']}/clips?limit=500") as answer:
        clips = await answer.json()
    await _hang(clips, project["id"], stills)
    return str(project["id"])


async def _hang(clips: list[dict[str, Any]], project_id: str, stills: int) -> None:
    database: Any = AsyncIOMotorClient(os.environ["BENCH_URL"])
    films = database[_DATABASE]
    for clip in clips:
        number = int(clip["name"].split()[1])
        is_video = number >= stills
        take = {
            "id": f"take{number}",
            "content_type": "video" if is_video else "image",
            "path": path_of(number, stills),
            "width": 832 if is_video else _STILL[0],
            "height": 480 if is_video else _STILL[1],
            "duration": 81 / 16 if is_video else None,
            "fps": 16.0 if is_video else None,
            "created_at": None,
        }
        kind = "video" if is_video else "image"
        take = {name: value for name, value in take.items() if value is not None}
        take["created_at"] = (await films.clips.find_one({"_id": clip["id"]}))["created_at"]
        changes = {f"generated_{kind}s": [take], f"selected_{kind}_id": take["id"]}
        await films.clips.update_one({"_id": clip["id"]}, {"$set": changes})
    song = {"music_file_path": "music.wav", "music_duration": float(_MUSIC_SECONDS)}
    await films.projects.update_one({"_id": project_id}, {"$set": song})
    database.close()


async def take(client: aiohttp.ClientSession, api: str, project_id: str, pid: int) -> Taken:
    """Download and throw away; look at memory every fifth of a second."""
    worker, wait, is_over = 0.0, 0.0, asyncio.Event()

    async def watch() -> None:
        nonlocal worker, wait
        while not is_over.is_set():
            worker = max([worker, *(resident_megabytes(child) for child in _children(pid))])
            began = time.perf_counter()
            async with client.get(f"{api}/") as answer:
                await answer.read()
            wait = max(wait, time.perf_counter() - began)
            await asyncio.sleep(0.2)

    watching = asyncio.create_task(watch())
    began, total = time.perf_counter(), 0
    timeout = aiohttp.ClientTimeout(total=None)
    async with client.get(f"{api}/projects/{project_id}/export/bundle.zip", timeout=timeout) as got:
        got.raise_for_status()
        async for piece in got.content.iter_chunked(_MEGABYTE):
            total += len(piece)
    seconds = time.perf_counter() - began
    is_over.set()
    await watching
    return Taken(total / _MEGABYTE, seconds, peak_megabytes(pid), worker, wait)


def _children(pid: int) -> list[int]:
    listed = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in listed.read_text().split()] if listed.exists() else []


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gigabytes", type=float, default=2.0)
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        database = EmbeddedDatabase(Path(place) / "db")
        database.start()
        os.environ["BENCH_URL"] = database.url
        folder = Path(place) / "uploads"
        folder.mkdir()
        stills = write_files(folder, int(wanted.gigabytes * 1024 * _MEGABYTE))
        port = free_port()
        settings = {
            "MONGO_URL": database.url, "DB_NAME": _DATABASE, "UPLOAD_DIR": str(folder),
            "BACKEND_PORT": str(port),
        }  # fmt: skip
        api = f"http://127.0.0.1:{port}/api/v1"
        with process(["-m", "backend.server"], **settings) as pid:
            async with session() as client:
                await ready(client, f"{api}/health")
                project_id = await make_film(client, api, stills)
                before = resident_megabytes(pid)
                rounds = [await take(client, api, project_id, pid) for _ in range(2)]
        database.stop()
    show(before, rounds)


def show(before: float, rounds: list[Taken]) -> None:
    table = Table(
        "Download", "MB", "seconds", "MB a second", "server's peak, MB", "worker, MB", "wait, ms"
    )
    for name, got in zip(("all to prove and convert", "all known"), rounds, strict=True):
        table.add_row(
            name,
            f"{got.megabytes:,.0f}",
            f"{got.seconds:.1f}",
            f"{got.megabytes / got.seconds:.0f}",
            f"{got.peak:.0f}",
            f"{got.worker:.0f}",
            f"{got.wait * 1000:.0f}",
        )
    console = Console()
    console.print(table)
    console.print(f"Before: {before:.0f} MB")


if __name__ == "__main__":
    asyncio.run(main())

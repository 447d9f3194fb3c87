"""How long exports take: the writers alone, beside OpenTimelineIO's adapters, and the whole route.

    .venv/bin/python -m scripts.bench.exports [--clips 10000] [--rounds 5] [--without-adapters]

The route runs on the embedded database with a file for every take. Beside it a task asks for its
turn every few milliseconds: how long it waits at most is how long the event loop was blocked.
"""

import argparse
import asyncio
import gc
import tempfile
import time
import tracemalloc
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple, get_args

import httpx
import opentimelineio as otio
from rich.console import Console
from rich.table import Table

from backend.config import Settings
from backend.models.clip import Clip
from backend.models.content import ContentType, GeneratedContent
from backend.models.exports.timeline import Timeline
from backend.models.project import Project
from backend.models.scene import Scene
from backend.mongo.embedded import EmbeddedDatabase
from backend.server import create_app
from backend.services.exports.export_files import export_file
from backend.services.exports.film import ExportFormat, Film
from backend.services.exports.formats import otio_export
from backend.services.exports.timeline import build_timeline
from backend.utils.collector_pause import CollectorPause
from scripts.bench._bench import median

CLIPS_IN_SCENE = 100
#: Seconds that 10,000 clips may take.
LIMITS = {"fcpxml": 0.5, "resolve": 0.5, "edl": 0.15, "xmeml": 0.8, "otio": 0.4}
_NOW = datetime(2026, 11, 22, tzinfo=UTC)
_PROMPT = "a red car under neon, rain, 35 mm, shallow depth of field"


def a_film(count: int) -> Film:
    """Every second clip a video, a hole after every tenth; 50,000 fit into an EDL."""
    project = Project(
        id="p",
        name="Night Drive",
        music_file_path="projects/p/music/song.mp3",
        music_duration=600.0,
        created_at=_NOW,
        updated_at=_NOW,
    )
    scenes = [
        Scene(
            id=f"s{number}",
            project_id="p",
            name=f"Verse {number}",
            order=number,
            clip_count=CLIPS_IN_SCENE,
            created_at=_NOW,
            updated_at=_NOW,
        )
        for number in range(-(-count // CLIPS_IN_SCENE))
    ]
    return Film(project, scenes, [a_clip(number) for number in range(count)])


def a_clip(number: int) -> Clip:
    scene, place = divmod(number, CLIPS_IN_SCENE)
    kind = ContentType.VIDEO if number % 2 else ContentType.IMAGE
    take = a_take(number, kind)
    shown = "video" if kind is ContentType.VIDEO else "image"
    return Clip(
        id=f"c{number}",
        scene_id=f"s{scene}",
        project_id="p",
        name=f"Shot {number}: the rooftop",
        lyrics="Turn the key and wait",
        length=1.4,
        timeline_position=round(place * 1.4 + place // 10, 3),
        image_prompt=_PROMPT,
        **{f"generated_{shown}s": (take,), f"selected_{shown}_id": take.id},
        created_at=_NOW,
        updated_at=_NOW,
    )


def a_take(number: int, kind: ContentType) -> GeneratedContent:
    is_video = kind is ContentType.VIDEO
    return GeneratedContent(
        id=f"t{number}",
        content_type=kind,
        path=f"projects/p/c{number}/t{number}.{'mp4' if is_video else 'png'}",
        prompt=_PROMPT,
        generation_params={"steps": 20, "cfg": 7.0, "sampler": "euler", "seed": number},
        width=832,
        height=480,
        duration=5.062 if is_video else None,
        fps=16.0 if is_video else None,
        created_at=_NOW,
    )


def build(film: Film) -> Timeline:
    return build_timeline(film.project, film.scenes, film.clips, {})


def timed(work: Callable[[], object], rounds: int) -> float:
    """Median seconds, the collector at rest as in the service."""
    took = []
    for _ in range(rounds):
        gc.collect()
        with CollectorPause()():
            began = time.perf_counter()
            work()
            took.append(time.perf_counter() - began)
    return median(took)


def peak_megabytes(work: Callable[[], object]) -> float:
    """What Python allocates at most; OpenTimelineIO's own objects are not seen."""
    gc.collect()
    tracemalloc.start()
    work()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 1e6


def writers(counts: Sequence[int], rounds: int) -> Table:
    titles = [f"{count:,} s" for count in counts]
    table = Table("writer", *titles, "MB", "growth s", "growth MB", title="the writers alone")
    films = [a_film(count) for count in counts]
    timelines = [build(film) for film in films]
    ratio = counts[-1] / counts[0]
    rows: list[tuple[str, list[Callable[[], object]]]] = [
        ("build the timeline", [lambda film=film: build(film) for film in films])
    ]
    for fmt in get_args(ExportFormat):
        rows.append((fmt, [_job(fmt, film, t) for film, t in zip(films, timelines, strict=True)]))
    for name, jobs in rows:
        seconds = [timed(job, rounds) for job in jobs]
        peaks = [peak_megabytes(jobs[0]), peak_megabytes(jobs[-1])]
        table.add_row(
            name,
            *(f"{each:.3f}" for each in seconds),
            f"{peaks[1]:.0f}",
            f"{seconds[-1] / seconds[0] / ratio:.2f} x linear",
            f"{peaks[1] / peaks[0] / ratio:.2f} x linear",
        )
    return table


def _job(fmt: ExportFormat, film: Film, timeline: Timeline) -> Callable[[], object]:
    return lambda: export_file(fmt, film, timeline)


def beside_adapters(count: int, rounds: int) -> Table:
    """The adapters are given what they write best: their own library's timeline, videos only."""
    table = Table("format", "ours s", "adapter s", "times", title=f"{count:,} clips, one run")
    film = a_film(count)
    timeline = build(film)
    theirs = otio.adapters.read_from_string(otio_export.write(timeline).decode(), "otio_json")
    for fmt, adapter in (("edl", "cmx_3600"), ("fcpxml", "fcpx_xml")):
        mine = timed(_job(fmt, film, timeline), rounds)  # type: ignore[arg-type]
        source = _one_track(theirs) if adapter == "cmx_3600" else theirs
        other = timed(lambda s=source, a=adapter: otio.adapters.write_to_string(s, a), 1)
        table.add_row(fmt, f"{mine:.3f}", f"{other:.2f}", f"{other / mine:.0f}")
    return table


def _one_track(timeline: otio.schema.Timeline) -> otio.schema.Timeline:
    """An EDL's adapter takes a single video track."""
    bare = otio.schema.Timeline(name=timeline.name)
    bare.tracks.append(timeline.video_tracks()[0].clone())
    return bare


class Lag(NamedTuple):
    """Milliseconds that the event loop kept others waiting."""

    longest: float
    beyond_20: int


@asynccontextmanager
async def watched(found: list[Lag]) -> AsyncIterator[None]:
    late: list[float] = []

    async def watch() -> None:
        while True:
            began = time.perf_counter()
            await asyncio.sleep(0.005)
            late.append((time.perf_counter() - began - 0.005) * 1000)

    task = asyncio.create_task(watch())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        found.append(Lag(max(late, default=0.0), sum(each > 20 for each in late)))


async def route(url: str, uploads: Path, count: int, rounds: int) -> Table:
    table = Table(
        "format", "s", "of it our CPU s", "longest block ms", "blocks over 20 ms", "MB sent"
    )
    table.title = f"the whole route, {count:,} clips, embedded database"
    settings = Settings(_env_file=None, mongo_url=url, db_name="exports", upload_dir=uploads)
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        await _fill(app.state.container.base.repositories, uploads, count)
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://b", timeout=60) as web:
            for fmt in (*get_args(ExportFormat), "preflight"):
                table.add_row(fmt, *await _asked(web, fmt, rounds))
    return table


async def _asked(web: httpx.AsyncClient, fmt: str, rounds: int) -> tuple[str, ...]:
    took, busy, lags, size = list[float](), list[float](), list[Lag](), 0
    for _ in range(rounds):
        async with watched(lags):
            began, used = time.perf_counter(), time.process_time()
            answer = await web.get(f"/api/v1/projects/p/export/{fmt}")
            took.append(time.perf_counter() - began)
            busy.append(time.process_time() - used)
        answer.raise_for_status()
        size = len(answer.content)
    longest = median([lag.longest for lag in lags])
    often = median([float(lag.beyond_20) for lag in lags])
    spent = (f"{median(took):.2f}", f"{median(busy):.2f}")
    return *spent, f"{longest:.0f}", f"{often:.0f}", f"{size / 1e6:.1f}"


async def _fill(repositories, uploads: Path, count: int) -> None:  # type: ignore[no-untyped-def]
    film = a_film(count)
    await repositories.projects.add(film.project)
    await repositories.scenes.add_many(film.scenes)
    await repositories.clips.add_many(film.clips)
    paths = [take.path for clip in film.clips for take in _takes(clip)]
    await asyncio.to_thread(_touch, uploads, [*paths, film.project.music_file_path or ""])


def _takes(clip: Clip) -> tuple[GeneratedContent, ...]:
    return (*clip.generated_images, *clip.generated_videos)


def _touch(uploads: Path, paths: Sequence[str]) -> None:
    for path in paths:
        (uploads / path).parent.mkdir(parents=True, exist_ok=True)
        (uploads / path).write_bytes(b"x")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--without-adapters", action="store_true", help="they take a minute")
    given = parser.parse_args()
    console = Console(width=110)
    console.print(writers((given.clips // 10, given.clips, given.clips * 5), given.rounds))
    if not given.without_adapters:
        console.print(beside_adapters(given.clips, given.rounds))
    with tempfile.TemporaryDirectory() as folder:
        database = EmbeddedDatabase(Path(folder) / "db")
        database.start()
        try:
            uploads = Path(folder) / "uploads"
            console.print(asyncio.run(route(database.url, uploads, given.clips, given.rounds)))
        finally:
            database.stop()


if __name__ == "__main__":
    main()

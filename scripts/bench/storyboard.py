"""How long the storyboard on paper takes, and how much memory; the event loop is watched beside it.

    .venv/bin/python -m scripts.bench.storyboard [--panels 300 3000] [--rounds 3]

Every clip has a PNG of 1024 x 576 and the thumbnail that its delivery makes. Six panels a page can
use the thumbnail; two need the picture itself.
"""

import argparse
import asyncio
import resource
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from PIL import Image, ImageDraw
from rich.console import Console
from rich.table import Table

from backend.models.clip import Clip
from backend.models.exports.timeline import Timeline
from backend.services.exports.film import ExportOptions, Film
from backend.services.exports.storyboard.page_form import PageForm, PanelsAPage
from backend.services.exports.storyboard_export import StoryboardFormat, StoryboardService
from backend.services.exports.timeline import build_timeline
from backend.services.exports.timeline_media import ShortVideo
from scripts.bench._bench import median
from scripts.bench.exports import CLIPS_IN_SCENE, Lag, a_film, a_take, watched

SIZE = (1024, 576)
_NAMES = ("Shot on the rooftop", "夜の屋上、ネオンの街", "مشهد على السطح", "छत पर रात 🎬")
_DIFFERENT = 24


class Films:
    """The film without a database: what is measured is the paper."""

    def __init__(self, film: Film) -> None:
        self._film = film

    async def film_and_timeline(
        self,
        _project_id: str,
        _options: ExportOptions | None = None,
        *,
        short_video: ShortVideo = "gap",
    ) -> tuple[Film, Timeline]:
        film = self._film
        return film, build_timeline(
            film.project, film.scenes, film.clips, {}, short_video=short_video
        )


class Case(NamedTuple):
    panels: int
    fmt: StoryboardFormat
    a_page: PanelsAPage


def illustrated(count: int, uploads: Path) -> Film:
    """Pictures repeat, as files of their own names would only fill the disk."""
    for number in range(_DIFFERENT):
        _paint(uploads, number)
    film = a_film(count)
    return replace(film, clips=[_with_picture(clip, n) for n, clip in enumerate(film.clips)])


def _with_picture(clip: Clip, number: int) -> Clip:
    shown = (*clip.generated_images, *clip.generated_videos)[0]
    which = number % _DIFFERENT
    take = a_take(number, shown.content_type.IMAGE).model_copy(
        update={"path": f"{which}.png", "thumbnail_path": f"{which}_thumb.webp"}
    )
    place = number % CLIPS_IN_SCENE
    return clip.model_copy(
        update={
            "name": f"{_NAMES[number % len(_NAMES)]} {number}",
            "timeline_position": place * 2.0,
            "generated_images": (take,),
            "generated_videos": (),
            "selected_image_id": take.id,
            "selected_video_id": None,
        }
    )


def _paint(uploads: Path, number: int) -> None:
    noise = Image.effect_noise(SIZE, 60).convert("RGB")
    ImageDraw.Draw(noise).ellipse((200, 80, 700, 500), fill=(40 + number * 8, 90, 160))
    noise.save(uploads / f"{number}.png")
    noise.thumbnail((512, 512))
    noise.save(uploads / f"{number}_thumb.webp", "WEBP", quality=82)


async def measured(case: Case, uploads: Path, rounds: int) -> tuple[str, ...]:
    service = StoryboardService(Films(illustrated(case.panels, uploads)), uploads)
    took, busy, lags, size = [], [], list[Lag](), 0
    for _ in range(rounds):
        used = cpu_seconds()
        async with watched(lags):
            began = time.perf_counter()
            file = await service.export("p", case.fmt, form=PageForm(case.a_page))
            took.append(time.perf_counter() - began)
        busy.append(cpu_seconds() - used)
        size = file.size
        file.discard()
    ours, child = (
        resource.getrusage(who).ru_maxrss / 1024
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    longest = median([lag.longest for lag in lags])
    times = (f"{median(took):.1f}", f"{median(busy):.1f}", f"{longest:.0f}")
    figures = (*times, f"{ours:.0f}", f"{child:.0f}")
    return (f"{case.panels:,}", case.fmt, str(int(case.a_page)), *figures, f"{size / 1e6:.1f}")


def cpu_seconds() -> float:
    """Of this process and of those that ended: what a busy machine does not change."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


async def run(panels: list[int], rounds: int) -> Table:
    table = Table(
        "panels", "file", "a page", "s", "CPU s", "longest block ms", "MB, us", "MB, child", "MB"
    )
    with tempfile.TemporaryDirectory() as folder:
        for count in panels:
            for fmt, a_page in (("pdf", 6), ("pdf", 2), ("html", 6)):
                case = Case(count, fmt, PanelsAPage(a_page))  # type: ignore[arg-type]
                table.add_row(*await measured(case, Path(folder), rounds))
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--panels", type=int, nargs="+", default=[300])
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    Console(width=110).print(asyncio.run(run(given.panels, given.rounds)))


if __name__ == "__main__":
    main()

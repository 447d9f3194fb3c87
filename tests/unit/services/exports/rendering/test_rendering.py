"""What the rendering process does, task by task, and how it ends."""

import asyncio
import io
import subprocess
import sys
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import av
import pytest
from PIL import Image

from backend.config import ROOT
from backend.services.exports.rendering.animatic import render
from backend.services.exports.rendering.conform import conform
from backend.services.exports.rendering.planes import Canvas
from backend.services.exports.rendering.process import BrokenSourceError, RenderProcess
from backend.services.exports.rendering.sources import at_rate, frames, held
from backend.services.exports.rendering.tasks import (
    Animatic,
    CheckSound,
    CheckStill,
    Conform,
    DrawCard,
    Shot,
    Task,
    from_line,
    to_line,
)
from backend.services.exports.rendering.worker import answer
from backend.services.media.media_probe import BrokenMediaError
from backend.utils.errors import StorageFullError
from tests.films_on_disk import flat, music, sounding_video
from tests.unit.services.media.media_samples import animation, picture, video

RATE = Fraction(24_000, 1_001)
FULL = Path("/dev/full")


def numbered(rate: Fraction | int, count: int) -> list[tuple[Fraction, int]]:
    return [(Fraction(number) / rate, number) for number in range(count)]


class TestAtRate:
    def test_the_same_rate_changes_nothing(self) -> None:
        assert list(at_rate(numbered(RATE, 50), RATE)) == list(range(50))

    def test_times_rounded_to_milliseconds_do_not_stutter(self) -> None:
        rounded = [(Fraction(round(at * 1000), 1000), n) for at, n in numbered(RATE, 500)]
        assert list(at_rate(rounded, RATE)) == list(range(500))

    def test_slower_pictures_stay_and_faster_ones_fall_out(self) -> None:
        assert list(at_rate(numbered(12, 4), Fraction(24))) == [0, 0, 1, 1, 2, 2, 3]
        assert list(at_rate(numbered(48, 9), Fraction(24))) == [0, 2, 4, 6, 8]

    def test_the_last_one_is_held(self) -> None:
        assert list(islice(held(iter("ab")), 5)) == list("abbbb")
        with pytest.raises(BrokenMediaError):
            next(held(iter("")))


@pytest.mark.parametrize("container", ["mp4", "webm"])
def test_a_video_is_conformed_to_the_frame(tmp_path: Path, container: str) -> None:
    source, target = tmp_path / "source", tmp_path / "made.mp4"
    source.write_bytes(video(container))
    conform(Conform(source=str(source), rate=(24_000, 1_001), frames=20, target=str(target)))
    with av.open(str(target)) as made:
        stream = made.streams.video[0]
        keys = [packet.is_keyframe for packet in made.demux(stream) if packet.size]
        assert (stream.frames, stream.average_rate) == (20, RATE)
        assert stream.time_base == Fraction(1, 24_000)
        assert keys[0]
        assert len(keys) == 20


def test_an_animated_picture_is_conformed(tmp_path: Path) -> None:
    """Odd sides lose a pixel; its own times count."""
    source, target = tmp_path / "a.webp", tmp_path / "made.mp4"
    source.write_bytes(animation(frames=5, milliseconds=125, size=(33, 21)))
    conform(Conform(source=str(source), rate=(24, 1), frames=15, target=str(target)))
    with av.open(str(target)) as made:
        pictures: list[Any] = [frame.to_image() for frame in made.decode(video=0)]  # type: ignore[no-untyped-call]
        reds = [picture.getpixel((5, 5))[0] / 40 for picture in pictures]
        assert (made.streams.video[0].width, made.streams.video[0].height) == (32, 20)
    assert [round(red) for red in reds][::3] == [0, 1, 2, 3, 4]


def test_a_source_that_ends_early_is_broken(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(sounding_video()[:700])
    with pytest.raises(BrokenMediaError):
        next(frames(source, RATE))
    with pytest.raises(BrokenMediaError, match="not there"):
        next(frames(tmp_path / "none", RATE))


class TestCanvas:
    @pytest.mark.parametrize(
        ("size", "box"),
        [((64, 48), (0, 0, 64, 48)), ((48, 96), (20, 0, 44, 48)), ((96, 24), (0, 16, 64, 32))],
    )
    def test_the_whole_picture_in_the_middle(
        self, size: tuple[int, int], box: tuple[int, int, int, int]
    ) -> None:
        canvas = Canvas(64, 48)
        white = av.VideoFrame.from_image(Image.new("RGB", size, (255, 255, 255)))  # type: ignore[no-untyped-call]
        y, *_ = canvas.letterboxed(white)
        seen = y.crop((0, 0, 64, 48)).point(lambda level: 255 if level > 120 else 0).getbbox()
        assert seen == box

    def test_colours_are_those_of_bt_709(self) -> None:
        canvas = Canvas(32, 32)
        red = av.VideoFrame.from_image(Image.new("RGB", (32, 32), (255, 0, 0)))  # type: ignore[no-untyped-call]
        levels: list[Any] = [plane.getpixel((4, 4)) for plane in canvas.letterboxed(red)]
        assert levels == pytest.approx([63, 102, 240], abs=1)


def test_burnt_in_words_are_where_they_belong(tmp_path: Path) -> None:
    target = tmp_path / "a.mp4"
    shot = Shot(kind="card", frames=3, name="A name that is far too long for this small picture")
    wanted = Animatic(
        rate=(24, 1), size=(320, 240), shots=(shot,), burn_in=("timecode", "name"),
        target=str(target),
    )  # fmt: skip
    render(wanted, lambda part: None)
    with av.open(str(target)) as made:
        last: Any = list(made.decode(video=0))[-1].to_image()  # type: ignore[no-untyped-call]
    for left, right in ((0, 150), (230, 320)):
        low, high = last.convert("L").crop((left, 210, right, 240)).getextrema()
        assert low < 30
        assert high > 180


class TestWorker:
    def test_tasks_travel_as_lines(self) -> None:
        shots = (Shot(kind="gap", frames=1), Shot(kind="still", frames=2, source="ü\n"))
        tasks: list[Task] = [
            CheckStill(source="a"),
            CheckSound(source="b"),
            DrawCard(label="夜", size=(4, 4), target="c"),
            Conform(source="d", rate=(24, 1), frames=3, target="e"),
            Animatic(rate=(24, 1), size=(2, 2), shots=shots, burn_in=("name",)),
        ]
        for task in tasks:
            assert to_line(task).count(b"\n") == 1
            assert from_line(to_line(task)) == task

    def test_good_files(self, tmp_path: Path) -> None:
        still, sound, card = tmp_path / "a.png", tmp_path / "a.wav", tmp_path / "c.png"
        still.write_bytes(picture())
        sound.write_bytes(music())
        assert answer(CheckStill(source=str(still))) == {"done": True}
        assert answer(CheckSound(source=str(sound))) == {"done": True}
        assert answer(DrawCard(label="A", size=(64, 48), target=str(card))) == {"done": True}
        with Image.open(card) as drawn:
            assert drawn.size == (64, 48)

    def test_broken_files(self, tmp_path: Path) -> None:
        bad, moving = tmp_path / "bad", tmp_path / "moving.webp"
        bad.write_bytes(flat()[:60])
        moving.write_bytes(animation())
        tasks: list[Task] = [
            CheckStill(source=str(bad)),
            CheckStill(source=str(moving)),
            CheckStill(source=str(tmp_path / "none")),
            CheckSound(source=str(bad)),
        ]
        for task in tasks:
            assert list(answer(task)) == ["broken"]

    def test_it_ends_with_its_input_in_the_middle_of_a_file(self, tmp_path: Path) -> None:
        hour = Animatic(
            rate=(24, 1),
            size=(1920, 1080),
            shots=(Shot(kind="gap", frames=86_400),),
            target=str(tmp_path / "a.mp4"),
        )
        command = [sys.executable, "-m", "backend.services.exports.rendering.worker"]
        with subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as worker:
            assert worker.stdin is not None
            assert worker.stdout is not None
            worker.stdin.write(to_line(hour))
            worker.stdin.flush()
            assert b"progress" in worker.stdout.readline()
            worker.stdin.close()
            assert worker.wait(10) == 1


class TestProcess:
    async def test_it_is_started_when_needed_and_ends_when_idle(self, tmp_path: Path) -> None:
        process = RenderProcess(idle_seconds=0.05)
        good, bad = tmp_path / "good.png", tmp_path / "bad.png"
        good.write_bytes(flat())
        bad.write_bytes(b"no")
        before = process.pid
        assert before is None
        await process.do(CheckStill(source=str(good)))
        first = process.pid
        with pytest.raises(BrokenSourceError):
            await process.do(CheckStill(source=str(bad)))
        assert process.pid == first
        child: Any = process._process
        async with asyncio.timeout(10):
            await child.wait()
        await process.do(CheckStill(source=str(good)))
        assert process.pid != first
        await process.close()

    async def test_a_crash_is_a_fault_of_the_file(self, tmp_path: Path) -> None:
        process = RenderProcess()
        good = tmp_path / "good.png"
        good.write_bytes(flat())
        card = DrawCard(label="A", size=(0, 0), target=str(tmp_path / "c.png"))
        with pytest.raises(BrokenSourceError):
            await process.do(card)
        await process.do(CheckStill(source=str(good)))
        await process.close()

    async def test_a_full_disk_is_told_as_such(self) -> None:
        if not FULL.exists():  # noqa: ASYNC240
            return  # only Linux has a disk that is always full
        process = RenderProcess()
        with pytest.raises(StorageFullError):
            await process.do(DrawCard(label="A", size=(640, 480), target=str(FULL)))
        await process.close()


def test_sound_is_mixed_down_and_ends_with_the_picture(tmp_path: Path) -> None:
    """Half a second of quiet, a quarter of music, quiet to the end."""
    source, target = tmp_path / "m.wav", tmp_path / "a.mp4"
    source.write_bytes(music(3))
    shots = (Shot(kind="gap", frames=48),)
    task = Animatic(
        rate=(24, 1), size=(64, 48), shots=shots, music=str(source), music_at=12,
        music_frames=6, target=str(target),
    )  # fmt: skip
    told: list[float] = []
    render(task, told.append)
    with av.open(io.BytesIO(target.read_bytes()), "r") as made:
        levels: list[float] = []
        for frame in made.decode(audio=0):
            levels += memoryview(bytes(frame.planes[0])).cast("f")[: frame.samples].tolist()
    loud = [at for at, level in enumerate(levels) if abs(level) > 0.05]
    assert loud[0] / 48_000 == pytest.approx(0.5, abs=0.03)
    assert loud[-1] / 48_000 == pytest.approx(0.75, abs=0.03)
    assert len(levels) == pytest.approx(96_000, abs=1_100)
    assert all(0 <= part < 1 for part in told)

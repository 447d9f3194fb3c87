"""`python -m backend.comfyui_simulator`: it says where it listens, and ends when it is told."""

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from backend.comfyui_simulator import Simulator
from backend.comfyui_simulator.__main__ import build_parser, options_from
from tests.unit.comfyui_simulator.graphs import text_to_image

ROOT = Path(__file__).parents[3]


@asynccontextmanager
async def process(*arguments: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """The running command and its URL; it is gone when the block ends."""
    found = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "backend.comfyui_simulator", "--port", "0", *arguments),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    assert found.stdout is not None
    try:
        line = (await asyncio.wait_for(found.stdout.readline(), 20)).decode().strip()
        assert line.startswith("simulated ComfyUI 0.3.64 on http://127.0.0.1:")
        yield found, line.rpartition(" ")[2]
    finally:
        if found.returncode is None:
            found.kill()
        await found.wait()
        found.stdout.feed_eof()


async def test_it_ends_on_sigterm_while_a_job_runs() -> None:
    async with (
        process("--seconds-per-step", "5") as (found, url),
        aiohttp.ClientSession(url) as http,
        http.ws_connect("/ws?clientId=c") as socket,
    ):
        async with http.post("/prompt", json={"prompt": text_to_image()}) as answer:
            assert answer.status == 200
        await socket.receive(timeout=5)
        begin = time.monotonic()
        found.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(found.wait(), 5) == 0
        assert time.monotonic() - begin < 2


async def test_die_fault_ends_the_process(tmp_path: Path) -> None:
    async with (
        process("--fault", "die=0", "--output-directory", str(tmp_path)) as (found, url),
        aiohttp.ClientSession(url) as http,
    ):
        async with http.post("/prompt", json={"prompt": text_to_image()}) as answer:
            assert answer.status == 200
        assert await asyncio.wait_for(found.wait(), 5) == 137


async def test_a_taken_port_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    async with Simulator() as simulator:
        status = await asyncio.to_thread(_main, ["--port", str(simulator.port)])
    assert status == 1
    assert len(capsys.readouterr().err.splitlines()) == 1


def _main(arguments: list[str]) -> int:
    """In a child: only the main thread may set signal handlers."""
    command = [sys.executable, "-m", "backend.comfyui_simulator", *arguments]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    sys.stderr.write(found.stderr)
    return found.returncode


def test_options_reach_the_simulator() -> None:
    arguments = ["--checkpoint", "a.safetensors", "--checkpoint", "b.safetensors"]
    arguments += ["--fault", "reject@2", "--seconds-per-step", "0.5", "--without-node", "SaveVideo"]
    options = options_from(build_parser().parse_args(arguments))
    assert options.models == {"checkpoints": ("a.safetensors", "b.safetensors")}
    assert options.faults == {"reject": {"value": None, "times": 2}}
    assert (options.seconds_per_step, options.without_nodes) == (0.5, ("SaveVideo",))


def test_unknown_fault_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        build_parser().parse_args(["--fault", "nonsense"])
    assert "no fault 'nonsense'" in capsys.readouterr().err

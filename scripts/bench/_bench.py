"""What the benchmarks share: processes to measure, a closed loop of requests, medians."""

import asyncio
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import NamedTuple

import aiohttp

ROOT = Path(__file__).resolve().parents[2]


class Request(NamedTuple):
    """`body` is JSON text; without one it is a GET."""

    path: str
    body: bytes | None = None


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def process(arguments: list[str], **environment: str) -> Iterator[int]:
    """Run a Python program until the block ends; gives its process id."""
    running = subprocess.Popen(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, "LOG_LEVEL": "WARNING", **environment},
    )
    try:
        yield running.pid
    finally:
        running.terminate()
        running.wait(15)


@asynccontextmanager
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as opened:
        yield opened


async def ready(client: aiohttp.ClientSession, url: str, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            async with client.get(url) as response:
                if response.status == 200:
                    return
        except aiohttp.ClientError:
            pass
        await asyncio.sleep(0.1)
    raise TimeoutError(url)


async def rate(
    client: aiohttp.ClientSession,
    url: str,
    request: Callable[[int], Request],
    *,
    count: int,
    clients: int = 8,
) -> float:
    """Requests a second over a closed loop of some clients; every answer must be a success."""
    numbers = iter(range(count))
    headers = {"Content-Type": "application/json"}

    async def one_client() -> None:
        for number in numbers:
            wanted = request(number)
            method = "GET" if wanted.body is None else "POST"
            async with client.request(
                method, url + wanted.path, data=wanted.body, headers=headers
            ) as response:
                await response.read()
                if response.status >= 300:
                    raise RuntimeError(f"{response.status}: {await response.text()}")

    began = time.perf_counter()
    await asyncio.gather(*(one_client() for _ in range(clients)))
    return count / (time.perf_counter() - began)


def median(values: list[float]) -> float:
    return statistics.median(values)


def resident_megabytes(pid: int) -> float:
    """Memory of a process by /proc; 0 where there is none."""
    return _megabytes(pid, "VmRSS")


def peak_megabytes(pid: int) -> float:
    """The most memory that a process has had so far."""
    return _megabytes(pid, "VmHWM")


def _megabytes(pid: int, field: str) -> float:
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        return 0.0
    line = next(line for line in status.read_text().splitlines() if line.startswith(field))
    return int(line.split()[1]) / 1024


def cpu_seconds(pid: int) -> float:
    """Processor time of all threads of a process so far: what it cost, however busy the machine."""
    tasks = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9

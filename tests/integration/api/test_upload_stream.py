"""Uploads as bytes on a wire: no body breaks it, refusals come early, and nothing stays.

The refusals are shown on a real socket: there the rest of a body is really on its way.
"""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from backend.config import Settings
from backend.server import create_app
from tests.conftest import API
from tests.integration.media.test_media import sound
from tests.studio import ServerProcess, quick_settings, server_process, serving, talking_to
from tests.unit.services.media.media_samples import picture

IMAGE_URL = f"{API}/media/upload-face-image"
PNG = picture("PNG", size=(8, 8))
FORM = "multipart/form-data; boundary=x"
HEAD = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n'
END = b"\r\n--x--\r\n"


def split(body: bytes, sizes: list[int]) -> list[bytes]:
    """Cut a body into pieces of these sizes, over and over."""
    pieces, at, turn = [], 0, 0
    while at < len(body):
        size = sizes[turn % len(sizes)]
        pieces.append(body[at : at + size])
        at, turn = at + size, turn + 1
    return pieces


async def post(client: httpx.AsyncClient, pieces: list[bytes], kind: str = FORM) -> httpx.Response:
    async def body() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece

    return await client.post(IMAGE_URL, content=body(), headers={"Content-Type": kind})


class TestAnyPieces:
    @pytest.mark.parametrize("sizes", [[1], [2], [3, 1], [7], [16], [64, 1], [100_000]])
    async def test_where_the_network_cuts_does_not_matter(
        self, client: httpx.AsyncClient, settings: Settings, sizes: list[int]
    ) -> None:
        # A file full of what could be the beginning of a boundary.
        tricky = PNG + bytes(3)
        response = await post(client, split(HEAD + tricky + END, sizes))
        assert response.status_code == 200, response.text
        stored = settings.upload_dir / response.json()["file_path"]
        assert stored.read_bytes() == tricky

    @pytest.mark.parametrize("near", [b"\r", b"\r\n", b"\r\n--", b"\r\n--y", b"\r\n-x--", b"--x--"])
    async def test_what_only_looks_like_a_boundary_is_content(
        self, client: httpx.AsyncClient, settings: Settings, near: bytes
    ) -> None:
        note = b"\xff\xfe" + (len(near) + 2).to_bytes(2, "big") + near
        jpeg = picture("JPEG", size=(8, 8))
        content = jpeg[:2] + note + jpeg[2:]
        for sizes in ([1], [5], [10_000]):
            response = await post(client, split(HEAD + content + END, sizes))
            assert response.status_code == 200, response.text
            stored = settings.upload_dir / response.json()["file_path"]
            assert stored.read_bytes() == content


#: Pieces of forms, whole and broken, and noise.
FRAGMENTS = st.sampled_from(
    [
        b"--x", b"--x\r\n", b"--x--", b"\r\n--x\r\n", b"\r\n--x--\r\n", b"--y\r\n", b"\r\n", b"\n",
        b"\r", b"--", b":", b": ", b"Content-Disposition", b"Content-Disposition: form-data",
        b'; name="file"', b"; name=file", b'; name="other"', b'; filename="a.png"', b"; filename=",
        b"; filename*=utf-8''a", b'; filename="\xff\xfe\x00"', b"Content-Type: image/png\r\n",
        b"Content-Transfer-Encoding: base64\r\n", HEAD, END, PNG, PNG[:30], b"\x00" * 40, b"\xff",
    ]
)  # fmt: skip
BODIES = st.lists(st.one_of(FRAGMENTS, st.binary(max_size=30)), max_size=12).map(b"".join)
KINDS = st.one_of(
    st.just(FORM),
    st.sampled_from(
        [
            "multipart/form-data",
            "multipart/form-data; boundary",
            'multipart/form-data; boundary="x"',
            "multipart/form-data; boundary=" + "x" * 71,
            "multipart/form-data;;; boundary=x; charset=nonsense",
            "multipart/mixed; boundary=x",
            "MULTIPART/FORM-DATA; BOUNDARY=x",
            "application/x-www-form-urlencoded",
            "",
        ]
    ),
)


async def test_no_body_breaks_it(tmp_path: Path) -> None:
    """400, 415, 422, or 200 where a sound picture is in it: never 5xx, and the envelope always."""
    studio = quick_settings(tmp_path)
    loop = asyncio.get_running_loop()

    async with serving(create_app(studio)) as client:

        @hypothesis_settings(
            max_examples=150,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(
            body=BODIES,
            kind=KINDS,
            sizes=st.lists(st.integers(1, 200), min_size=1, max_size=4),
        )
        def hold(body: bytes, kind: str, sizes: list[int]) -> None:
            sent = asyncio.run_coroutine_threadsafe(post(client, split(body, sizes), kind), loop)
            response = sent.result(20)
            assert response.status_code in {200, 400, 415, 422}, response.text
            if response.status_code != 200:
                assert set(response.json()) == {"detail", "error", "request_id"}

        await asyncio.to_thread(hold)
    assert not list((studio.upload_dir / ".incoming").glob("*"))


LIMIT = 1_048_576
MUSIC = sound("wav", "pcm_s16le", 0.5)
MUSIC_HEAD = HEAD + MUSIC[:44]
NOISE = bytes(65_536)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    folder = tmp_path_factory.mktemp("wire")
    limits = {"max_music_size_mb": 1, "max_image_size_mb": 1}
    with server_process(folder, mongo_url="memory:", **limits) as server:
        server.start()
        asyncio.run(server.ready())
        yield server
        assert "Traceback" not in server.log


@pytest.fixture
def folder(server: ServerProcess) -> Path:
    return Path(server._environment["UPLOAD_DIR"])


@pytest.fixture
async def music_url(server: ServerProcess) -> str:
    async with talking_to(server) as desk:
        project = await desk.post("/projects", {"name": "Film"})
    return f"{API}/media/projects/{project['id']}/upload-music"


def head(path: str, *fields: str) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: x", f"Content-Type: {FORM}", *fields]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


CHUNKED = "Transfer-Encoding: chunked"


async def stream(server: ServerProcess, first: bytes, piece: bytes) -> tuple[bytes, int]:
    """Send a piece over and over until the server closes; give its answer and the bytes sent."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    answer = asyncio.create_task(reader.read())
    writer.write(first)
    sent = 0
    with suppress(ConnectionError):
        while not answer.done() and sent < 64 * LIMIT:
            writer.write(piece)
            await writer.drain()
            sent += len(piece)
    writer.close()
    with suppress(ConnectionError):
        data = await asyncio.wait_for(answer, 15)
        return data, sent
    return b"", sent


async def emptied(folder: Path) -> None:
    """Wait until nothing is on its way in any more."""
    deadline = time.monotonic() + 10
    while any((folder / ".incoming").glob("*")):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


class TestOnTheWire:
    async def test_an_endless_file_is_refused_at_its_limit(
        self, server: ServerProcess, music_url: str, folder: Path
    ) -> None:
        first = head(music_url, CHUNKED) + chunk(MUSIC_HEAD)
        data, sent = await stream(server, first, chunk(NOISE))
        assert data[:13] in {b"", b"HTTP/1.1 413 "}  # nothing: the reset came first
        # What lies in the sockets' buffers between the two comes on top.
        assert sent < 24 * LIMIT
        await emptied(folder)

    async def test_an_endless_file_of_a_wrong_kind_is_refused_at_its_beginning(
        self, server: ServerProcess, music_url: str, folder: Path
    ) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(head(music_url, CHUNKED) + chunk(HEAD + b"<html><body><script>"))
        data = await asyncio.wait_for(reader.read(), 15)  # no more is sent: it answers by itself
        writer.close()
        assert data.startswith(b"HTTP/1.1 415 ")
        assert b"\r\nconnection: close\r\n" in data.lower()
        await emptied(folder)

    async def test_a_long_file_is_refused_before_it_is_sent(
        self, server: ServerProcess, music_url: str
    ) -> None:
        for path, status in [(music_url, 413), (f"{API}/projects/none/upload-music", 404)]:
            length = 500 * LIMIT if status == 413 else LIMIT
            fields = f"Content-Length: {length}", "Expect: 100-continue"
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(head(path, *fields))
            data = await asyncio.wait_for(reader.read(), 15)
            writer.close()
            assert data.startswith(b"HTTP/1.1 %d " % status), data

    def test_who_sends_everything_before_reading_still_sees_the_answer(
        self, server: ServerProcess
    ) -> None:
        """Browsers do; a connection that is closed on them at once shows as a network error."""
        body = HEAD + PNG + bytes(20 * LIMIT) + END
        with socket.create_connection(("127.0.0.1", server.port), 15) as wire:
            wire.sendall(head(IMAGE_URL, f"Content-Length: {len(body)}") + body)
            data = b""
            while piece := wire.recv(65_536):
                data += piece
        assert data.startswith(b"HTTP/1.1 413 ")
        assert data.count(b"HTTP/1.1") == 1
        assert data.endswith(b"}")

    def test_a_body_that_nobody_reads_costs_no_answer(self, server: ServerProcess) -> None:
        with socket.create_connection(("127.0.0.1", server.port), 15) as wire:
            wire.sendall(head("/metrics", CHUNKED) + chunk(bytes(LIMIT // 2)) + b"0\r\n\r\n")
            data = b""
            while piece := wire.recv(65_536):
                data += piece
        assert data.startswith(b"HTTP/1.1 405 ")

    async def test_a_small_refusal_keeps_the_connection(self, server: ServerProcess) -> None:
        async with httpx.AsyncClient(base_url=server.url) as client:
            response = await client.post(IMAGE_URL, files={"file": ("a", b"no picture at all")})
            assert response.status_code == 415
            assert "connection" not in response.headers

    @pytest.mark.parametrize("part", [HEAD[:20], HEAD + PNG[:20], HEAD + PNG])
    async def test_who_goes_away_leaves_nothing(
        self, server: ServerProcess, folder: Path, part: bytes
    ) -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(head(IMAGE_URL, "Content-Length: 500000") + part)
        await writer.drain()
        deadline = time.monotonic() + 10
        while not any((folder / ".incoming").glob("*")) and time.monotonic() < deadline:
            await asyncio.sleep(0.01)
        writer.transport.abort()
        await emptied(folder)
        async with talking_to(server) as desk:
            assert (await desk.get("/health"))["status"] != "unhealthy"

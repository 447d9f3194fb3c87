"""Results are proven by decoding, stored whole or not at all, and found again by a repeat."""

import asyncio
import errno
import os
import struct
import zlib
from datetime import UTC, datetime
from pathlib import Path

import av
import pytest
from PIL import Image

from backend.models.comfyui_server import ComfyUIServer
from backend.models.content import ContentType, GeneratedContent
from backend.services.comfyui.messages import OutputFile
from backend.services.media.result_store import ResultStore, StoredMedia
from backend.utils.errors import InvalidRequestError, StorageFullError, UpstreamError
from tests.unit.services.media.media_samples import animation, picture, video

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
SERVER = ComfyUIServer(id="s", name="A", url="http://a", created_at=NOW, updated_at=NOW)
FILE = OutputFile("../../evil.sh", "..", "output")


class FakeClient:
    """Gives the bytes it was made with, or raises."""

    def __init__(self, content: bytes | Exception) -> None:
        self.content = content
        self.downloads = 0

    async def download(
        self, server: ComfyUIServer, file: OutputFile, target: Path, *, max_bytes: int
    ) -> int:
        self.downloads += 1
        if isinstance(self.content, Exception):
            raise self.content
        await asyncio.to_thread(target.write_bytes, self.content)
        return len(self.content)


def files_in(root: Path) -> set[str]:
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}


async def fetch(root: Path, content: bytes, content_id: str = "take") -> StoredMedia:
    store = ResultStore(root, FakeClient(content), 10**9)
    return await store.fetch(SERVER, FILE, content_id=content_id, folder="projects/p/clips/c")


@pytest.mark.parametrize(
    ("image_format", "extension", "media_type"),
    [
        ("PNG", "png", "image/png"),
        ("JPEG", "jpg", "image/jpeg"),
        ("WEBP", "webp", "image/webp"),
        ("GIF", "gif", "image/gif"),
    ],
)
async def test_keeps_an_image_by_its_content(
    tmp_path: Path, image_format: str, extension: str, media_type: str
) -> None:
    content = picture(image_format)
    stored = await fetch(tmp_path, content)
    assert stored.path == f"projects/p/clips/c/take.{extension}"
    assert (stored.content_type, stored.media_type) == (ContentType.IMAGE, media_type)
    assert (stored.width, stored.height, stored.duration) == (64, 48, None)
    assert (tmp_path / stored.path).read_bytes() == content
    assert files_in(tmp_path) == {stored.path, stored.thumbnail_path}


@pytest.mark.parametrize(("kind", "rate"), [("mp4", 16), ("webm", 24)])
async def test_keeps_a_video_with_its_rate(tmp_path: Path, kind: str, rate: int) -> None:
    stored = await fetch(tmp_path, video(kind, frames=9, rate=rate))
    assert stored.path.endswith(f"take.{kind}")
    assert (stored.content_type, stored.media_type) == (ContentType.VIDEO, f"video/{kind}")
    assert (stored.width, stored.height, stored.frames, stored.fps) == (64, 48, 9, rate)
    assert stored.duration == pytest.approx(9 / rate, abs=0.001)
    with Image.open(tmp_path / stored.thumbnail_path) as thumbnail:
        assert thumbnail.format == "WEBP"


async def test_thumbnails_are_512_pixels_at_most(tmp_path: Path) -> None:
    stored = await fetch(tmp_path, picture(size=(1536, 768)))
    with Image.open(tmp_path / stored.thumbnail_path) as thumbnail:
        assert (thumbnail.format, thumbnail.size) == ("WEBP", (512, 256))


@pytest.mark.parametrize(
    ("milliseconds", "fps"), [(125, 8), (41, 24), (62, 16), (33, 30), (40, 25)]
)
async def test_an_animated_webp_becomes_a_video_beside_its_original(
    tmp_path: Path, milliseconds: int, fps: float
) -> None:
    content = animation(milliseconds=milliseconds, size=(65, 47))
    stored = await fetch(tmp_path, content)
    assert (stored.content_type, stored.media_type) == (ContentType.VIDEO, "video/mp4")
    assert (stored.width, stored.height, stored.frames, stored.fps) == (64, 46, 5, fps)
    assert stored.duration == pytest.approx(5 / fps, abs=0.002)
    assert (tmp_path / "projects/p/clips/c/take.webp").read_bytes() == content
    with av.open(str(tmp_path / stored.path)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.pix_fmt) == ("h264", "yuv420p")


@pytest.mark.parametrize("image_format", ["GIF", "PNG"])
async def test_other_animations_become_videos_too(tmp_path: Path, image_format: str) -> None:
    stored = await fetch(tmp_path, animation(image_format, milliseconds=100))
    assert (stored.media_type, stored.frames, stored.fps) == ("video/mp4", 5, 10)


def damaged() -> dict[str, bytes]:
    png, mp4, webm = picture(size=(200, 200)), video(), video("webm", frames=90)
    fast = bytearray(mp4)
    return {
        "empty": b"",
        "text": b"<html>not found</html>" * 50,
        "cut png": png[: len(png) // 2],
        "cut jpeg": picture("JPEG", (200, 200))[:2000],
        "cut webp": picture("WEBP", (200, 200))[:2000],
        "cut animation": animation()[:-60],
        "cut mp4": mp4[: len(mp4) // 2],
        "cut webm": webm[: len(webm) // 3],
        "mp4 without frames": bytes(fast[:40]),
        "bent png": png[:60] + bytes(40) + png[100:],
        "svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        "playlist": b"#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:0\nfile:///etc/passwd\n",
        "tiff": picture("TIFF"),
    }


@pytest.mark.parametrize("name", damaged())
async def test_garbage_is_the_servers_fault_and_leaves_nothing(tmp_path: Path, name: str) -> None:
    with pytest.raises(UpstreamError) as failure:
        await fetch(tmp_path, damaged()[name])
    assert failure.value.code == "RESULT_BROKEN"
    assert files_in(tmp_path) == set()
    assert list((tmp_path / ".incoming").iterdir()) == []


async def test_a_bomb_is_refused_by_its_header(tmp_path: Path) -> None:
    with pytest.raises(UpstreamError) as failure:
        await fetch(tmp_path, _png_that_claims(60_000, 60_000))
    assert failure.value.code == "RESULT_BROKEN"
    assert files_in(tmp_path) == set()


async def test_a_repeat_finds_the_file_and_downloads_nothing(tmp_path: Path) -> None:
    for content in (picture(), video(), animation()):
        name = f"take{len(content)}"
        first = await fetch(tmp_path, content, name)
        client = FakeClient(AssertionError("must not be asked"))
        store = ResultStore(tmp_path, client, 10**9)
        again = await store.fetch(SERVER, FILE, content_id=name, folder="projects/p/clips/c")
        assert again == first
        assert client.downloads == 0


async def test_a_file_that_was_damaged_since_is_fetched_again(tmp_path: Path) -> None:
    content = picture()
    stored = await fetch(tmp_path, content)
    (tmp_path / stored.path).write_bytes(b"broken")
    assert await fetch(tmp_path, content) == stored
    assert (tmp_path / stored.path).stat().st_size > 100


async def test_an_adoption_that_stopped_before_the_conversion_is_repeated(tmp_path: Path) -> None:
    stored = await fetch(tmp_path, animation())
    (tmp_path / stored.path).unlink()
    assert await fetch(tmp_path, animation()) == stored


async def test_two_at_once_agree(tmp_path: Path) -> None:
    first, second = await asyncio.gather(fetch(tmp_path, video()), fetch(tmp_path, video()))
    assert first == second
    assert files_in(tmp_path) == {first.path, first.thumbnail_path}


@pytest.mark.parametrize(
    "error", [UpstreamError("gone"), OSError(errno.ENOSPC, "full"), StorageFullError("full")]
)
async def test_a_failed_download_leaves_nothing(tmp_path: Path, error: Exception) -> None:
    store = ResultStore(tmp_path, FakeClient(error), 10**9)
    expected = UpstreamError if isinstance(error, UpstreamError) else StorageFullError
    with pytest.raises(expected):
        await store.fetch(SERVER, FILE, content_id="take", folder="p")
    assert files_in(tmp_path) == set()


@pytest.mark.parametrize(
    ("folder", "content_id"),
    [("../x", "a"), ("/etc", "a"), ("", "a"), ("p", "../a"), ("p", ".."), ("p", ""), (".x", "a")],
)
async def test_names_that_lead_elsewhere_are_refused(
    tmp_path: Path, folder: str, content_id: str
) -> None:
    store = ResultStore(tmp_path / "up", FakeClient(picture()), 10**9)
    with pytest.raises(InvalidRequestError):
        await store.fetch(SERVER, FILE, content_id=content_id, folder=folder)
    assert files_in(tmp_path) == set()


def content_of(stored: StoredMedia) -> GeneratedContent:
    return GeneratedContent(
        id="take",
        content_type=stored.content_type,
        path=stored.path,
        thumbnail_path=stored.thumbnail_path,
        created_at=NOW,
    )


async def test_remove_takes_every_file_of_a_take(tmp_path: Path) -> None:
    stored, other = await fetch(tmp_path, animation()), await fetch(tmp_path, picture(), "take2")
    store = ResultStore(tmp_path, FakeClient(b""), 1)
    await store.remove(content_of(stored))
    assert files_in(tmp_path) == {other.path, other.thumbnail_path}
    await store.remove(content_of(stored), content_of(other))
    assert files_in(tmp_path) == set()


async def test_remove_stays_inside_the_upload_folder(tmp_path: Path) -> None:
    outside = tmp_path / "secret.png"
    outside.write_bytes(b"x")
    content = GeneratedContent(
        id="x", content_type=ContentType.IMAGE, path="../secret.png", created_at=NOW
    )
    await ResultStore(tmp_path / "up", FakeClient(b""), 1).remove(content)
    assert outside.exists()


async def test_sweep_clears_only_what_nobody_writes_to(tmp_path: Path) -> None:
    for name, age in (("old", 7 * 3600), ("new", 60)):
        work = tmp_path / ".incoming" / name
        work.mkdir(parents=True)
        (work / "result").write_bytes(b"x")
        for path in (work / "result", work):
            os.utime(path, (NOW.timestamp() - age, NOW.timestamp() - age))
    store = ResultStore(tmp_path, FakeClient(b""), 1, clock=lambda: NOW)
    assert await store.sweep_incoming() == 1
    assert files_in(tmp_path) == {".incoming/new/result"}
    assert await ResultStore(tmp_path / "none", FakeClient(b""), 1).sweep_incoming() == 0


def _png_that_claims(width: int, height: int) -> bytes:

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + body + chunk(b"IEND", b"")

"""Music uploads: the content decides, the limit holds while streaming, a failure leaves no file."""

import asyncio
import errno
import io
import math
from array import array
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, BinaryIO

import av
import httpx
import pytest
from PIL import Image

from backend.config import Settings
from backend.container import Container
from backend.utils.errors import DatabaseUnavailableError
from tests.conftest import API, Maker
from tests.studio import kept, quick_settings
from tests.unit.services.media.media_samples import video

SECONDS = 1.5
RATE = 44_100
#: Container, codec, and the extension that the file gets.
KINDS = [
    ("wav", "pcm_s16le", "wav"),
    ("mp3", "mp3", "mp3"),
    ("flac", "flac", "flac"),
    ("ogg", "vorbis", "ogg"),
    ("ogg", "libopus", "ogg"),
    ("ipod", "aac", "m4a"),
    ("adts", "aac", "aac"),
]


def tone(seconds: float, rate: int) -> av.AudioFrame:
    """440 Hz, mono, 16 bit."""
    count = int(seconds * rate)
    wave = array("h", (int(20_000 * math.sin(i * 440 * math.tau / rate)) for i in range(count)))
    frame = av.AudioFrame(format="s16", layout="mono", samples=count)
    frame.planes[0].update(wave.tobytes())
    frame.sample_rate = rate
    return frame


def sound(container: str, codec: str, seconds: float = SECONDS) -> bytes:
    """A real file with a tone in it."""
    rate = 48_000 if codec == "libopus" else RATE
    options = {"strict": "experimental"} if codec == "vorbis" else {}
    out = io.BytesIO()
    with av.open(out, "w", format=container) as file:
        stream: Any = file.add_stream(codec, rate=rate, options=options)
        stream.layout = "stereo" if codec == "vorbis" else "mono"
        for packet in (*stream.encode(tone(seconds, rate)), *stream.encode(None)):
            file.mux(packet)
    return out.getvalue()


def film_with_sound() -> bytes:
    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as file:
        video_stream: Any = file.add_stream("mpeg4", rate=24)
        video_stream.width, video_stream.height, video_stream.pix_fmt = 64, 64, "yuv420p"
        audio_stream: Any = file.add_stream("aac", rate=RATE)
        still: Any = av.VideoFrame
        for _ in range(10):
            file.mux(video_stream.encode(still.from_image(Image.new("RGB", (64, 64)))))
        file.mux(video_stream.encode(None))
        for packet in (*audio_stream.encode(tone(0.4, RATE)), *audio_stream.encode(None)):
            file.mux(packet)
    return out.getvalue()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return quick_settings(tmp_path, max_music_size_mb=1, max_body_size_mb=1)


def files_in(settings: Settings) -> list[str]:
    found = settings.upload_dir.rglob("*")
    return sorted(str(path.relative_to(settings.upload_dir)) for path in found if path.is_file())


#: The address of the contract, and the one that the single-page app has.
ADDRESSES = ["/media/projects/{}/upload-music", "/projects/{}/upload-music"]


async def upload(
    client: httpx.AsyncClient,
    project: dict[str, Any],
    content: bytes,
    name: str = "song.mp3",
    address: str = ADDRESSES[0],
) -> httpx.Response:
    url = API + address.format(project["id"])
    return await client.post(url, files={"file": (name, content, "image/png")})


async def read(client: httpx.AsyncClient, project: dict[str, Any]) -> dict[str, Any]:
    return dict((await client.get(f"{API}/projects/{project['id']}")).json())


@pytest.mark.parametrize(("container", "codec", "extension"), KINDS)
async def test_takes_what_it_is_whatever_it_is_called(
    client: httpx.AsyncClient,
    make_project: Maker,
    settings: Settings,
    container: str,
    codec: str,
    extension: str,
) -> None:
    project = await make_project()
    content = sound(container, codec)
    by_app = await upload(client, project, content, "song", ADDRESSES[1])
    assert by_app.status_code == 200, by_app.text
    response = await upload(client, project, content, "../../evil.php\x00.png")
    assert response.status_code == 200, response.text
    music = response.json()
    assert set(music) == {"message", "file_path", "file_url", "duration"}
    assert music["file_path"].startswith(f"projects/{project['id']}/music/")
    assert music["file_path"].endswith(f".{extension}")
    assert abs(music["duration"] - SECONDS) < 0.1
    after = await read(client, project)
    assert after["music_file_path"] == after["music_file_url"] == music["file_url"]
    assert after["music_file_url"] == music["file_url"]
    assert after["music_duration"] == music["duration"]
    assert files_in(settings) == [music["file_path"]]
    served = await client.get(music["file_url"], headers={"Range": "bytes=0-3"})
    assert (served.status_code, served.content) == (206, content[:4])


async def test_new_music_replaces_the_old(
    client: httpx.AsyncClient, make_project: Maker, settings: Settings
) -> None:
    project = await make_project()
    first = (await upload(client, project, sound("wav", "pcm_s16le", 0.2))).json()
    second = (await upload(client, project, sound("flac", "flac", 0.4))).json()
    assert files_in(settings) == [second["file_path"]]
    assert (await client.get(first["file_url"])).status_code == 404
    url = f"{API}/projects/{project['id']}"
    sent_back = await client.put(url, json={"music_file_path": second["file_path"]})
    assert sent_back.json()["music_file_path"] == second["file_url"]
    for form in (second["file_url"], f"{second['file_url']}?expires=1", kept(second["file_url"])):
        again = await client.put(url, json={"music_file_path": form})
        assert again.json()["music_file_path"] == second["file_url"]
    cleared = (await client.put(url, json={"music_file_path": None})).json()
    assert cleared["music_file_path"] is None
    assert (cleared["music_file_url"], cleared["music_duration"]) == (None, None)
    assert files_in(settings) == []


async def test_it_goes_with_its_project(
    client: httpx.AsyncClient, make_project: Maker, settings: Settings
) -> None:
    project = await make_project()
    await upload(client, project, sound("wav", "pcm_s16le", 0.2))
    await client.delete(f"{API}/projects/{project['id']}")
    assert files_in(settings) == []


def broken_files() -> dict[str, bytes]:
    wav, flac = sound("wav", "pcm_s16le"), sound("flac", "flac")
    m4a = sound("ipod", "aac")
    return {
        "empty": b"",
        "text": b"no music at all" * 100,
        "html": b"<html><script>alert(1)</script></html>",
        "playlist": b"#EXTM3U\nfile:///etc/passwd\n",
        "concat script": b"ffconcat version 1.0\nfile /etc/passwd\n",
        "picture": b"\x89PNG\r\n\x1a\n" + bytes(64),
        "video with sound": film_with_sound(),
        "video without sound": video(),
        "header of wav only": wav[:44],
        "wav with a codec that nobody has": wav[:20] + b"\xee\xee" + wav[22:],
        "m4a without its end": m4a[: len(m4a) // 2],
        "header of flac only": flac[:42],
        "mp3 tag only": b"ID3\x04\x00\x00\x00\x00\x00\x00",
        "au": sound("au", "pcm_s16be"),
        "zeros": bytes(50_000),
    }


BROKEN = broken_files()


@pytest.mark.parametrize("name", BROKEN)
async def test_refuses_what_is_no_music_and_keeps_the_old(
    client: httpx.AsyncClient, make_project: Maker, settings: Settings, name: str
) -> None:
    project = await make_project()
    await upload(client, project, sound("wav", "pcm_s16le", 0.2))
    before, kept = await read(client, project), files_in(settings)
    response = await upload(client, project, BROKEN[name])
    assert response.status_code == 415, response.text
    assert response.json()["error"]["code"] == "UNSUPPORTED_MEDIA"
    assert str(settings.upload_dir) not in response.text
    assert "passwd" not in response.text
    assert (await read(client, project), files_in(settings)) == (before, kept)


WHOLE = {extension: sound(kind, codec) for kind, codec, extension in KINDS}
#: How a file may end that is not whole, as a part of its length or in bytes from its end.
CUTS = [0.03, 0.5, 0.97, -1]


@pytest.mark.parametrize("extension", WHOLE)
async def test_refuses_what_is_cut_short(
    client: httpx.AsyncClient, make_project: Maker, settings: Settings, extension: str
) -> None:
    project, whole = await make_project(), WHOLE[extension]
    for cut in CUTS:
        part = whole[:cut] if isinstance(cut, int) else whole[: int(len(whole) * cut)]
        response = await upload(client, project, part)
        assert response.status_code == 415, (cut, response.text)
    assert files_in(settings) == []


TAILS = [b"PK\x03\x04" + bytes(range(256)) * 8, b"<script>1</script>"]


@pytest.mark.parametrize("extension", WHOLE)
async def test_refuses_what_is_glued_to_something_else(
    client: httpx.AsyncClient, make_project: Maker, settings: Settings, extension: str
) -> None:
    project, whole = await make_project(), WHOLE[extension]
    for tail in TAILS:
        for content in (whole + tail, tail + whole):
            response = await upload(client, project, content)
            assert response.status_code == 415, response.text
    assert files_in(settings) == []


async def test_a_length_that_is_only_claimed_is_not_believed(
    client: httpx.AsyncClient, make_project: Maker
) -> None:
    """A FLAC header that promises two weeks of sound, over a second and a half of it."""
    flac, samples = bytearray(WHOLE["flac"]), 2**36 - 1
    flac[21] = flac[21] & 0xF0 | samples >> 32
    flac[22:26] = (samples & 0xFFFFFFFF).to_bytes(4, "big")
    assert (await upload(client, await make_project(), bytes(flac))).status_code == 415


class TestTooLarge:
    async def test_within_the_frame(
        self, client: httpx.AsyncClient, make_project: Maker, settings: Settings
    ) -> None:
        project = await make_project()
        for size in (1_048_577, 1_100_000, 1_500_000):
            response = await upload(client, project, bytes(size))
            assert response.status_code == 413
            assert response.json()["error"]["code"] == "PAYLOAD_TOO_LARGE"
        assert files_in(settings) == []

    async def test_without_a_length(
        self, client: httpx.AsyncClient, make_project: Maker, settings: Settings
    ) -> None:
        project = await make_project()
        sent = 0

        async def endless() -> AsyncIterator[bytes]:
            nonlocal sent
            yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
            while True:
                sent += 65_536
                yield WHOLE["wav"][:65_536]

        headers = {"Content-Type": "multipart/form-data; boundary=x"}
        url = f"{API}/media/projects/{project['id']}/upload-music"
        response = await client.post(url, content=endless(), headers=headers)
        assert response.status_code == 413
        assert sent < 2_400_000  # as much again is read after the answer, so that it is seen
        assert files_in(settings) == []

    async def test_just_fits(self, client: httpx.AsyncClient, make_project: Maker) -> None:
        wav = sound("wav", "pcm_s16le", seconds=11.8)
        assert 1_040_000 < len(wav) <= 1_048_576
        assert (await upload(client, await make_project(), wav)).status_code == 200


FORMS: list[tuple[bytes, str, int]] = [
    (b"", "multipart/form-data; boundary=x", 422),
    (b"", "multipart/form-data", 400),
    (b"--x\r\nnonsense", "multipart/form-data; boundary=x", 400),
    (b"nonsense", "multipart/form-data; boundary=x", 400),
    (b"--x--", "multipart/form-data; boundary=x", 422),
    (b"--x--", "multipart/form-data; boundary=", 400),
    (b"--x--", f"multipart/form-data; boundary={'x' * 300}", 400),
    (b'--x\r\nContent-Disposition: form-data; name="file"; filename=""\r\n\r\n\r\n--x--\r\n',
     "multipart/form-data; boundary=x", 422),
    (b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nRIFF',
     "multipart/form-data; boundary=x", 400),
    (b"--x\r\nA: " + b"b" * 20_000 + b"\r\n\r\n\r\n--x--",
     "multipart/form-data; boundary=x", 400),
    (b"--x" + b"\r\n\r\n\r\n--x" * 1_001 + b"--", "multipart/form-data; boundary=x", 400),
    (b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\ntext\r\n--x--\r\n',
     "multipart/form-data; boundary=x", 422),
    (b'--x\r\nContent-Disposition: form-data; name="other"; filename="a"\r\n\r\ntext\r\n--x--',
     "multipart/form-data; boundary=x", 422),
    (b'{"file": "x"}', "application/json", 422),
    (b"RIFF", "audio/wav", 422),
]  # fmt: skip


async def test_a_form_without_the_file(
    client: httpx.AsyncClient, make_project: Maker, settings: Settings
) -> None:
    project = await make_project()
    url = f"{API}/media/projects/{project['id']}/upload-music"
    for content, kind, status in FORMS:
        response = await client.post(url, content=content, headers={"Content-Type": kind})
        assert response.status_code == status, (content, response.text)
        assert set(response.json()) == {"detail", "error", "request_id"}
        if status == 422:
            (fault,) = response.json()["error"]["details"]["errors"]
            assert (fault["loc"], fault["type"]) == (["body", "file"], "missing")
    assert files_in(settings) == []


async def test_an_unknown_project_leaves_nothing(
    client: httpx.AsyncClient, settings: Settings
) -> None:
    response = await upload(client, {"id": "none"}, sound("wav", "pcm_s16le", 0.1))
    assert response.json()["error"]["code"] == "PROJECT_NOT_FOUND"
    assert files_in(settings) == []


class _Broken:
    """A project repository that reads, and fails when the music is to be written down."""

    def __init__(self, real: Any, outcome: bool | Exception) -> None:
        self._real = real
        self._outcome = outcome

    async def get(self, project_id: str) -> Any:
        return await self._real.get(project_id)

    async def uses_music(self, path: str) -> bool:
        return bool(await self._real.uses_music(path))

    async def exchange_music(self, project: Any, *_: Any) -> bool:
        if self._outcome is False:
            return not await self._real.delete(project.id)
        if isinstance(self._outcome, Exception):
            raise self._outcome
        return self._outcome


@pytest.mark.parametrize(
    ("outcome", "status"),
    [(False, 404), (DatabaseUnavailableError("The database is not reachable."), 503)],
    ids=["project deleted meanwhile", "database away"],
)
async def test_music_that_cannot_be_written_down_is_removed(
    client: httpx.AsyncClient,
    container: Container,
    make_project: Maker,
    settings: Settings,
    outcome: bool | Exception,
    status: int,
) -> None:
    project = await make_project()
    broken: Any = _Broken(container.film.media._projects, outcome)
    container.film.media._projects = broken
    response = await upload(client, project, sound("wav", "pcm_s16le", 0.1))
    assert response.status_code == status
    assert files_in(settings) == []


async def test_of_two_uploads_at_once_one_stays(
    client: httpx.AsyncClient, make_project: Maker, settings: Settings
) -> None:
    project = await make_project()
    answers = await asyncio.gather(*(upload(client, project, WHOLE["wav"]) for _ in range(4)))
    assert {answer.status_code for answer in answers} == {200}
    left = kept((await read(client, project))["music_file_path"])
    assert files_in(settings) == [left.removeprefix("/uploads/")]


async def test_music_that_another_project_points_to_stays(
    client: httpx.AsyncClient, container: Container, make_project: Maker, settings: Settings
) -> None:
    """No route shares music; a document that was copied by hand may."""
    project, other = await make_project(), await make_project()
    first = (await upload(client, project, WHOLE["wav"])).json()
    shared = {"music_file_path": first["file_path"]}
    assert await container.film.media._projects.update(other["id"], shared)
    second = (await upload(client, project, WHOLE["flac"])).json()
    assert files_in(settings) == sorted([first["file_path"], second["file_path"]])
    await upload(client, other, WHOLE["wav"])
    assert first["file_path"] not in files_in(settings)


async def test_only_the_first_file_of_that_name_is_taken(
    client: httpx.AsyncClient, make_project: Maker
) -> None:
    project = await make_project()
    parts: list[tuple[str, Any]] = [
        ("title", (None, "My song")),
        ("cover", ("cover.png", b"\x89PNG\r\n\x1a\n")),
        ("file", (None, "a text")),
        ("file", ("a.wav", WHOLE["wav"])),
        ("file", ("b.flac", WHOLE["flac"])),
    ]
    url = f"{API}/media/projects/{project['id']}/upload-music"
    response = await client.post(url, files=parts)
    assert response.status_code == 200, response.text
    assert response.json()["file_path"].endswith(".wav")


class _FullDisk(io.BytesIO):
    """Takes the first bytes and has no room for more; `late` fails when all is written out."""

    def __init__(self, *, late: bool) -> None:
        super().__init__()
        self._late = late

    def write(self, data: Any) -> int:
        if not self._late:
            raise OSError(errno.ENOSPC, "No space left on device")
        return len(data)

    def flush(self) -> None:
        if self._late:
            raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("moment", ["dev_full", "write", "flush"])
async def test_a_full_disk_is_507_and_leaves_nothing(
    client: httpx.AsyncClient,
    container: Container,
    make_project: Maker,
    settings: Settings,
    moment: str,
) -> None:
    def create(path: Path) -> BinaryIO:
        path.write_bytes(b"begun")
        full = Path("/dev/full")
        if moment == "dev_full" and full.exists():
            return full.open("wb")
        return _FullDisk(late=moment == "flush")

    media: Any = container.film.media._media
    media.create = create
    project = await make_project()
    response = await upload(client, project, WHOLE["wav"])
    assert response.status_code == 507, response.text
    assert response.json()["error"]["code"] == "STORAGE_FULL"
    assert (await read(client, project))["music_file_path"] is None
    assert files_in(settings) == []

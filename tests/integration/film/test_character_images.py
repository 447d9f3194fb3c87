"""Several pictures of a character in one upload: each is looked at, and all are kept or none."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from backend.config import Settings
from backend.container import Container
from backend.services.media.media_files import MediaFiles
from backend.services.media_service import MAX_PICTURES
from backend.utils.errors import StorageFullError
from tests.conftest import API
from tests.integration.media.test_face_images import BROKEN, EXTENSIONS, WHOLE
from tests.integration.media.test_media import files_in
from tests.studio import ORIGIN, quick_settings
from tests.unit.services.media.media_samples import picture

URL = f"{API}/upload-character-images"
PNG, JPEG = WHOLE["PNG"], WHOLE["JPEG"]
LIMIT = 1_048_576

Part = tuple[str, tuple[str, bytes, str]]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return quick_settings(tmp_path, max_image_size_mb=1, max_body_size_mb=1)


def part(content: bytes, field: str = "files", name: str = "mara.txt") -> Part:
    return field, (name, content, "text/plain")


async def send(client: httpx.AsyncClient, *parts: Part) -> httpx.Response:
    return await client.post(URL, files=list(parts))


async def test_each_is_served_in_the_order_in_which_it_was_sent(
    client: httpx.AsyncClient, settings: Settings
) -> None:
    response = await send(client, *(part(content) for content in WHOLE.values()))
    assert response.status_code == 200, response.text
    told = response.json()
    assert set(told) == {"message", "file_urls", "file_paths", "files"}
    assert (told["message"], told["files"]) == ("4 pictures uploaded.", {})
    for name, url, path in zip(WHOLE, told["file_urls"], told["file_paths"], strict=True):
        assert url == f"{ORIGIN}/uploads/{path}"
        assert path.endswith(f".{EXTENSIONS[name]}")
        served = await client.get(url)
        assert served.content == WHOLE[name]
        assert served.headers["content-type"] == Image.MIME[name]
    assert files_in(settings) == sorted(told["file_paths"])


async def test_a_character_takes_what_came_back(client: httpx.AsyncClient) -> None:
    """A form with a field for the face, one for the figure, and one for the rest."""
    parts = (
        part(PNG, "face_image"),
        part(JPEG, "reference_images"),
        part(PNG, "reference_images"),
        part(b"null", "notes"),
    )
    form = {"full_body_image": "null"}
    response = await client.post(URL, files=list(parts), data=form)
    told = response.json()
    assert set(told["files"]) == {"face_image", "reference_images"}
    face, *references = told["file_urls"]
    assert told["files"] == {"face_image": face, "reference_images": references}
    character = await client.post(f"{API}/characters", json={"name": "Mara", **told["files"]})
    assert character.status_code == 201
    assert character.json()["face_image"] == face
    assert character.json()["reference_images"] == references


@pytest.mark.parametrize("place", [0, 1, 2])
async def test_when_one_is_refused_none_stays(
    client: httpx.AsyncClient, settings: Settings, place: int
) -> None:
    for words, content in BROKEN.items():
        parts = [part(PNG, name="a.png"), part(JPEG, name="b.jpg")]
        parts.insert(place, part(content, name="wörse.png"))
        response = await send(client, *parts)
        error = response.json()["error"]
        assert (response.status_code, error["code"]) == (415, "UNSUPPORTED_MEDIA"), words
        assert error["message"].startswith(f"File {place + 1} ('wörse.png'): ")
        assert (error["details"]["index"], error["details"]["file_name"]) == (place, "wörse.png")
    assert files_in(settings) == []


async def test_each_has_the_limit_of_one(client: httpx.AsyncClient, settings: Settings) -> None:
    just = PNG + bytes(LIMIT - len(PNG))
    assert (await send(client, part(just), part(just), part(just))).status_code == 200
    kept = files_in(settings)
    response = await send(client, part(just), part(just + b"\0", name="big.png"))
    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (413, "PAYLOAD_TOO_LARGE")
    assert error["message"] == "File 2 ('big.png'): A picture may have 1 MB at most."
    assert error["details"] == {"limit_bytes": LIMIT, "index": 1, "file_name": "big.png"}
    assert files_in(settings) == kept


async def test_not_more_than_a_character_may_have(
    client: httpx.AsyncClient, settings: Settings
) -> None:
    small = picture("PNG", size=(2, 2))
    assert (await send(client, *[part(small)] * MAX_PICTURES)).status_code == 200
    kept = files_in(settings)
    assert len(kept) == MAX_PICTURES
    response = await send(client, *[part(small)] * (MAX_PICTURES + 1))
    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (422, "TOO_MANY_FILES")
    assert error["details"] == {"limit": MAX_PICTURES}
    assert files_in(settings) == kept


async def test_odd_names_end_no_sentence(client: httpx.AsyncClient) -> None:
    for name, shown in (("", "File 1: "), ("a\r\nb" + "x" * 500, "File 1 ('a")):
        response = await send(client, part(b"no picture at all", name=name or "\u200b"))
        message = response.json()["error"]["message"]
        assert message.startswith(shown)
        assert "\n" not in message
        assert len(message) < 300


async def test_without_a_file(client: httpx.AsyncClient, settings: Settings) -> None:
    empty: dict[str, Any] = {"files": ("", b"", "application/octet-stream")}
    for content in ({"picture": ("a.png", PNG)}, {"file": ("a.png", PNG)}, empty):
        response = await client.post(URL, files=content)
        assert response.status_code == 422
        assert response.json()["error"]["details"]["errors"][0]["loc"] == ["body", "files"]
    assert (await client.post(URL, json={"files": []})).status_code == 422
    assert files_in(settings) == []


async def test_a_body_that_breaks_off_leaves_nothing(
    client: httpx.AsyncClient, settings: Settings
) -> None:
    head = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\n'
    whole = head + PNG + b"\r\n" + head + JPEG + b"\r\n--x--\r\n"
    kind = {"Content-Type": "multipart/form-data; boundary=x"}
    for length in (len(whole) - 8, len(head) + len(PNG) + 20, len(head) + 10):
        response = await client.post(URL, content=whole[:length], headers=kind)
        assert response.status_code in {400, 415}, length
    assert files_in(settings) == []
    assert (await client.post(URL, content=whole, headers=kind)).status_code == 200


@pytest.mark.parametrize("size", [1, 7, 64, 1_000, 100_000])
async def test_where_the_network_cuts_does_not_matter(
    client: httpx.AsyncClient, settings: Settings, size: int
) -> None:
    # Full of what could be the beginning of a border.
    note = b"\xff\xfe" + (402).to_bytes(2, "big") + b"\r\n--" * 100
    tricky = JPEG[:2] + note + JPEG[2:]
    head = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\n'
    body = b"\r\n".join([head + tricky, head + PNG, head + tricky, b"--x--"])

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(body), size):
            yield body[start : start + size]

    kind = {"Content-Type": "multipart/form-data; boundary=x"}
    response = await client.post(URL, content=pieces(), headers=kind)
    assert response.status_code == 200, response.text
    stored = [(settings.upload_dir / path).read_bytes() for path in response.json()["file_paths"]]
    assert stored == [tricky, PNG, tricky]


class FullSoon(MediaFiles):
    """A disk that has room for so many files."""

    def __init__(self, upload_dir: Path, room: int) -> None:
        super().__init__(upload_dir)
        self._room = room

    def take_in(self, incoming: Path, relative: str) -> None:
        if self._room == 0:
            raise StorageFullError("There is no room left on the disk for this file.")
        self._room -= 1
        super().take_in(incoming, relative)


@pytest.mark.parametrize("room", [0, 1, 2])
async def test_without_room_for_all_none_is_kept(
    client: httpx.AsyncClient, container: Container, settings: Settings, room: int
) -> None:
    container.film.media._media = FullSoon(settings.upload_dir, room)
    response = await send(client, part(PNG), part(JPEG), part(PNG))
    assert (response.status_code, response.json()["error"]["code"]) == (507, "STORAGE_FULL")
    assert files_in(settings) == []

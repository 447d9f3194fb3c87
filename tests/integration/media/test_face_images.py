"""Pictures of faces: the content decides, bombs and half files are refused, nothing is left."""

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from backend.config import Settings
from backend.services.media.image_probe import MAX_FRAMES
from backend.services.media.media_probe import MAX_PIXELS
from tests.conftest import API
from tests.integration.media.test_media import files_in, film_with_sound, sound
from tests.studio import quick_settings
from tests.unit.services.media.media_samples import animation, picture

#: The address of the contract, and the one that the single-page app has.
ADDRESSES = ["/media/upload-face-image", "/upload-face-image"]
EXTENSIONS = {"PNG": "png", "JPEG": "jpg", "WEBP": "webp", "GIF": "gif"}
WHOLE = {name: picture(name) for name in EXTENSIONS}
ZIP = b"PK\x03\x04" + bytes(range(256)) * 8


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return quick_settings(tmp_path, max_image_size_mb=1, max_body_size_mb=1)


async def upload(
    client: httpx.AsyncClient, content: bytes, address: str = ADDRESSES[0]
) -> httpx.Response:
    files = {"file": ("../../evil.svg\x00.exe", content, "audio/mpeg")}
    return await client.post(API + address, files=files)


async def test_takes_what_it_is_whatever_it_is_called(
    client: httpx.AsyncClient, settings: Settings
) -> None:
    stored = []
    for name, content in WHOLE.items():
        for address in ADDRESSES:
            response = await upload(client, content, address)
            assert response.status_code == 200, response.text
            image = response.json()
            assert set(image) == {"message", "file_url", "file_path", "width", "height"}
            assert (image["width"], image["height"]) == (64, 48)
            assert image["file_path"].startswith("faces/")
            assert image["file_path"].endswith(f".{EXTENSIONS[name]}")
            stored.append(image["file_path"])
            served = await client.get(image["file_url"])
            assert served.content == content
            assert served.headers["x-content-type-options"] == "nosniff"
            assert served.headers["content-type"] == Image.MIME[name]
    assert files_in(settings) == sorted(stored)


@pytest.mark.parametrize("name", ["GIF", "WEBP", "PNG"])
async def test_an_animation_is_fine(client: httpx.AsyncClient, name: str) -> None:
    response = await upload(client, animation(name))
    assert response.status_code == 200, response.text
    assert (response.json()["width"], response.json()["height"]) == (64, 48)


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGBA", "I;16"])
async def test_any_kind_of_pixel_is_fine(client: httpx.AsyncClient, mode: str) -> None:
    out = io.BytesIO()
    Image.new(mode, (20, 10)).save(out, "PNG")
    assert (await upload(client, out.getvalue())).status_code == 200


@pytest.mark.parametrize("orientation", range(1, 9))
async def test_the_size_is_as_shown(client: httpx.AsyncClient, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    response = await upload(client, picture("JPEG", exif=exif))
    size = (response.json()["width"], response.json()["height"])
    assert size == ((48, 64) if orientation >= 5 else (64, 48))


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
@pytest.mark.parametrize("note", [b"Exif\0\0", b"Exif\0\0MM\0*\xff\xff\xff\xff", b"Exif\0\0II*\0"])
async def test_a_damaged_note_does_not_spoil_a_picture(
    client: httpx.AsyncClient, note: bytes
) -> None:
    jpeg = WHOLE["JPEG"]
    segment = b"\xff\xe1" + struct.pack(">H", len(note) + 2) + note
    response = await upload(client, jpeg[:2] + segment + jpeg[2:])
    assert response.status_code == 200, response.text


async def test_phones_put_pictures_behind_pictures(client: httpx.AsyncClient) -> None:
    """An MPO: a photo, and behind it the one that its header lists."""
    out = io.BytesIO()
    photo, depth = Image.new("RGB", (64, 48), "red"), Image.new("RGB", (32, 24), "blue")
    photo.save(out, "MPO", save_all=True, append_images=[depth])
    response = await upload(client, out.getvalue())
    assert response.status_code == 200, response.text
    assert response.json()["file_path"].endswith(".jpg")
    assert (await upload(client, out.getvalue() + ZIP)).status_code == 415
    assert (await upload(client, WHOLE["JPEG"] * 2)).status_code == 415


async def test_zeros_behind_a_picture_are_padding(client: httpx.AsyncClient) -> None:
    for content in WHOLE.values():
        assert (await upload(client, content + bytes(100))).status_code == 200


def png(width: int, height: int, *, data: bytes = b"", extra: bytes = b"") -> bytes:
    """A PNG by hand: its header may say anything."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = chunk(b"IHDR", header) + extra + chunk(b"IDAT", zlib.compress(data))
    return b"\x89PNG\r\n\x1a\n" + body + chunk(b"IEND", b"")


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def gif_of_frames(count: int, width: int = 1, height: int = 1) -> bytes:
    """A GIF whose every frame is a single pixel on a canvas of any size."""
    head = b"GIF89a" + struct.pack("<HH", width, height) + b"\x80\0\0" + bytes(6)
    frame = b"\x2c" + struct.pack("<HHHH", 0, 0, 1, 1) + b"\0\x02\x02\x44\x01\0"
    return head + frame * count + b";"


def broken_files() -> dict[str, bytes]:
    wrong_crc = bytearray(WHOLE["PNG"])
    wrong_crc[-20] ^= 0xFF
    svg = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
    bmp, tiff = picture("BMP"), picture("TIFF")
    return {
        "empty": b"",
        "text": b"no picture at all" * 10,
        "svg": svg,
        "svg with a declaration": b'<?xml version="1.0"?>' + svg,
        "html": b"<html><script>alert(1)</script></html>",
        "bmp": bmp,
        "tiff": tiff,
        "sound": sound("wav", "pcm_s16le", 0.1),
        "film": film_with_sound(),
        "zip": ZIP,
        "script that begins as a gif": b"GIF89a/*" + bytes(10) + b"*/=1;alert(1)//;",
        "bomb: more pixels than are taken": png(8193, 8192, data=bytes(1000)),
        "bomb: more pixels than Pillow takes": png(60_000, 60_000),
        "bomb: more pixels than exist": png(2**31 - 1, 2**31 - 1),
        "bomb: text": png(
            8, 8, data=bytes(72), extra=chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(10**8)))
        ),
        "bomb: frames": gif_of_frames(MAX_FRAMES + 1),
        "bomb: canvas of an animation": gif_of_frames(10, 8000, 8000),
        "no pixels": png(0, 10),
        "png with a wrong checksum": bytes(wrong_crc),
        "png with too little data": png(100, 100, data=bytes(50)),
        "png signature only": WHOLE["PNG"][:8],
        "jpeg signature only": b"\xff\xd8\xff",
        "jpeg of fill bytes": b"\xff\xd8" + b"\xff" * 1000,
        "gif signature only": b"GIF89a",
        "webp signature only": b"RIFF\x04\0\0\0WEBP",
    }


BROKEN = broken_files()


async def test_refuses_what_is_no_picture(client: httpx.AsyncClient, settings: Settings) -> None:
    for name, content in BROKEN.items():
        response = await upload(client, content)
        assert response.status_code == 415, (name, response.text)
        assert response.json()["error"]["code"] == "UNSUPPORTED_MEDIA"
        assert str(settings.upload_dir) not in response.text
    assert files_in(settings) == []


@pytest.mark.parametrize("name", WHOLE)
async def test_refuses_half_pictures_and_pictures_with_a_tail(
    client: httpx.AsyncClient, settings: Settings, name: str
) -> None:
    whole = WHOLE[name]
    parts = [whole[:20], whole[: len(whole) // 2], whole[:-1]]
    tails = [whole + ZIP, whole + b"<script>1</script>", ZIP + whole, whole + bytes(9) + b"/"]
    for content in (*parts, *tails):
        response = await upload(client, content)
        assert response.status_code == 415, response.text
    assert files_in(settings) == []


async def test_the_limit_holds_to_the_byte(client: httpx.AsyncClient, settings: Settings) -> None:
    limit = settings.max_image_size_mb * 1_048_576
    just = WHOLE["PNG"] + bytes(limit - len(WHOLE["PNG"]))
    assert (await upload(client, just)).status_code == 200
    for address in ADDRESSES:
        response = await upload(client, just + b"\0", address)
        assert response.status_code == 413
        assert response.json()["error"]["code"] == "PAYLOAD_TOO_LARGE"
    assert len(files_in(settings)) == 1


async def test_without_a_file(client: httpx.AsyncClient) -> None:
    for address in ADDRESSES:
        response = await client.post(API + address, files={"picture": ("a.png", WHOLE["PNG"])})
        assert response.status_code == 422
        assert response.json()["error"]["details"]["errors"][0]["loc"] == ["body", "file"]


async def test_the_manual_shows_a_file_picker(client: httpx.AsyncClient) -> None:
    paths: dict[str, Any] = (await client.get("/openapi.json")).json()["paths"]
    uploads = {path: methods["post"] for path, methods in paths.items() if "/upload-" in path}
    assert len(uploads) == 5
    for path, operation in uploads.items():
        schema = operation["requestBody"]["content"]["multipart/form-data"]["schema"]
        if path.endswith("images"):
            assert schema["properties"]["files"]["items"]["format"] == "binary"
        else:
            assert schema["properties"]["file"]["format"] == "binary"
            assert schema["required"] == ["file"]
        assert {"200", "400", "413", "415", "422", "507"} <= set(operation["responses"])
    assert len({operation["operationId"] for operation in uploads.values()}) == 5


def test_the_limits_are_what_the_tests_take_them_for() -> None:
    assert MAX_PIXELS == 8192 * 8192

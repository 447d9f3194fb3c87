"""/view and /upload: what is served, what is refused."""

import io
import json
from typing import Any

import aiohttp
import pytest
from PIL import Image

from tests.unit.comfyui_simulator.graphs import Client, model_free


def png(color: tuple[int, int, int] = (1, 2, 3)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), color).save(buffer, "PNG")
    return buffer.getvalue()


def form(name: str, body: bytes, field: str = "image", **more: str) -> aiohttp.FormData:
    data = aiohttp.FormData(quote_fields=False)
    data.add_field(field, body, filename=name, content_type="image/png")
    for key, value in more.items():
        data.add_field(key, value)
    return data


async def upload(client: Client, data: aiohttp.FormData, kind: str = "image") -> tuple[int, Any]:
    return await client.call("POST", f"/upload/{kind}", data=data)


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("filename=free_00001_.png", 200),
        ("filename=sub/free_00001_.png", 200),
        ("filename=free_00001_.png [output]", 200),
        ("filename=../../etc/passwd", 400),
        ("filename=/etc/passwd", 400),
        ("filename=a..b.png", 400),
        ("filename=", 400),
        ("filename=free_00001_.png&type=bogus", 400),
        ("filename=passwd&subfolder=../../../../etc", 403),
        ("filename=passwd&subfolder=/etc", 403),
        ("filename=nope.png", 404),
        ("filename=free_00001_.png&subfolder=video", 404),
        ("", 404),
    ],
)
async def test_view_safety(client: Client, query: str, status: int) -> None:
    await client.run(model_free())
    async with client.http.get(f"/view?{query}") as answer:
        assert answer.status == status


async def test_view_headers_head_and_range(client: Client) -> None:
    await client.run(model_free())
    path = "/api/view?filename=free_00001_.png"
    async with client.http.get(path) as answer:
        body = await answer.read()
        assert answer.headers["Content-Disposition"] == 'filename="free_00001_.png"'
        assert answer.headers["Content-Type"] == "image/png"
        assert {"Etag", "Last-Modified"} <= set(answer.headers)
        assert answer.headers["X-Simulator"] == "StoryCanvas"
    async with client.http.head(path) as answer:
        assert int(answer.headers["Content-Length"]) == len(body)
    async with client.http.get(path, headers={"Range": "bytes=0-99"}) as answer:
        assert answer.status == 206
        assert answer.headers["Content-Range"] == f"bytes 0-99/{len(body)}"
        assert await answer.read() == body[:100]


@pytest.mark.parametrize(
    ("query", "kind"),
    [
        ("preview=webp;50", "image/webp"),
        ("preview=jpeg;90", "image/jpeg"),
        ("preview=gif", "image/webp"),
        ("channel=rgb", "image/png"),
        ("channel=a", "image/png"),
    ],
)
async def test_view_re_encodes(client: Client, query: str, kind: str) -> None:
    await client.run(model_free())
    async with client.http.get(f"/view?filename=free_00001_.png&{query}") as answer:
        assert answer.content_type == kind
        assert Image.open(io.BytesIO(await answer.read())).size == (128, 96)


async def test_preview_of_no_picture_is_500_and_html_is_not_html(client: Client) -> None:
    (client.simulator.folders.output / "page.html").write_text("<b>hi</b>")
    assert (await client.call("GET", "/view?filename=page.html&preview=webp"))[0] == 500
    async with client.http.get("/view?filename=page.html") as answer:
        assert answer.content_type == "application/octet-stream"


async def test_upload_names(client: Client) -> None:
    one, two = png((1, 1, 1)), png((2, 2, 2))
    expected = {"name": "a.png", "subfolder": "", "type": "input"}
    assert await upload(client, form("a.png", one)) == (200, expected)
    assert await upload(client, form("a.png", one)) == (200, expected)
    assert (await upload(client, form("a.png", two)))[1]["name"] == "a (1).png"
    assert (await upload(client, form("a.png", two, overwrite="true")))[1]["name"] == "a.png"
    nested = form("b.png", one, subfolder="proj/1", type="output")
    place = {"name": "b.png", "subfolder": "proj/1", "type": "output"}
    assert await upload(client, nested) == (200, place)
    assert (client.simulator.folders.output / "proj" / "1" / "b.png").read_bytes() == one


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (("a.png", {"field": "file"}), 400),
        (("../evil.png", {}), 400),
        (("a.png", {"subfolder": "../../x"}), 400),
        (("x/f.png", {}), 500),
        (("a.png", {"type": "bogus"}), 500),
    ],
)
async def test_upload_refusals(
    client: Client, data: tuple[str, dict[str, str]], status: int
) -> None:
    name, more = data
    before = set(client.simulator.folders.input.parent.rglob("*"))
    assert (await upload(client, form(name, png(), **more)))[0] == status
    assert set(client.simulator.folders.input.parent.rglob("*")) == before


async def test_uploaded_picture_is_loadable_and_listed(client: Client) -> None:
    await upload(client, form("face.png", png()))
    info = await client.get("/object_info/LoadImage")
    assert "face.png" in info["LoadImage"]["input"]["required"]["image"][0]
    graph = {
        "1": {"class_type": "LoadImage", "inputs": {"image": "face.png"}},
        "2": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}},
    }
    assert (await client.run(graph))["status"]["status_str"] == "success"
    (client.simulator.folders.input / "text.png").write_text("no picture")
    graph["1"]["inputs"] = {"image": "text.png"}
    entry = await client.run(graph, "text")
    error = entry["status"]["messages"][-1][1]
    assert error["exception_type"] == "PIL.UnidentifiedImageError"


async def test_mask(client: Client) -> None:
    await upload(client, form("base.png", png()))
    mask = io.BytesIO()
    Image.new("RGBA", (8, 8), (0, 0, 0, 77)).save(mask, "PNG")
    reference = json.dumps({"filename": "base.png", "type": "input"})
    data = form("mask.png", mask.getvalue(), original_ref=reference)
    assert (await upload(client, data, "mask"))[1]["name"] == "mask.png"
    with Image.open(client.simulator.folders.input / "mask.png") as image:
        assert image.getpixel((0, 0)) == (1, 2, 3, 77)
    assert (await upload(client, form("mask.png", mask.getvalue()), "mask"))[0] == 500
    missing = form("m.png", b"x", original_ref='{"filename": "no.png"}')
    assert (await upload(client, missing, "mask"))[0] == 200
    assert not (client.simulator.folders.input / "m.png").exists()

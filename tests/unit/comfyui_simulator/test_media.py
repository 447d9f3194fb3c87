"""Results are real files: Pillow and PyAV open them, sizes and frame counts are right."""

import io
import json
from fractions import Fraction

import av
import pytest
from PIL import Image

from tests.unit.comfyui_simulator.graphs import Client, model_free, text_to_image, text_to_video


async def download(client: Client, entry: dict[str, object], node_id: str, index: int = 0) -> bytes:
    outputs = entry["outputs"]
    assert isinstance(outputs, dict)
    async with client.http.get("/view", params=outputs[node_id]["images"][index]) as answer:
        assert answer.status == 200
        return await answer.read()


@pytest.mark.parametrize(
    ("asked", "given"),
    [((512, 320), (512, 320)), ((100, 75), (96, 72)), ((1023, 767), (1016, 760))],
)
async def test_png_has_the_latents_size(
    client: Client, asked: tuple[int, int], given: tuple[int, int]
) -> None:
    graph = text_to_image(width=asked[0], height=asked[1])
    entry = await client.run(graph, extra_data={"extra_pnginfo": {"workflow": {"a": 1}}})
    with Image.open(io.BytesIO(await download(client, entry, "9"))) as image:
        assert (image.format, image.size) == ("PNG", given)
        assert json.loads(image.info["prompt"]) == graph
        assert json.loads(image.info["workflow"]) == {"a": 1}
        # The words are drawn in white on a darker colour.
        assert (255, 255, 255) in {color for _, color in image.getcolors(1 << 20) or []}


async def test_seeds_and_prompts_show(client: Client) -> None:
    one = await download(client, await client.run(text_to_image(1), "one"), "9")
    two = await download(client, await client.run(text_to_image(2), "two"), "9")
    corners = [Image.open(io.BytesIO(data)).getpixel((0, 0)) for data in (one, two)]
    assert corners[0] != corners[1]
    other_words = text_to_image(1)
    other_words["6"]["inputs"]["text"] = "a dog"
    three = await download(client, await client.run(other_words, "three"), "9")
    assert Image.open(io.BytesIO(one)).tobytes() != Image.open(io.BytesIO(three)).tobytes()


async def test_batch_gives_one_file_a_picture(client: Client) -> None:
    entry = await client.run(text_to_image(batch_size=3))
    names = [image["filename"] for image in entry["outputs"]["9"]["images"]]
    assert names == ["cap_00001_.png", "cap_00002_.png", "cap_00003_.png"]
    assert len({await download(client, entry, "9", index) for index in range(3)}) == 3


@pytest.mark.parametrize(
    ("prefix", "filename", "subfolder"),
    [
        ("a/b/c", "c_00001_.png", "a/b"),
        ("x_%width%x%height%", "x_128x96_00001_.png", ""),
        ("x_%date:yyyy%", "x_%date:yyyy%_00001_.png", ""),
    ],
)
async def test_prefixes(client: Client, prefix: str, filename: str, subfolder: str) -> None:
    entry = await client.run(model_free(prefix=prefix))
    expected = {"filename": filename, "subfolder": subfolder, "type": "output"}
    assert entry["outputs"]["5"]["images"] == [expected]


async def test_counter_goes_on(client: Client) -> None:
    await client.run(model_free(1), "one")
    entry = await client.run(model_free(2), "two")
    assert entry["outputs"]["5"]["images"][0]["filename"] == "free_00002_.png"


async def test_preview_image_goes_to_temp(client: Client) -> None:
    graph = model_free()
    graph["5"] = {"class_type": "PreviewImage", "inputs": {"images": ["4", 0]}}
    entry = await client.run(graph)
    image = entry["outputs"]["5"]["images"][0]
    assert image["type"] == "temp"
    assert image["filename"].startswith("ComfyUI_temp_")
    assert (await download(client, entry, "5")).startswith(b"\x89PNG")


async def test_image_scale_keeps_proportions(client: Client) -> None:
    entry = await client.run(model_free(width=0, height=32))
    with Image.open(io.BytesIO(await download(client, entry, "5"))) as image:
        assert image.size == (32, 32)


async def test_loaded_image_gives_the_size(client: Client) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (70, 50)).save(buffer, "PNG")
    (client.simulator.folders.input / "in.png").write_bytes(buffer.getvalue())
    graph = text_to_image()
    graph["5"] = {"class_type": "VAEEncode", "inputs": {"pixels": ["1", 0], "vae": ["4", 2]}}
    graph["1"] = {"class_type": "LoadImage", "inputs": {"image": "in.png"}}
    entry = await client.run(graph)
    with Image.open(io.BytesIO(await download(client, entry, "9"))) as image:
        assert image.size == (64, 48)


@pytest.mark.parametrize(("length", "frames"), [(1, 1), (9, 9), (16, 13), (33, 33)])
async def test_mp4(client: Client, length: int, frames: int) -> None:
    entry = await client.run(text_to_video(length=length))
    shown = entry["outputs"]["9"]
    assert shown["animated"] == [True]
    assert shown["images"][0] == {
        "filename": "clip_00001_.mp4",
        "subfolder": "video",
        "type": "output",
    }
    with av.open(io.BytesIO(await download(client, entry, "9")), "r") as video:
        stream = video.streams.video[0]
        pictures = [bytes(frame.planes[0]) for frame in video.decode(stream)]
        assert (stream.codec_context.name, stream.pix_fmt) == ("h264", "yuv420p")
        assert (stream.width, stream.height, stream.average_rate) == (64, 48, Fraction(16))
    assert len(pictures) == frames
    assert len(set(pictures)) == frames


async def test_odd_sizes_lose_a_pixel(client: Client) -> None:
    graph = text_to_video()
    flat = {"width": 65, "height": 47, "batch_size": 4, "color": 9}
    graph["8"] = {"class_type": "EmptyImage", "inputs": flat}
    entry = await client.run(graph)
    with av.open(io.BytesIO(await download(client, entry, "9"))) as video:
        stream = video.streams.video[0]
        assert (stream.width, stream.height, stream.frames) == (64, 46, 4)


async def test_animated_webp(client: Client) -> None:
    graph = model_free()
    graph["1"]["inputs"]["batch_size"] = 5
    graph["3"] = graph["1"]
    save = {"images": ["4", 0], "filename_prefix": "anim", "fps": 8.0, "lossless": False}
    save |= {"quality": 80, "method": "default"}
    graph["5"] = {"class_type": "SaveAnimatedWEBP", "inputs": save}
    entry = await client.run(graph)
    assert entry["outputs"]["5"]["animated"] == [True]
    with Image.open(io.BytesIO(await download(client, entry, "5"))) as image:
        assert (image.format, image.size) == ("WEBP", (128, 96))
        assert getattr(image, "n_frames", 1) == 5
        image.seek(1)
        image.load()
        assert image.info["duration"] == 125

"""Small API-format graphs, and a client that listens as StoryCanvas does."""

import asyncio
import time
from typing import Any, Self

import aiohttp

from backend.comfyui_simulator import Simulator

Graph = dict[str, Any]


def model_free(color: int = 255, prefix: str = "free", **scale: Any) -> Graph:
    size = {"upscale_method": "nearest-exact", "width": 128, "height": 96, "crop": "disabled"}
    flat = {"width": 64, "height": 64, "batch_size": 1}
    blend = {"image1": ["1", 0], "image2": ["2", 0], "blend_factor": 0.5, "blend_mode": "normal"}
    return {
        "1": {"class_type": "EmptyImage", "inputs": {**flat, "color": color}},
        "2": {"class_type": "EmptyImage", "inputs": {**flat, "color": 65280}},
        "3": {"class_type": "ImageBlend", "inputs": blend},
        "4": {"class_type": "ImageScale", "inputs": {"image": ["3", 0], **size, **scale}},
        "5": {"class_type": "SaveImage", "inputs": {"filename_prefix": prefix, "images": ["4", 0]}},
    }


def text_to_image(
    seed: int = 1, *, steps: int = 4, checkpoint: str = "sd_xl_base_1.0.safetensors", **latent: int
) -> Graph:
    size = {"width": 64, "height": 64, "batch_size": 1, **latent}
    sampler = {"seed": seed, "steps": steps, "cfg": 8.0, "sampler_name": "euler", "denoise": 1.0}
    inputs = {"model": ["4", 0], "positive": ["6", 0], "negative": ["7", 0]}
    return {
        "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": checkpoint}},
        "5": {"class_type": "EmptyLatentImage", "inputs": size},
        "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "a cat", "clip": ["4", 1]}},
        "7": {"class_type": "CLIPTextEncode", "inputs": {"text": "bad", "clip": ["4", 1]}},
        "3": {
            "class_type": "KSampler",
            "inputs": {**sampler, **inputs, "scheduler": "normal", "latent_image": ["5", 0]},
        },
        "8": {"class_type": "VAEDecode", "inputs": {"samples": ["3", 0], "vae": ["4", 2]}},
        "9": {"class_type": "SaveImage", "inputs": {"filename_prefix": "cap", "images": ["8", 0]}},
    }


def text_to_video(*, width: int = 64, height: int = 48, length: int = 9) -> Graph:
    graph = text_to_image(7, steps=2)
    clip = {"clip_name": "umt5_xxl_fp8_e4m3fn_scaled.safetensors", "type": "wan"}
    unet = {"unet_name": "wan2.1_t2v_1.3B_fp16.safetensors", "weight_dtype": "default"}
    size = {"width": width, "height": height, "length": length, "batch_size": 1}
    graph |= {
        "4": {"class_type": "UNETLoader", "inputs": unet},
        "10": {"class_type": "CLIPLoader", "inputs": clip},
        "11": {"class_type": "VAELoader", "inputs": {"vae_name": "wan_2.1_vae.safetensors"}},
        "5": {"class_type": "EmptyHunyuanLatentVideo", "inputs": size},
        "12": {"class_type": "CreateVideo", "inputs": {"images": ["8", 0], "fps": 16.0}},
        "9": {
            "class_type": "SaveVideo",
            "inputs": {
                "video": ["12", 0],
                "filename_prefix": "video/clip",
                "format": "auto",
                "codec": "auto",
            },
        },
    }
    graph["6"]["inputs"]["clip"] = graph["7"]["inputs"]["clip"] = ["10", 0]
    graph["8"]["inputs"]["vae"] = ["11", 0]
    return graph


class Client:
    """Talks to one simulator; every wait has a deadline."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator

    async def __aenter__(self) -> Self:
        self.http = aiohttp.ClientSession(self.simulator.url)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.close()

    async def call(self, method: str, path: str, body: Any = None, **more: Any) -> tuple[int, Any]:
        async with self.http.request(method, path, json=body, **more) as response:
            if response.content_type == "application/json":
                return response.status, await response.json()
            return response.status, await response.text()

    async def get(self, path: str) -> Any:
        return (await self.call("GET", path))[1]

    async def post(self, path: str, body: Any = None) -> tuple[int, Any]:
        return await self.call("POST", path, body)

    async def submit(self, graph: Graph, prompt_id: str = "p", **more: Any) -> dict[str, Any]:
        body = {"prompt": graph, "client_id": "c", "prompt_id": prompt_id, **more}
        status, answer = await self.post("/prompt", body)
        assert status == 200, answer
        assert isinstance(answer, dict)
        return answer

    async def finished(self, prompt_id: str = "p") -> dict[str, Any]:
        """The history entry, as soon as it is there."""
        end = time.monotonic() + 10
        while time.monotonic() < end:
            found = await self.get(f"/history/{prompt_id}")
            if found:
                entry = found[prompt_id]
                assert isinstance(entry, dict)
                return entry
            await asyncio.sleep(0.005)
        raise TimeoutError(prompt_id)

    async def run(self, graph: Graph, prompt_id: str = "p", **more: Any) -> dict[str, Any]:
        await self.submit(graph, prompt_id, **more)
        return await self.finished(prompt_id)

    def socket(self, client_id: str = "c") -> "Ears":
        return Ears(self, client_id)


class Ears:
    """One WebSocket; collects what it hears."""

    def __init__(self, client: Client, client_id: str) -> None:
        self._client = client
        self._path = f"/ws?clientId={client_id}"

    async def __aenter__(self) -> Self:
        self.socket = await self._client.http.ws_connect(self._path)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.socket.close()

    async def next(self) -> Any:
        """The next message: a dict, bytes, or None when the socket is closed."""
        message = await self.socket.receive(timeout=10)
        if message.type is aiohttp.WSMsgType.TEXT:
            return message.json()
        return message.data if message.type is aiohttp.WSMsgType.BINARY else None

    async def until(self, event: str, **data: Any) -> list[Any]:
        """All messages up to the first of that type whose data holds these values."""
        heard: list[Any] = []
        while True:
            message = await self.next()
            assert message is not None, f"closed before {event}; heard {heard}"
            heard.append(message)
            if matches(message, event, data):
                return heard

    async def to_the_end(self) -> list[Any]:
        return await self.until("executing", node=None)


def matches(message: Any, event: str, data: dict[str, Any]) -> bool:
    is_event = isinstance(message, dict) and message["type"] == event
    return is_event and data.items() <= message["data"].items()


def types(messages: list[Any]) -> list[str]:
    return [message["type"] if isinstance(message, dict) else "binary" for message in messages]

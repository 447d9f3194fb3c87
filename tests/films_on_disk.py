"""Films with real files, small ones: what a package and an animatic are made of."""

import array
import io
import math
import wave
from fractions import Fraction
from typing import Any

import av
import httpx
from PIL import Image

from backend.container import Container
from tests.conftest import API
from tests.takes import IMAGE, VIDEO, Gallery

RED, BLUE = (200, 30, 30), (30, 30, 200)


def sounding_video(
    *, frames: int = 17, rate: int = 16, colour: tuple[int, int, int] = BLUE
) -> bytes:
    """H.264 at an odd rate with a mono tone."""
    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as writer:
        picture: Any = writer.add_stream("libx264", rate=rate)
        picture.width, picture.height, picture.pix_fmt = 64, 48, "yuv420p"
        sound: Any = writer.add_stream("aac", rate=44_100, layout="mono")
        still = Image.new("RGB", (64, 48), colour)
        for _ in range(frames):
            writer.mux(picture.encode(av.VideoFrame.from_image(still)))  # type: ignore[no-untyped-call]
        writer.mux(picture.encode(None))
        for begin in range(0, frames * 44_100 // rate, 1024):
            block = av.AudioFrame(format="fltp", layout="mono", samples=1024)
            block.sample_rate, block.pts, block.time_base = 44_100, begin, Fraction(1, 44_100)
            block.planes[0].update(tone(1024))
            writer.mux(sound.encode(block))
        writer.mux(sound.encode(None))
    return out.getvalue()


def tone(samples: int, hertz: float = 440.0) -> bytes:
    step = 2 * math.pi * hertz / 44_100
    return array.array("f", [0.4 * math.sin(step * at) for at in range(samples)]).tobytes()


def music(seconds: float = 1.0) -> bytes:
    """A stereo WAV, loud from its first sample on."""
    out = io.BytesIO()
    with wave.open(out, "wb") as writer:
        writer.setnchannels(2)
        writer.setsampwidth(2)
        writer.setframerate(44_100)
        level = [8000 if at // 50 % 2 else -8000 for at in range(int(seconds * 44_100))]
        writer.writeframes(
            array.array("h", [each for one in level for each in (one, one)]).tobytes()
        )
    return out.getvalue()


def flat(colour: tuple[int, int, int] = RED, size: tuple[int, int] = (64, 48)) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, colour).save(out, "PNG")
    return out.getvalue()


class Studio:
    """A client, and a gallery to hang files into."""

    def __init__(self, client: httpx.AsyncClient, container: Container, gallery: Gallery) -> None:
        self.client = client
        self.container = container
        self.gallery = gallery
        self.project: dict[str, Any] = {}
        self.scene: dict[str, Any] = {}

    async def begin(self, **project: Any) -> str:
        """A project with a scene; gives the address of its exports."""
        body = {"name": "Night Drive", "fps": 24, "width": 64, "height": 48, **project}
        self.project = await self._made("/projects", body)
        self.scene = await self._made("/scenes", {"project_id": self.project["id"], "name": "One"})
        return f"{API}/projects/{self.project['id']}/export"

    async def clip(self, name: str, length: float, **fields: Any) -> dict[str, Any]:
        body = {"scene_id": self.scene["id"], "name": name, "length": length, **fields}
        return await self._made("/clips", {"auto_generate": False, **body})

    async def still(self, name: str, length: float, content: bytes) -> str:
        """A clip that shows a picture; gives the picture's path."""
        take = await self.gallery.hang(await self.clip(name, length), IMAGE)
        self.gallery.write(take.path, content)
        return take.path

    async def film(
        self, name: str, length: float, content: bytes, *, frames: int = 17, rate: float = 16
    ) -> str:
        """A clip that shows a video; gives the video's path."""
        facts = {"width": 64, "height": 48, "fps": rate, "duration": frames / rate}
        take = await self.gallery.hang(await self.clip(name, length), VIDEO, **facts)
        self.gallery.write(take.path, content)
        return take.path

    async def music(self, content: bytes) -> str:
        url = f"{API}/media/projects/{self.project['id']}/upload-music"
        answer = await self.client.post(url, files={"file": ("music.wav", content)})
        assert answer.status_code in {200, 201}, answer.text
        return str(answer.json()["file_path"])

    async def _made(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = await self.client.post(f"{API}{path}", json=body)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

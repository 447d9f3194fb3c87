"""Uploads the pictures that a graph begins from, from our media folder to the server.

ComfyUI loads pictures from its own input folder alone, so each is uploaded first, and the name
that the server gave its copy is what the graph must say.
"""

import asyncio
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote

from backend.models.comfyui_server import ComfyUIServer
from backend.models.content import ContentType
from backend.services.media.media_files import INCOMING, MediaFiles
from backend.services.media.media_probe import BrokenMediaError, probe
from backend.services.workflows import BuiltWorkflow
from backend.services.workflows.graph import UPLOADS, placeholder_of
from backend.utils.errors import InvalidRequestError, UnprocessableError

#: Where our copies lie in a server's input folder.
SUBFOLDER = "storycanvas"
#: ComfyUI takes 100 MiB at most; no picture of a storyboard comes near.
_MAX_BYTES = 50 * 1024 * 1024


@dataclass(frozen=True)
class InputPicture:
    """`name` is what an unplaced graph calls it; `file_name` the same for the same bytes."""

    source: str
    content: bytes
    file_name: str

    @property
    def name(self) -> str:
        return placeholder_of(self.source)


class Uploads(Protocol):
    """The part of ComfyUIClient that uploads pictures."""

    async def upload_image(
        self, server: ComfyUIServer, content: bytes, *, name: str, subfolder: str
    ) -> str: ...


class InputImages:
    """Uploads pictures anew for each prompt; a file that is there is overwritten by its equal."""

    def __init__(self, media: MediaFiles, client: Uploads) -> None:
        self._media = media
        self._client = client

    async def place(self, server: ComfyUIServer, built: BuiltWorkflow) -> BuiltWorkflow:
        """Upload what the graph loads, and put in the names that the server gave.

        Raises UnprocessableError (INPUT_IMAGE_REFUSED) for a picture that we do not have or that
        is none, and what `ComfyUIClient.upload_image` raises.
        """
        names = {
            picture.source: await self._client.upload_image(
                server, picture.content, name=picture.file_name, subfolder=SUBFOLDER
            )
            for picture in await self.read(built)
        }
        return built.with_pictures(names) if names else built

    async def read(self, built: BuiltWorkflow) -> tuple[InputPicture, ...]:
        """Read the pictures of a graph, each once. Raises as `place`."""
        sources = [image.source for image in built.inputs]
        return await asyncio.to_thread(self._read_all, sources)

    def _read_all(self, sources: Iterable[str]) -> tuple[InputPicture, ...]:
        return tuple(self._read(source) for source in dict.fromkeys(sources))

    def _read(self, source: str) -> InputPicture:
        path = self._path(source)
        try:
            if path.stat().st_size > _MAX_BYTES:
                raise _refused(source, f"it is larger than {_MAX_BYTES} bytes")
            info = probe(path)
            if info.content_type is not ContentType.IMAGE:
                raise _refused(source, "it is no still picture")
            content = path.read_bytes()
        except BrokenMediaError as error:
            raise _refused(source, f"the file can't be used: {error}") from error
        except OSError as error:
            raise _refused(source, "there is no such file") from error
        digest = hashlib.sha256(content).hexdigest()[:24]
        return InputPicture(source, content, f"{digest}.{info.extension}")

    def _path(self, source: str) -> Path:
        relative = unquote(source.removeprefix(UPLOADS).partition("?")[0])
        try:
            path = self._media.absolute(relative)
            incoming = self._media.absolute(INCOMING)
        except (InvalidRequestError, ValueError) as error:
            raise _refused(source, "it leaves the media folder") from error
        if not source.startswith(UPLOADS) or path.is_relative_to(incoming):
            raise _refused(source, f"it is no picture under {UPLOADS}; upload it first")
        return path


def _refused(source: str, why: str) -> UnprocessableError:
    return UnprocessableError(
        f"The picture '{source}' can't be used: {why}.", code="INPUT_IMAGE_REFUSED", source=source
    )

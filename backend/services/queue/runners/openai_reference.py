"""The reference picture of a video order, read from our own media folder."""

import asyncio
import io
from pathlib import Path
from urllib.parse import unquote

from PIL import Image, ImageOps

from backend.models.content import ContentType
from backend.services.media.media_files import INCOMING, MediaFiles
from backend.services.media.media_probe import BrokenMediaError, probe
from backend.services.providers.openai.client import ReferencePicture
from backend.services.queue.runners.openai_request import VideoOrder
from backend.utils.errors import InvalidRequestError, UnprocessableError

_UPLOADS = "/uploads/"
#: What the wire shape's providers take as they are; anything else is sent as PNG.
_SENDABLE = frozenset({"image/png", "image/jpeg", "image/webp"})
_MAX_BYTES = 50 * 1024 * 1024


async def load_reference(media: MediaFiles, url: str, order: VideoOrder) -> ReferencePicture:
    """Read `/uploads/…`; nothing is ever fetched from elsewhere for a reference.

    Cut and scaled to the order's size where the model demands that. Raises UnprocessableError.
    """
    path = reference_path(media, url)
    try:
        return await asyncio.to_thread(_read, path, order.size if order.exact_reference else None)
    except BrokenMediaError as error:
        raise _refused(f"the file can't be used: {error}") from error
    except OSError as error:
        raise _refused("there is no such file under /uploads/") from error


def reference_path(media: MediaFiles, url: str) -> Path:
    """Give where a reference lies on disk. Raises UnprocessableError for any other place."""
    if not url.startswith(_UPLOADS):
        raise _refused("only pictures under /uploads/ are sent to a provider; upload it first")
    relative = unquote(url.removeprefix(_UPLOADS).partition("?")[0])
    try:
        path = media.absolute(relative)
        incoming = media.absolute(INCOMING)
    except (InvalidRequestError, ValueError) as error:
        raise _refused("it leaves the media folder") from error
    if path.is_relative_to(incoming):
        raise _refused("there is no such file under /uploads/")
    return path


def _read(path: Path, size: tuple[int, int] | None) -> ReferencePicture:
    if path.stat().st_size > _MAX_BYTES:
        raise BrokenMediaError(f"it is larger than {_MAX_BYTES} bytes")
    info = probe(path)
    if info.content_type is not ContentType.IMAGE:
        raise BrokenMediaError("it is no still picture")
    if info.media_type in _SENDABLE and size in {None, (info.width, info.height)}:
        return ReferencePicture(f"reference.{info.extension}", info.media_type, path.read_bytes())
    with Image.open(path) as picture:
        upright = ImageOps.exif_transpose(picture).convert("RGB")
    fitted = ImageOps.fit(upright, size, Image.Resampling.LANCZOS) if size else upright
    out = io.BytesIO()
    fitted.save(out, "PNG")
    return ReferencePicture("reference.png", "image/png", out.getvalue())


def _refused(why: str) -> UnprocessableError:
    return UnprocessableError(
        f"This input_reference_url can't be used: {why}.", code="INPUT_REFERENCE_REFUSED"
    )

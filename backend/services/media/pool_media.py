"""The pool's own files: copied from a take, or from any media that lies under /uploads/."""

import asyncio
from datetime import datetime
from urllib.parse import unquote, urlsplit

from backend.models.clip import Clip
from backend.models.content import ContentType, GeneratedContent
from backend.services.media.media_files import MediaFiles, project_folder
from backend.services.media.media_probe import (
    BrokenMediaError,
    MediaInfo,
    convert_to_mp4,
    probe,
    write_thumbnail,
)
from backend.services.media.take_copies import TakeCopier, duplicate
from backend.utils.disk import storage_errors
from backend.utils.errors import (
    InvalidRequestError,
    ResourceNotFoundError,
    UnsupportedMediaError,
)

_SERVED = "/uploads/"
#: Bytes; file systems take 255.
_LONGEST_NAME = 200
#: Parts; ours have five at most, and so many of the longest stay below what a path may have.
_DEEPEST = 10


def item_folder(project_id: str, item_id: str) -> str:
    return f"{project_folder(project_id)}/pool/{item_id}"


def media_gone(url: str) -> ResourceNotFoundError:
    return ResourceNotFoundError(f"There is no media at '{url}'.", code="MEDIA_NOT_FOUND")


def take_of(
    clip: Clip, kind: ContentType | None, *, content_id: str | None, media_url: str | None
) -> GeneratedContent:
    """Find a clip's take by its id or url, else the selected one, video before image.

    ResourceNotFoundError when there is none.
    """
    takes = (*clip.generated_videos, *clip.generated_images)
    fitting = [
        take for take in takes if content_id in {None, take.id} and media_url in {None, take.url}
    ]
    if content_id is None and media_url is None:
        fitting = [take for take in takes if take.is_selected and kind in {None, take.content_type}]
    if not fitting:
        wanted = content_id or media_url or "selected"
        raise ResourceNotFoundError(
            f"The clip has no such take: '{wanted}'.", code="TAKE_NOT_FOUND"
        )
    return fitting[0]


def upload_path(url: str) -> str:
    """Give the path below UPLOAD_DIR; InvalidRequestError when the url is not one of ours."""
    path = unquote(urlsplit(url).path) if url.startswith(_SERVED) else ""
    relative = path.removeprefix(_SERVED)
    parts = relative.split("/")
    if len(parts) > _DEEPEST or not all(_is_name(part) for part in parts):
        raise InvalidRequestError(
            "media_url must be the path of a file under /uploads/.", code="MEDIA_NOT_OURS"
        )
    return relative


def _is_name(part: str) -> bool:
    """Tell whether a part of a path can name something of ours: nothing hidden, nothing odd."""
    sane = 0 < len(part.encode()) <= _LONGEST_NAME and part.isprintable() and "\\" not in part
    return sane and not part.startswith(".")


class PoolMedia:
    def __init__(self, media: MediaFiles) -> None:
        self._media = media
        self._copier = TakeCopier(media)

    async def keep_take(
        self, take: GeneratedContent, project_id: str, item_id: str
    ) -> GeneratedContent:
        """Copy a take into the pool; ResourceNotFoundError when its file is gone."""
        folder = item_folder(project_id, item_id)
        kept = await self._copier.copy(take, folder, content_id=item_id)
        if kept is None:
            raise media_gone(take.url)
        return kept

    async def keep_upload(
        self, url: str, project_id: str, *, item_id: str, now: datetime
    ) -> GeneratedContent:
        """Copy a file that we serve into the pool, as a take.

        ResourceNotFoundError when there is none, UnsupportedMediaError for what is neither image
        nor video. An animated picture becomes a video.
        """
        path = upload_path(url)
        folder = item_folder(project_id, item_id)
        try:
            main, info = await asyncio.to_thread(self._adopt, path, folder, item_id)
        except FileNotFoundError as error:
            raise media_gone(url) from error
        except BrokenMediaError as error:
            raise UnsupportedMediaError(f"The pool can't keep '{url}': {error}.") from error
        return GeneratedContent(
            id=item_id,
            content_type=info.content_type,
            path=f"{folder}/{main}",
            thumbnail_path=f"{folder}/{item_id}_thumb.webp",
            width=info.width,
            height=info.height,
            duration=info.duration,
            fps=info.fps,
            created_at=now,
        )

    async def to_clip(
        self, take: GeneratedContent, folder: str, content_id: str
    ) -> GeneratedContent:
        """Copy what is kept into a clip's folder; ResourceNotFoundError when its file is gone."""
        copy = await self._copier.copy(take, folder, content_id=content_id)
        if copy is None:
            raise media_gone(take.url)
        return copy

    async def remove(self, project_id: str, item_id: str) -> None:
        await self._media.remove_folder(item_folder(project_id, item_id))

    def _adopt(self, path: str, folder: str, item_id: str) -> tuple[str, MediaInfo]:
        """Give the name of the file that is kept, and what it is."""
        source = self._media.absolute(path)
        if not source.is_file():
            raise FileNotFoundError(path)
        info = probe(source)
        place = self._media.absolute(folder)
        with storage_errors():
            place.mkdir(parents=True)
            if info.is_animated_picture:
                info = convert_to_mp4(source, info, place / f"{item_id}.mp4")
            name = f"{item_id}.{info.extension}"
            if not (place / name).exists() and not duplicate(self._media, path, f"{folder}/{name}"):
                raise FileNotFoundError(path)
            write_thumbnail(place / name, info, place / f"{item_id}_thumb.webp")
        return name, info

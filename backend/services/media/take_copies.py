"""Copies takes into another folder: new ids, and files of their own."""

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from backend.models.clip import Clip
from backend.models.content import GeneratedContent
from backend.services.media.media_files import MediaFiles
from backend.utils.disk import storage_errors
from backend.utils.ids import new_id


def duplicate(media: MediaFiles, source: str, target: str) -> bool:
    """Give a file a second place, by hard link or else by copy; False when it is gone.

    A target that is there already is that same file: names hold ids that are used once.
    """
    original, place = media.absolute(source), media.absolute(target)
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        place.hardlink_to(original)
    except FileExistsError:
        return True
    except FileNotFoundError:
        return False
    except OSError:  # another disk, or one without hard links
        return copy_whole(original, place)
    return True


def copy_whole(original: Path, place: Path) -> bool:
    """Copy so that the whole file is there or none; False when the original is gone."""
    # Hidden files are never served.
    part = place.with_name(f".{place.name}.part")
    try:
        shutil.copyfile(original, part)
        part.replace(place)
    except FileNotFoundError:
        return False
    finally:
        part.unlink(missing_ok=True)
    return True


class TakeCopier:
    """Hard links where the disk has them, else copies: a file is never changed in place."""

    def __init__(self, media: MediaFiles, *, make_id: Callable[[], str] = new_id) -> None:
        self._media = media
        self._make_id = make_id

    async def copy_gallery(self, clip: Clip, folder: str) -> Clip:
        """Give the clip with takes of new ids in `folder`, the same ones selected.

        A take whose file is missing keeps what is known of it: its copy misses the file too.
        StorageFullError when there is no room; the caller removes the folder then.
        """
        return await asyncio.to_thread(self._copy_gallery, clip, folder)

    async def copy(
        self, take: GeneratedContent, folder: str, *, content_id: str
    ) -> GeneratedContent | None:
        """Give the take in `folder`, under that id; None when its file is gone. May be repeated."""
        return await asyncio.to_thread(self._copy, take, folder, content_id)

    def _copy_gallery(self, clip: Clip, folder: str) -> Clip:
        new_ids = {take.id: self._make_id() for take in clip.takes}
        images = self._copy_all(clip.generated_images, folder, new_ids)
        videos = self._copy_all(clip.generated_videos, folder, new_ids)
        return clip.model_copy(
            update={
                "generated_images": images,
                "generated_videos": videos,
                "selected_image_id": new_ids.get(clip.selected_image_id or ""),
                "selected_video_id": new_ids.get(clip.selected_video_id or ""),
            }
        )

    def _copy_all(
        self, takes: tuple[GeneratedContent, ...], folder: str, new_ids: dict[str, str]
    ) -> tuple[GeneratedContent, ...]:
        copies = (
            self._copy(take, folder, new_ids[take.id]) or _placed(take, folder, new_ids[take.id])
            for take in takes
        )
        return tuple(copies)

    def _copy(
        self, take: GeneratedContent, folder: str, content_id: str
    ) -> GeneratedContent | None:
        copy = _placed(take, folder, content_id)
        with storage_errors():
            if not duplicate(self._media, take.path, copy.path):
                return None
            if take.thumbnail_path and copy.thumbnail_path:
                duplicate(self._media, take.thumbnail_path, copy.thumbnail_path)
        return copy


def _placed(take: GeneratedContent, folder: str, content_id: str) -> GeneratedContent:
    """Name the take's files as results are named: `<id>.<ext>` and `<id>_thumb.<ext>`."""
    thumbnail = take.thumbnail_path
    return take.model_copy(
        update={
            "id": content_id,
            "path": f"{folder}/{content_id}{PurePosixPath(take.path).suffix}",
            "thumbnail_path": f"{folder}/{content_id}_thumb{PurePosixPath(thumbnail).suffix}"
            if thumbnail
            else None,
        }
    )

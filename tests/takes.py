"""Takes with real files, hung into a clip's gallery without rendering anything."""

from pathlib import Path
from typing import Any

from backend.container import Container
from backend.models.content import ContentType, GeneratedContent
from backend.services.media.media_files import clip_folder
from backend.utils.clock import utc_now
from backend.utils.ids import new_id
from tests.studio import kept
from tests.unit.services.media.media_samples import picture, video

IMAGE, VIDEO = ContentType.IMAGE, ContentType.VIDEO


class Gallery:
    """Writes files below `upload_dir` and their takes into the running container's clips."""

    def __init__(self, container: Container, upload_dir: Path) -> None:
        self._clips = container.base.repositories.clips
        self.folder = upload_dir

    async def hang(
        self, clip: dict[str, Any], kind: ContentType = IMAGE, **facts: Any
    ) -> GeneratedContent:
        """Add a take; the first of its kind is the selected one."""
        take_id = new_id()
        folder = clip_folder(clip["project_id"], clip["id"])
        ending = "png" if kind is IMAGE else "mp4"
        take = GeneratedContent(
            id=take_id,
            content_type=kind,
            path=f"{folder}/{take_id}.{ending}",
            thumbnail_path=f"{folder}/{take_id}_thumb.webp",
            created_at=utc_now(),
            **{"prompt": "a red car", "generation_params": {"steps": 4}, "seed": 7, **facts},
        )
        self.write(take.path, picture() if kind is IMAGE else video())
        self.write(str(take.thumbnail_path), picture("WEBP"))
        assert await self._clips.add_take(clip["id"], take)
        return take

    def write(self, path: str, content: bytes) -> None:
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)

    def read(self, url: str) -> bytes:
        return self.file(url).read_bytes()

    def file(self, url: str) -> Path:
        """The file behind an address, absolute or as it is kept."""
        return self.folder / kept(url).removeprefix("/uploads/")

    def files(self) -> set[str]:
        """Every file there is, relative to the upload folder."""
        found = (path for path in self.folder.rglob("*") if path.is_file())
        return {path.relative_to(self.folder).as_posix() for path in found}

"""Media under UPLOAD_DIR: nothing outside it can be named."""

from pathlib import Path

import pytest

from backend.services.media.media_files import INCOMING, MediaFiles, clip_folder, project_folder
from backend.utils.errors import InvalidRequestError


@pytest.fixture
def media(tmp_path: Path) -> MediaFiles:
    return MediaFiles(tmp_path / "uploads")


@pytest.mark.parametrize(
    "path", ["", ".", "..", "../x", "a/../../x", "/etc/passwd", "a/../..", "../uploads2/x"]
)
def test_no_way_out(media: MediaFiles, path: str) -> None:
    with pytest.raises(InvalidRequestError):
        media.absolute(path)


def test_no_way_out_through_a_link(media: MediaFiles, tmp_path: Path) -> None:
    (tmp_path / "uploads").mkdir()
    (tmp_path / "uploads" / "link").symlink_to(tmp_path)
    with pytest.raises(InvalidRequestError):
        media.absolute("link/secret")


def test_each_clip_has_its_folder_within_its_project(media: MediaFiles, tmp_path: Path) -> None:
    assert clip_folder("p", "c").startswith(project_folder("p") + "/")
    assert media.absolute(clip_folder("p", "c")) == tmp_path / "uploads/projects/p/c"


async def test_a_checked_file_moves_in_whole(media: MediaFiles, tmp_path: Path) -> None:
    async with media.workspace() as work:
        assert work.parent.name == INCOMING
        (work / "good").write_bytes(b"music")
        (work / "other").write_bytes(b"left over")
        media.take_in(work / "good", "projects/p/music/x.mp3")
    assert (tmp_path / "uploads/projects/p/music/x.mp3").read_bytes() == b"music"
    assert not work.exists()


async def test_removing_what_is_not_there_is_fine(media: MediaFiles) -> None:
    await media.remove_file("projects/p/none.mp3")
    await media.remove_folder("projects/p")


async def test_removes_a_folder_with_all_in_it(media: MediaFiles) -> None:
    deep = media.absolute("projects/p/c/take.png")
    deep.parent.mkdir(parents=True)
    deep.write_bytes(b"x")
    await media.remove_folder("projects/p")
    assert not deep.parent.parent.exists()
    assert deep.parent.parent.parent.exists()


async def test_room_on_the_disk(media: MediaFiles, tmp_path: Path) -> None:
    assert await media.free_bytes() is None
    (tmp_path / "uploads").mkdir()
    assert (await media.free_bytes() or 0) > 0

"""Names of alternates, paths that the pool takes, and copies where a disk has no hard links."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from backend.dtos.shared.json_object import JsonObject
from backend.models.clip import Clip
from backend.models.content import ContentType, GeneratedContent
from backend.services.film.alternates_service import add_numbered, alternate_name
from backend.services.media.media_files import MediaFiles
from backend.services.media.pool_media import upload_path
from backend.services.media.take_copies import TakeCopier, copy_whole, duplicate
from backend.utils.clock import utc_now
from backend.utils.errors import ConflictError, InvalidRequestError

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=20,
)


@given(st.text(min_size=1, max_size=200), st.integers(1, 10**9), st.integers(1, 10**9))
def test_names_of_alternates_are_valid_and_do_not_pile_up(
    name: str, first: int, second: int
) -> None:
    once = alternate_name(name, first)
    assert once.endswith(f" (alternate {first})")
    assert len(once) <= 200
    again = alternate_name(once, second)
    assert again.endswith(f" (alternate {second})")
    assert len(re.findall(r" \(alternate \d+\)$", again.removesuffix(f" (alternate {second})"))) < 2
    if len(name) <= 170 and "(alternate" not in name:
        assert again == f"{name} (alternate {second})"


@given(st.text(max_size=60) | st.from_regex(r"/uploads/[a-c./%2e\\]{1,20}", fullmatch=True))
def test_a_path_is_taken_only_if_it_stays_inside(url: str) -> None:
    root = Path("/srv/uploads")
    try:
        relative = upload_path(url)
    except InvalidRequestError:
        return
    assert url.startswith("/uploads/")
    assert (root / relative).resolve().is_relative_to(root)
    assert not any(part.startswith(".") for part in relative.split("/"))


class Shelf:
    """Numbers that others take first."""

    def __init__(self, lost: int) -> None:
        self.lost = lost
        self.last = 0

    async def last_alternate(self, parent_id: str) -> int:
        return self.last

    async def add(self, model: Clip) -> Clip:
        if self.last < self.lost:
            self.last += 1
            raise ConflictError("taken")
        return model


def clip() -> Clip:
    now = utc_now()
    return Clip(id="c", scene_id="s", project_id="p", name="A", created_at=now, updated_at=now)


async def test_a_lost_number_is_followed_by_the_next() -> None:
    added = await add_numbered(Shelf(99), clip(), "root")
    assert (added.alternate_number, added.name) == (100, "A (alternate 100)")
    with pytest.raises(ConflictError):
        await add_numbered(Shelf(100), clip(), "root")


@given(st.dictionaries(st.text(max_size=5), JSON, max_size=4))
def test_a_json_object_within_bounds_stays_as_it_is(value: dict[str, object]) -> None:
    assert TypeAdapter(JsonObject).validate_python(value) == value


@pytest.mark.parametrize("levels", [31, 32, 33, 500])
def test_a_json_object_is_not_too_deep(levels: int) -> None:
    value: dict[str, object] = {}
    for _ in range(levels - 1):
        value = {"a": [value]} if levels % 2 else {"a": value}
    depth = levels if levels % 2 == 0 else 2 * levels - 1
    adapter = TypeAdapter(JsonObject)
    if depth <= 32:
        assert adapter.validate_python(value) == value
    else:
        with pytest.raises(ValidationError, match="levels deep"):
            adapter.validate_python(value)


def test_a_copy_is_whole_or_not_there(tmp_path: Path) -> None:
    source, target = tmp_path / "a.png", tmp_path / "b.png"
    source.write_bytes(b"picture")
    assert copy_whole(source, target)
    assert target.read_bytes() == b"picture"
    assert target.stat().st_ino != source.stat().st_ino
    assert not copy_whole(tmp_path / "gone.png", tmp_path / "c.png")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "b.png"]


def test_a_folder_in_the_place_of_the_copy_is_no_reason_to_leave_parts(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"picture")
    (tmp_path / "b.png").mkdir()
    with pytest.raises(OSError, match=r"b\.png"):
        copy_whole(tmp_path / "a.png", tmp_path / "b.png")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "b.png"]


def test_a_second_place(tmp_path: Path) -> None:
    media = MediaFiles(tmp_path)
    (tmp_path / "a.png").write_bytes(b"picture")
    assert duplicate(media, "a.png", "x/y/b.png")
    assert duplicate(media, "a.png", "x/y/b.png")
    (tmp_path / "a.png").unlink()
    assert (tmp_path / "x/y/b.png").read_bytes() == b"picture"
    assert not duplicate(media, "a.png", "x/c.png")
    # What cannot be linked is copied; a folder can be neither.
    with pytest.raises(OSError, match="x"):
        duplicate(media, "x", "z/x")
    assert not list((tmp_path / "z").iterdir())


async def test_a_gallery_without_files_or_selection(tmp_path: Path) -> None:
    take = GeneratedContent(
        id="t", content_type=ContentType.VIDEO, path="p/c/t.mp4", created_at=utc_now()
    )
    source = clip().model_copy(update={"generated_videos": (take,)})
    copier = TakeCopier(MediaFiles(tmp_path), make_id=lambda: "new")
    copied = await copier.copy_gallery(source, "p/d")
    assert (copied.selected_image_id, copied.selected_video_id) == (None, None)
    (new,) = copied.generated_videos
    assert (new.id, new.path, new.thumbnail_path) == ("new", "p/d/new.mp4", None)
    assert await copier.copy(take, "p/d", content_id="x") is None

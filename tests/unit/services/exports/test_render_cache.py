"""Files made from others: whole or not at all, and no more than there is room for."""

import io
import os
import time
import zipfile
from pathlib import Path

from backend.services.exports.bundle import ZipStream
from backend.services.exports.fingerprints import ContentHashes, FileFingerprint
from backend.services.exports.render_cache import RenderCache


def kept(cache: RenderCache, name: str, size: int, age: float = 0) -> Path:
    made = cache.begin(".mp4")
    made.write_bytes(bytes(size))
    path = cache.keep(made, name)
    os.utime(path, (time.time() - age, time.time() - age))
    return path


class TestCache:
    def test_what_was_not_used_for_the_longest_goes_first(self, tmp_path: Path) -> None:
        cache = RenderCache(tmp_path, 100)
        kept(cache, "old.mp4", 40, age=300)
        kept(cache, "used.mp4", 40, age=400)
        assert cache.find("used.mp4")
        kept(cache, "new.mp4", 40)
        assert [cache.find(name) is not None for name in ("old.mp4", "used.mp4", "new.mp4")] == [
            False,
            True,
            True,
        ]

    def test_the_newest_stays_however_large(self, tmp_path: Path) -> None:
        cache = RenderCache(tmp_path, 10)
        kept(cache, "a.mp4", 5, age=10)
        kept(cache, "large.mp4", 50)
        assert cache.find("large.mp4")
        assert cache.find("a.mp4") is None

    def test_what_a_crash_left_goes_and_what_is_being_made_stays(self, tmp_path: Path) -> None:
        cache = RenderCache(tmp_path, 10)
        left, making = cache.begin(".mp4"), cache.begin(".mp4")
        left.write_bytes(bytes(50))
        making.write_bytes(bytes(50))
        os.utime(left, (0, 0))
        kept(cache, "a.mp4", 5)
        assert not left.exists()
        assert making.exists()
        cache.drop(making)
        cache.drop(making)
        assert [path.name for path in (tmp_path / ".cache").iterdir()] == ["a.mp4"]


def test_contents_are_known_by_their_hash(tmp_path: Path) -> None:
    hashes = ContentHashes()
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_bytes(b"same")
    two.write_bytes(b"same")
    first = hashes.of(one)
    assert first == hashes.of(two)
    seen = FileFingerprint.of(one)
    one.write_bytes(b"other")
    assert FileFingerprint.of(one) != seen
    assert hashes.of(one) != first


def test_a_zip_is_written_piece_by_piece(tmp_path: Path) -> None:
    """A file of three pieces, an empty one, a document: all as they were, none compressed twice."""
    large, empty = tmp_path / "large", tmp_path / "empty"
    large.write_bytes(os.urandom(2_500_000))
    empty.write_bytes(b"")
    archive = ZipStream()
    pieces: list[bytes] = []
    for path in (large, empty):
        pieces += archive.stored(f"media/{path.name}", path.open("rb"))
    pieces.append(archive.deflated("README.txt", b"words " * 1000))
    pieces.append(archive.finish())
    assert all(pieces)
    assert max(len(piece) for piece in pieces) < 1_100_000
    with zipfile.ZipFile(io.BytesIO(b"".join(pieces))) as written:
        assert written.testzip() is None
        assert written.read("media/large") == large.read_bytes()
        assert written.read("media/empty") == b""
        assert written.read("README.txt") == b"words " * 1000
        kinds = {entry.filename: entry.compress_type for entry in written.infolist()}
    assert kinds["media/large"] == zipfile.ZIP_STORED
    assert kinds["README.txt"] == zipfile.ZIP_DEFLATED

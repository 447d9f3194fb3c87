"""Zip archives with the same bytes for the same content."""

import io
import zipfile
from collections.abc import Iterable

#: Zip cannot tell time before 1980; a fixed date keeps archives reproducible.
_EPOCH = (1980, 1, 1, 0, 0, 0)
_FILE_MODE = 0o644 << 16


def zip_files(files: Iterable[tuple[str, bytes]]) -> bytes:
    """An archive of (name, body) pairs in the order given."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, body in files:
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.external_attr = _FILE_MODE
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, body)
    return buffer.getvalue()


def zip_parts(parts: Iterable[bytes], *, stem: str, suffix: str) -> bytes:
    """`<stem>_part01.edl`, `<stem>_part02.edl` and so on."""
    names = ((f"{stem}_part{number:02d}{suffix}", body) for number, body in enumerate(parts, 1))
    return zip_files(names)

"""Where a timeline says that its media lie."""

import re
import unicodedata
from functools import lru_cache
from urllib.parse import quote

from backend.utils.errors import InvalidRequestError

#: The folder beside the document, in a bundle and for relative references.
MEDIA_FOLDER = "media"

#: Resolve fails on `'!$&()*+,;=` that reach it as XML entities, so they are encoded as well.
_SAFE = "/-._~"
_PLAIN = re.compile(r"[A-Za-z0-9_.-]*")
_DRIVE = re.compile(r"/?([A-Za-z]:)(/.*)?")


def media_url(name: str, media_root: str | None) -> str:
    """`./media/<name>`, or `file:///…/<name>` for a file directly in the folder `media_root`.

    `media_root` is an absolute path of any system; InvalidRequestError if it isn't absolute.
    """
    quoted = name if _PLAIN.fullmatch(name) else quote(name, safe=_SAFE)
    if media_root is None:
        return f"./{MEDIA_FOLDER}/{quoted}"
    return f"{_folder_url(media_root)}/{quoted}"


@lru_cache(maxsize=16)
def _folder_url(media_root: str) -> str:
    """Without a slash at its end."""
    path = unicodedata.normalize("NFC", media_root).replace("\\", "/")
    drive = _DRIVE.fullmatch(path.rstrip("/"))
    if drive:
        return f"file:///{drive[1]}{quote(drive[2] or '', safe=_SAFE)}"
    if not path.startswith("/"):
        raise InvalidRequestError("media_root must be an absolute path.", code="INVALID_MEDIA_ROOT")
    is_share = path.startswith("//")  # //server/folder of Windows names its own host
    return f"{'file:' if is_share else 'file://'}{quote(path.rstrip('/'), safe=_SAFE)}"

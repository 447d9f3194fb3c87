"""Names that every editor can carry: ASCII file names, 8-character reels, clean XML text."""

import hashlib
import re
import unicodedata
from functools import lru_cache
from posixpath import splitext

_NOT_SLUG = re.compile(r"[^a-z0-9]+")
_NOT_PRINTABLE_ASCII = re.compile(r"[^\x20-\x7e]+")
#: Outside XML 1.0's Char production, and the C1 controls, which it only discourages.
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_SPACE = re.compile(r"\s+")
#: Hex digits as letters: a stem that ends in a digit is taken for a frame of an image sequence.
_LETTERS = str.maketrans("0123456789", "ghijklmnop")
#: Windows opens a device, not a file, under these names, whatever extension follows.
_DEVICE = re.compile(r"con|prn|aux|nul|(?:com|lpt)[0-9]")


def slug(text: str, *, fallback: str, limit: int = 24) -> str:
    """`Rooftop: Nacht` → `rooftop_nacht`; `fallback` when no ASCII letter or digit is left."""
    ascii_text = (text if text.isascii() else ascii_only(text)).lower()
    short = _NOT_SLUG.sub("_", ascii_text).strip("_")[:limit].rstrip("_")
    return fallback if not short or _DEVICE.fullmatch(short) else short


def ascii_only(text: str) -> str:
    """Accents are folded, whatever else is not printable ASCII becomes one space."""
    bare = text if text.isascii() else _without_accents(text)
    return _SPACE.sub(" ", _NOT_PRINTABLE_ASCII.sub(" ", bare)).strip()


def _without_accents(text: str) -> str:
    folded = unicodedata.normalize("NFKD", text)
    return "".join(char for char in folded if not unicodedata.combining(char))


def media_name(place: tuple[int, int], title: str, *, media_id: str, path: str) -> str:
    """`s01_c02_rooftop_kgbm.png`: the scene's and clip's number, the title, a mark of the take.

    The place makes it unique within a timeline, the mark makes a new take a new file, so that
    no editor shows the old one from its cache.
    """
    scene, clip = place
    stem = f"s{scene:02d}_c{clip:02d}_{slug(title, fallback='clip')}_{_mark(media_id)}"
    return stem + _suffix(path)


def music_name(path: str) -> str:
    return f"music_{_mark(path)}{_suffix(path)}"


def reel(number: int) -> str:
    """A reel of exactly 8 characters for the nth medium (from 1) of a timeline."""
    return f"SC{number:06d}"


def one_line(text: str, *, fallback: str) -> str:
    """Text for an XML attribute: no control characters, no line breaks, never empty."""
    # Printable text has no other white space than spaces, and nothing that XML forbids.
    clean = text if text.isprintable() else _NOT_XML.sub("", text)
    return " ".join(clean.split()) or fallback


def xml_text(text: str) -> str:
    """Text for an XML element: line breaks stay, what XML forbids is dropped."""
    if text.isprintable():
        return text.strip()
    lines = _NOT_XML.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    return lines.strip()


def _mark(media_id: str) -> str:
    digest = hashlib.sha256(media_id.encode("utf-8", "surrogatepass")).hexdigest()
    return digest[:4].translate(_LETTERS)


def _suffix(path: str) -> str:
    return _ending(splitext(path)[1])


@lru_cache(maxsize=256)
def _ending(suffix: str) -> str:
    ending = _NOT_SLUG.sub("", suffix.lower())
    return f".{ending}" if ending else ""

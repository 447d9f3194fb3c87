"""Reads FCPXML as Final Cut Pro and Resolve write it: the first project's picture.

Nothing that the document names is fetched or expanded: a document that declares entities is
refused before it is parsed.
"""

import re
from collections.abc import Iterator
from fractions import Fraction
from posixpath import basename
from urllib.parse import unquote

from lxml import etree

from backend.models.exports.cut import Cut, CutItem
from backend.services.exports.cuts.unreadable import unreadable

_Element = etree._Element  # noqa: SLF001 - lxml has no public name for the type
_TIME = re.compile(r"(-?[0-9]{1,19})(?:/([0-9]{1,12}))?s", re.ASCII)
_DECIMAL = re.compile(r"-?[0-9]{1,12}(?:\.[0-9]{1,12})?s", re.ASCII)
_SHOWN = frozenset({"asset-clip", "video", "clip", "ref-clip", "sync-clip", "mc-clip", "title"})
#: Parts of a storyline that last, beside what is shown.
_LASTING = _SHOWN | {"gap", "audio"}
_ENTITY = re.compile(r"<!\s*ENTITY", re.IGNORECASE)
#: Clips within clips within clips: editors nest two or three deep.
_DEEPEST = 24


def read(text: str) -> Cut:
    """UnprocessableError for what is no FCPXML, or has no sequence."""
    root = _parsed(text)
    sequence = root.find(".//project/sequence")
    if sequence is None:
        sequence = root.find(".//sequence")
    spine = sequence.find("spine") if sequence is not None else None
    if sequence is None or spine is None:
        raise unreadable("there is no sequence with a spine in it")
    begin = _time(sequence, "tcStart") or Fraction(0)
    items = _Walk(root).storyline(spine, -begin, 0)
    return Cut("fcpxml", tuple(sorted(items, key=lambda item: item.start)))


def _parsed(text: str) -> _Element:
    if _ENTITY.search(text):
        raise unreadable("it declares entities, which no editor needs")
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, encoding="utf-8"
    )
    # The declaration may name another encoding; the text has been decoded already.
    try:
        root = etree.fromstring(text.encode("utf-8", "surrogatepass"), parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise unreadable(f"it is no well-formed XML ({str(error)[:120]})") from error
    if root.tag != "fcpxml":
        raise unreadable(f"it is XML of another kind ({str(root.tag)[:40]})")
    return root


class _Walk:
    def __init__(self, root: _Element) -> None:
        self._assets = {found.get("id"): found for found in root.iterfind("resources/asset")}

    def storyline(self, spine: _Element, base: Fraction, depth: int) -> Iterator[CutItem]:
        """`base` is the film's time at the storyline's own zero."""
        if depth > _DEEPEST:
            raise unreadable("its clips are nested too deep")
        cursor: Fraction | None = None
        for element in spine.iterchildren(tag=etree.Element):
            found = _active(element)
            if found is None or found.tag not in _LASTING:
                continue
            offset = _time(found, "offset")
            if offset is None:
                offset = -base if cursor is None else cursor
            yield from self._part(found, base + offset, depth)
            cursor = offset + self._duration(found)

    def _part(self, element: _Element, start: Fraction, depth: int) -> Iterator[CutItem]:
        """What one element shows, and what is connected to it."""
        if element.tag in _SHOWN and self._has_picture(element):
            yield self._item(element, start)
        local = _time(element, "start") or Fraction(0)
        for child in element.iterchildren(tag=etree.Element):
            if child.get("lane") is None or child.get("lane", "").startswith("-"):
                continue
            at = start + (_time(child, "offset") or local) - local
            if child.tag == "spine":
                yield from self.storyline(child, at, depth + 1)
            elif child.tag in _LASTING:
                if depth > _DEEPEST:
                    raise unreadable("its clips are nested too deep")
                yield from self._part(child, at, depth + 1)

    def _item(self, element: _Element, start: Fraction) -> CutItem:
        asset = self._asset(element)
        begin = (_time(asset, "start") if asset is not None else None) or Fraction(0)
        source = _time(element, "start")
        return CutItem(
            names=tuple(dict.fromkeys(_names(element, asset))),
            start=start,
            duration=self._duration(element),
            source_in=None if source is None else source - begin,
            has_speed=element.find("timeMap") is not None,
        )

    def _duration(self, element: _Element) -> Fraction:
        asset = self._asset(element)
        own = _time(element, "duration")
        if own is None and asset is not None:
            own = _time(asset, "duration")
        if own is None or own < 0:
            raise unreadable(f"'{element.get('name', '')[:80]}' has no length")
        return own

    def _asset(self, element: _Element) -> _Element | None:
        """Of the clip itself, or of the picture that it wraps."""
        inner = element.find("video")
        reference = element.get("ref") or (inner.get("ref") if inner is not None else None)
        return self._assets.get(reference)

    def _has_picture(self, element: _Element) -> bool:
        asset = self._asset(element)
        return asset is None or asset.get("hasVideo") == "1"


def _active(element: _Element) -> _Element | None:
    """Of an audition, the clip that was chosen, which comes first."""
    return element if element.tag != "audition" else next(iter(element), None)


def _names(element: _Element, asset: _Element | None) -> Iterator[str]:
    if asset is not None:
        source = asset.find("media-rep")
        url = source.get("src") if source is not None else asset.get("src")
        yield basename(unquote(url or ""))
        yield asset.get("name", "")
    yield element.get("name", "")


def _time(element: _Element, name: str) -> Fraction | None:
    """Seconds: `N/Ds` or `Ns`, and the decimals that other programs write."""
    text = element.get(name)
    if text is None:
        return None
    match = _TIME.fullmatch(text)
    if match and int(match[2] or 1):
        return Fraction(int(match[1]), int(match[2] or 1))
    if _DECIMAL.fullmatch(text):
        return Fraction(text.removesuffix("s"))
    raise unreadable(f"'{text[:40]}' is no time")

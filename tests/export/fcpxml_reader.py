"""A reader of FCPXML that believes nothing: DTDs first, then times as exact fractions."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path

from lxml import etree

_HERE = Path(__file__).parent
_OWN_DTD = _HERE / "storycanvas_subset.dtd"
#: Apple's own, which is not ours to keep: used wherever it lies beside the repository.
_APPLE_DTD = _HERE.parents[2] / "shared" / "nle" / "dtd" / "FCPXMLv1_10.dtd"
_TIME = re.compile(r"(-?[0-9]+)(?:/([0-9]+))?s", re.ASCII)
_TIMES = ("start", "duration", "offset", "frameDuration", "tcStart")


@cache
def _dtds() -> tuple[etree.DTD, ...]:
    return tuple(etree.DTD(str(path)) for path in (_OWN_DTD, _APPLE_DTD) if path.exists())


def read(document: bytes) -> etree._Element:
    """The root, after the document was found valid in every DTD at hand."""
    assert document.startswith(b"<?xml version='1.0' encoding='UTF-8'?>\n<!DOCTYPE fcpxml>\n")
    parser = etree.XMLParser(resolve_entities=False, no_network=True)
    root = etree.fromstring(document, parser)
    for dtd in _dtds():
        assert dtd.validate(root), dtd.error_log
    return root


def seconds(text: str) -> Fraction:
    """`N/Ds` or `Ns` with a 64-bit numerator and a 32-bit denominator; nothing else."""
    match = _TIME.fullmatch(text)
    assert match, f"{text!r} is no time"
    numerator, denominator = int(match[1]), int(match[2] or 1)
    assert abs(numerator) < 2**63
    assert 0 < denominator < 2**31
    return Fraction(numerator, denominator)


@dataclass(frozen=True)
class Checked:
    """What a document says, after everything that breaks an import was ruled out."""

    root: etree._Element
    items: list[etree._Element]
    assets: dict[str, etree._Element]
    formats: dict[str, etree._Element]
    frame: Fraction
    duration: Fraction


def check(document: bytes) -> Checked:
    root = read(document)
    resources, sequence = _one(root, "resources"), _one(root, "library/event/project/sequence")
    formats = {found.attrib["id"]: found for found in resources.findall("format")}
    assets = {found.attrib["id"]: found for found in resources.findall("asset")}
    assert len(formats) + len(assets) == len(resources), "an id is used twice"
    frame = seconds(formats[sequence.attrib["format"]].attrib["frameDuration"])
    checked = Checked(
        root,
        list(_one(sequence, "spine")),
        assets,
        formats,
        frame,
        seconds(sequence.attrib["duration"]),
    )
    _check_times(checked)
    _check_spine(checked)
    _check_references(checked)
    return checked


def _one(parent: etree._Element, path: str) -> etree._Element:
    found = parent.findall(path)
    assert len(found) == 1, f"{path}: {len(found)}"
    return found[0]


def _check_times(checked: Checked) -> None:
    """Every time lies on the grid of the sequence: FCP fills what doesn't with gaps."""
    for element in checked.root.iter("sequence", "asset", "video", "asset-clip", "gap", "marker"):
        for name in _TIMES:
            if name in element.attrib:
                time = seconds(element.attrib[name])
                assert (time / checked.frame).denominator == 1, (element.tag, name, time)


def _check_spine(checked: Checked) -> None:
    end = Fraction(0)
    for item in checked.items:
        start, length = seconds(item.attrib["start"]), seconds(item.attrib["duration"])
        assert seconds(item.attrib["offset"]) == end
        assert length >= checked.frame
        for marker in item.findall("marker"):
            assert start <= seconds(marker.attrib["start"]) < start + length
        for music in item.findall("asset-clip"):
            at = seconds(music.attrib["offset"])
            assert start <= at < start + length
            sequence_time = end + at - start
            assert sequence_time + seconds(music.attrib["duration"]) <= checked.duration
        end += length
    assert end == checked.duration


def _check_references(checked: Checked) -> None:
    sources = [asset.find("media-rep") for asset in checked.assets.values()]
    urls = [source.attrib["src"] for source in sources if source is not None]
    assert len(set(urls)) == len(checked.assets), "one asset a file, and one file an asset"
    used = set()
    for clip in clips(checked):
        asset = checked.assets[clip.attrib["ref"]]
        used.add(asset.attrib["id"])
        is_still = seconds(asset.attrib["duration"]) == 0
        assert clip.tag == ("video" if is_still else "asset-clip")
        if not is_still:
            _check_inside(clip, asset)
    assert used == set(checked.assets), "an asset that nothing shows"
    for asset in checked.assets.values():
        assert ("format" in asset.attrib) == ("hasVideo" in asset.attrib)
        assert asset.attrib.get("format", next(iter(checked.formats))) in checked.formats


def clips(checked: Checked) -> Iterator[etree._Element]:
    return checked.root.iter("video", "asset-clip")


def _check_inside(clip: etree._Element, asset: etree._Element) -> None:
    begin = seconds(asset.attrib["start"])
    end = begin + seconds(asset.attrib["duration"])
    start = seconds(clip.attrib["start"])
    assert begin <= start
    assert start + seconds(clip.attrib["duration"]) <= end

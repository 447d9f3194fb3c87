"""Films for the storyboard's tests, with real pictures, and what a PDF really holds."""

import base64
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

from fontTools.ttLib import TTFont
from PIL import Image
from pypdf import PdfReader
from pypdf.generic import ContentStream, DictionaryObject

from backend.models.exports.timeline import Timeline
from backend.services.exports.film import ExportOptions
from backend.services.exports.film import Film as StoredFilm
from backend.services.exports.storyboard.page_form import PageForm
from backend.services.exports.storyboard.typesetting import PANELS_A_PART
from backend.services.exports.storyboard_export import StoryboardFormat, StoryboardService
from backend.services.exports.timeline import build_timeline
from backend.services.exports.timeline_media import ShortVideo
from tests.export.films import Film

#: A sentence in each script that the packages' fonts must have.
SCRIPTS = {
    "latin": "Grüße: Żółć, a car under neon",
    "cyrillic": "красная машина под неоном",
    "greek": "κόκκινο αυτοκίνητο",
    "japanese": "ネオンの下の赤い車、雨の夜",
    "simplified": "红色汽车驶过霓虹灯下的街道",
    "traditional": "紅色汽車駛過霓虹燈下的街道",
    "korean": "네온 아래의 빨간 자동차",
    "arabic": "سيارة حمراء تحت أضواء النيون",
    "hebrew": "מכונית אדומה מתחת לניאון",
    "devanagari": "नीयन के नीचे लाल कार",
    "thai": "รถสีแดงใต้แสงนีออน",
    "bengali": "নিয়নের নিচে লাল গাড়ি",
    "tamil": "நியான் கீழ் சிவப்பு கார்",
    "georgian": "წითელი მანქანა",
    "armenian": "կարմիր մեքենա",
    "emoji": "👩‍👩‍👧‍👦 🚗💨 🎬 🇩🇪 ❤️ 👍🏽 ♪ ✓",
}


class Films:
    """What the storyboard asks of the exports, without a database."""

    def __init__(self, film: Film) -> None:
        self._film = film

    async def film_and_timeline(
        self,
        _project_id: str,
        options: ExportOptions | None = None,
        *,
        short_video: ShortVideo = "gap",
    ) -> tuple[StoredFilm, Timeline]:
        film = StoredFilm(self._film.project, self._film.scenes, self._film.clips)
        timeline = build_timeline(
            film.project,
            film.scenes,
            film.clips,
            self._film.facts,
            include_alternates=bool(options and options.include_alternates),
            short_video=short_video,
        )
        return film, timeline


async def drawn(
    film: Film,
    uploads: Path,
    *,
    form: PageForm | None = None,
    fmt: StoryboardFormat = "pdf",
    panels_a_part: int = PANELS_A_PART,
) -> bytes:
    service = StoryboardService(Films(film), uploads, panels_a_part=panels_a_part)
    file = await service.export("p", fmt, form=form or PageForm())
    try:
        return file.path.read_bytes()
    finally:
        file.discard()


def picture(path: Path, size: tuple[int, int] = (320, 180), kind: str = "RGB") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(kind, size, 90 if kind == "L" else (200, 80, 40)[: len(kind)]).save(path)
    return path


def read(pdf: bytes) -> PdfReader:
    return PdfReader(BytesIO(pdf), strict=True)


def missing_glyphs(reader: PdfReader) -> int:
    """How often a page draws glyph 0, the box for what a font lacks.

    Every font is a composite one of two bytes a glyph, whose numbers the subset keeps.
    """
    return sum(glyphs.count(0) for page in reader.pages for glyphs in _shown(page, reader))


def fonts(reader: PdfReader) -> set[str]:
    """Names of the fonts that are embedded, without the subset's mark."""
    found: set[str] = set()
    for page in reader.pages:
        for font in _resources(page).get("/Font", {}).values():
            descendant = font.get_object()["/DescendantFonts"][0].get_object()
            descriptor = descendant["/FontDescriptor"].get_object()
            if descriptor.keys() & {"/FontFile2", "/FontFile3"}:
                found.add(str(descriptor["/FontName"]).split("+")[-1])
    return found


def letters_of(font: str) -> set[int]:
    """Code points that a base64 font has."""
    with TTFont(BytesIO(base64.b64decode(font))) as opened:
        return set(opened.getBestCmap())


def _shown(page: Any, reader: PdfReader) -> Iterator[list[int]]:
    for operands, operator in ContentStream(page.get_contents(), reader).operations:
        if operator in {b"Tj", b"TJ"}:
            parts = operands[0] if operator == b"TJ" else operands
            for part in parts:
                raw = getattr(part, "original_bytes", None) or (
                    part if isinstance(part, bytes) else b""
                )
                yield [int.from_bytes(raw[at : at + 2]) for at in range(0, len(raw), 2)]


def _resources(page: Any) -> DictionaryObject:
    resources: DictionaryObject = page["/Resources"].get_object()
    return resources

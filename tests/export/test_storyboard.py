"""The storyboard: what is on it, where it stands, and that every letter is drawn."""

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from backend.models.exports.timeline import ProblemCode
from backend.services.exports.film import Film as StoredFilm
from backend.services.exports.storyboard.board import BEYOND, Storyboard, board_of
from backend.services.exports.storyboard.fonts import fonts_for
from backend.services.exports.storyboard.page_form import (
    Box,
    Orientation,
    PageForm,
    PanelsAPage,
    Paper,
    panel_form,
)
from backend.services.exports.storyboard.pictures import pixels, write_pictures
from backend.services.exports.storyboard.typesetting import typeset
from backend.services.exports.storyboard.words import (
    Language,
    TextSetter,
    breakable,
    home_language,
    is_right_to_left,
    is_visible,
    language_of,
    one_line,
)
from backend.services.exports.timeline import build_timeline
from backend.services.exports.timeline_media import MediaFacts
from backend.utils.errors import TypesettingError
from tests.export import boards
from tests.export.films import Film, film, make_clip, make_scene, still, video
from tests.unit.services.media.media_samples import video as video_file

FORMS = [
    PageForm(panels, paper, orientation)
    for panels in PanelsAPage
    for paper in ("a4", "letter")
    for orientation in ("portrait", "landscape")
]


def board(of: Film) -> Storyboard:
    timeline = build_timeline(of.project, of.scenes, of.clips, of.facts, short_video="hold")
    return board_of(StoredFilm(of.project, of.scenes, of.clips), timeline)


def a_film(count: int, **project: Any) -> Film:
    """Clips of two seconds, an image in each, in two scenes."""
    scenes = [make_scene("s1", name="Verse", order=1), make_scene("s2", name="Chorus", order=2)]
    half = count // 2
    clips = [
        make_clip(
            f"c{n}",
            still(f"i{n}"),
            name=f"Shot {n + 1}",
            scene_id="s1" if n < half else "s2",
            length=2.0,
            timeline_position=(n if n < half else n - half) * 2.0,
            lyrics=f"lyrics {n + 1}",
            image_prompt=f"prompt {n + 1}",
        )
        for n in range(count)
    ]
    return film(*clips, scenes=scenes, **project)


class TestBoard:
    def test_panels_follow_the_story(self) -> None:
        found = board(a_film(6))
        assert [panel.clip for panel in found.panels] == [f"Shot {n}" for n in range(1, 7)]
        assert [panel.number for panel in found.panels] == list(range(1, 7))
        assert [p.scene_number for p in found.panels] == [1, 1, 1, 2, 2, 2]
        assert [p.number for p in found.panels if p.starts_scene] == [1, 4]
        assert [(s.name, s.shots, s.length) for s in found.scenes] == [
            ("Verse", 3, "6 s"),
            ("Chorus", 3, "6 s"),
        ]
        assert found.scenes[1].timecode_in == "01:00:06:00"

    def test_times_are_the_timelines(self) -> None:
        panel = board(a_film(2, fps=29.97, drop_frame=True)).panels[1]
        assert (panel.timecode_in, panel.timecode_out) == ("01:00:02;00", "01:00:04;00")
        assert panel.length == "2 s · 60 f"

    def test_a_clip_keeps_its_length_when_its_video_is_short(self) -> None:
        clip = make_clip("c", video("v", duration=1.0), length=5.0)
        panel = board(film(clip)).panels[0]
        assert panel.timecode_out == "01:00:05:00"
        assert "its last frame is held" in panel.notes
        assert panel.picture
        assert panel.picture.is_video

    def test_what_is_missing_is_said(self) -> None:
        gone = MediaFacts(fault=ProblemCode.MISSING_FILE)
        clips = (
            make_clip("a", still("i"), name="A"),
            make_clip("b", name="B", timeline_position=6.0),
        )
        first, second = board(film(*clips).with_facts(i=gone)).panels
        assert first.picture is None
        assert "not in the upload folder" in first.notes
        assert second.notes == "Nothing is shown for 1 s before it."

    def test_beyond_a_day_there_is_no_timecode(self) -> None:
        clips = [
            make_clip("a", length=82_000.0),
            make_clip("b", timeline_position=83_000.0, length=10.0),
        ]
        assert board(film(*clips)).panels[1].timecode_in == BEYOND

    def test_two_prompts(self) -> None:
        both = make_clip("a", image_prompt="a car", video_prompt="it drives")
        one = make_clip("b", video_prompt="it drives", timeline_position=9.0)
        same = make_clip("c", image_prompt="x", video_prompt="x", timeline_position=19.0)
        panels = board(film(both, one, same)).panels
        said = [(panel.prompt, panel.motion) for panel in panels]
        assert said == [("a car", "it drives"), ("it drives", ""), ("x", "")]

    def test_an_empty_project(self) -> None:
        found = board(film(name="Nothing"))
        assert (found.panels, found.scenes) == ((), ())
        assert ("Shots", "0") in found.facts

    @pytest.mark.parametrize(
        ("seconds", "said"),
        [(0.5, "0.5 s"), (59.98, "59.98 s"), (65.0, "1:05 min"), (3725.0, "1:02:05")],
    )
    def test_lengths_as_people_write_them(self, seconds: float, said: str) -> None:
        clip = make_clip("a", length=seconds)
        assert board(film(clip, fps=50)).panels[0].length.startswith(f"{said} · ")


class TestPageForm:
    @pytest.mark.parametrize("form", FORMS, ids=str)
    @pytest.mark.parametrize("aspect", [16 / 9, 9 / 16, 1.0, 2.39, 64.0, 1 / 64])
    def test_boxes_lie_in_their_panel_and_apart(self, form: PageForm, aspect: float) -> None:
        found = panel_form(form, aspect)
        boxes = [box for box in (found.picture, found.facts, found.words) if box]
        for box in boxes:
            assert box.width > 0
            assert box.height > 0
            assert box.x + box.width <= found.width + 1e-6
            assert box.y + box.height <= found.height + 1e-6
        for number, box in enumerate(boxes):
            assert not any(_overlap(box, other) for other in boxes[number + 1 :])
        assert found.picture.width / found.picture.height == pytest.approx(aspect)

    @pytest.mark.parametrize("form", FORMS, ids=str)
    def test_the_grid_fills_the_sheet(self, form: PageForm) -> None:
        found = panel_form(form, 16 / 9)
        (width, height), (columns, rows) = form.sheet, form.grid
        assert columns * rows == form.panels
        assert columns * found.width + (columns - 1) * 7 == pytest.approx(width - 28)
        assert rows * found.height + (rows - 1) * 7 == pytest.approx(height - 28 - 17)

    def test_sheets(self) -> None:
        assert PageForm(paper="letter", orientation="landscape").sheet == (279.4, 215.9)
        assert PageForm(PanelsAPage.SIX, orientation="landscape").grid == (3, 2)


def _overlap(one: Box, other: Box) -> bool:
    across = one.x < other.x + other.width and other.x < one.x + one.width
    return across and one.y < other.y + other.height and other.y < one.y + one.height


class TestWords:
    @pytest.mark.parametrize(
        ("text", "language"),
        [
            ("a red car", "en"),
            ("Żółć", "en"),
            ("ネオンの下", "ja"),
            ("네온 자동차", "ko"),
            ("红色汽车", "zh-hans"),
            ("紅色汽車駛過", "zh-hant"),
            ("سيارة", "ar"),
            ("מכונית", "he"),
            ("12: סבב", "he"),
        ],
    )
    def test_languages(self, text: str, language: Language) -> None:
        assert language_of(text, "zh-hans") == language

    def test_lone_characters_are_in_the_documents_language(self) -> None:
        assert home_language(["夜", "ドライブ"]) == "ja"
        assert language_of("夜", "ja") == "ja"
        assert language_of("红车", "ja") == "zh-hans"
        assert home_language(["夜", "자동차"]) == "ko"

    def test_direction_is_that_of_the_first_strong_letter(self) -> None:
        assert is_right_to_left("(1) שלום abc")
        assert not is_right_to_left("abc שלום")
        assert not is_right_to_left("123 !?")

    def test_lines(self) -> None:
        assert one_line(" a \r\n\n b\tc\x00 ", lines=" / ") == "a / b c"

    def test_what_no_font_has_is_spelled(self) -> None:
        words = TextSetter(lambda char: char in "éA")
        assert words("é \u2d30\u2d63!").text == "é [U+2D30 U+2D63]!"
        assert words("\U0001d4d0\u200d\ufe0f").text == "A\u200d\ufe0f"

    def test_long_texts_are_cut(self) -> None:
        assert TextSetter(lambda _: True)("word " * 100, limit=12).text == "word word wo…"

    @given(st.text(st.characters(exclude_categories=["Cs"]), max_size=80))
    def test_breaks_change_no_letter(self, text: str) -> None:
        plain = text.replace("\u200b", "")
        assert breakable(plain).replace("\u200b", "") == plain

    def test_a_run_gets_breaks_and_marks_stay(self) -> None:
        run = breakable("e\u0301" * 30)
        assert "\u200b" in run
        assert "\u200b\u0301" not in run

    def test_fonts_of_the_packages_have_every_script(self) -> None:
        fonts = fonts_for([])
        said = TextSetter(fonts.knows)
        for text in boards.SCRIPTS.values():
            assert "[U+" not in said(text).text
        assert not fonts.files


class TestPictures:
    def test_of_every_kind_and_none_of_what_is_broken(self, tmp_path: Path) -> None:
        uploads, target = tmp_path / "uploads", tmp_path / "made"
        target.mkdir()
        clips = []
        for n, kind in enumerate(("RGB", "RGBA", "L", "LA", "P")):
            boards.picture(uploads / f"images/i{n}.png", (1600, 900), kind)
            clips.append(make_clip(f"c{n}", still(f"i{n}"), timeline_position=n * 5.0))
        (uploads / "videos").mkdir()
        (uploads / "videos/v.mp4").write_bytes(video_file())
        clips.append(make_clip("c5", video("v"), timeline_position=25.0))
        (uploads / "images/i6.png").write_bytes(b"\x89PNG not really")
        clips.append(make_clip("c6", still("i6"), timeline_position=30.0))
        boards.picture(tmp_path / "outside.png")
        clips.append(make_clip("c7", still("i7", path="../outside.png"), timeline_position=35.0))
        panels = board(film(*clips)).panels
        made = write_pictures(panels, uploads, target, size=(500, 281))
        assert sorted(made) == [1, 2, 3, 4, 5, 6]
        for name in made.values():
            with Image.open(target / name) as picture:
                assert (picture.format, picture.mode) == ("JPEG", "RGB")
                assert picture.width <= 500
        assert {path.name for path in target.iterdir()} == set(made.values())

    def test_a_thumbnail_that_is_sharp_enough_is_taken(self, tmp_path: Path) -> None:
        boards.picture(tmp_path / "thumb.webp", (512, 288), "L")
        take = still("i", thumbnail_path="thumb.webp")
        (tmp_path / "images").mkdir()
        (tmp_path / "images/i.png").write_bytes(b"never opened")
        panels = board(film(make_clip("c", take))).panels
        assert write_pictures(panels, tmp_path, tmp_path, size=(340, 191)) == {1: "00001.jpg"}

    def test_a_thumbnail_stands_in_for_a_broken_file(self, tmp_path: Path) -> None:
        boards.picture(tmp_path / "thumb.webp", (256, 144))
        take = still("i", thumbnail_path="thumb.webp")
        boards.picture(tmp_path / "images/i.png")
        (tmp_path / "images/i.png").write_bytes(b"GIF89a")
        panels = board(film(make_clip("c", take))).panels
        assert write_pictures(panels, tmp_path, tmp_path, size=(900, 506))

    def test_print_size(self) -> None:
        assert pixels(25.4, 50.8) == (150, 300)


class TestPdf:
    async def test_every_script_is_drawn_and_can_be_read(self, tmp_path: Path) -> None:
        clips = [
            make_clip(f"c{n}", name=text, image_prompt=text, lyrics=text, timeline_position=n * 5.0)
            for n, text in enumerate(boards.SCRIPTS.values())
        ]
        form = PageForm(PanelsAPage.NINE)
        reader = boards.read(await boards.drawn(film(*clips, name="夜"), tmp_path, form=form))
        assert len(reader.pages) == 3
        assert boards.missing_glyphs(reader) == 0
        names = "".join(boards.fonts(reader))
        for family in ("Arabic", "Hebrew", "Devanagari", "Thai", "CJKjp", "CJKkr", "Emoji"):
            assert family in names
        text = _text(reader)
        for script in ("latin", "cyrillic", "japanese", "simplified", "korean", "georgian"):
            assert _bare(boards.SCRIPTS[script]) in text

    def test_the_count_of_boxes_sees_one(self, tmp_path: Path) -> None:
        fonts = fonts_for([])
        page = {"width": 100, "height": 100, "columns": 1, "rows": 1}
        document = {"page": page, "panels": []}
        template = tmp_path / "bare.typ"
        template.write_text('#set text(font: "Noto Sans")\n\u2d30\u2d63')
        path = typeset(tmp_path, document, fonts=fonts, date=0, template=template)
        assert boards.missing_glyphs(boards.read(path.read_bytes())) == 2

    def test_what_cannot_be_set_says_so(self, tmp_path: Path) -> None:
        template = tmp_path / "broken.typ"
        template.write_text("#panic()")
        document = {"page": {"columns": 1, "rows": 1}, "panels": []}
        with pytest.raises(TypesettingError) as raised:
            typeset(tmp_path, document, fonts=fonts_for([]), date=0, template=template)
        assert "panicked" in str(raised.value.__cause__)

    @pytest.mark.parametrize(
        ("panels", "paper", "orientation"),
        [(2, "letter", "portrait"), (3, "a4", "landscape"), (4, "a4", "portrait")],
    )
    async def test_pages(
        self, tmp_path: Path, panels: int, paper: Paper, orientation: Orientation
    ) -> None:
        form = PageForm(PanelsAPage(panels), paper, orientation)
        boards.picture(tmp_path / "images/i0.png")
        reader = boards.read(await boards.drawn(a_film(7), tmp_path, form=form))
        assert len(reader.pages) == 1 + -(-7 // panels)
        width, height = form.sheet
        for page in reader.pages:
            assert float(page.mediabox.width) == pytest.approx(width / 25.4 * 72, abs=0.1)
            assert float(page.mediabox.height) == pytest.approx(height / 25.4 * 72, abs=0.1)
        for number, page in enumerate(reader.pages[1:]):
            text = _bare(page.extract_text())
            for shot in range(number * panels + 1, min(7, (number + 1) * panels) + 1):
                assert f"Shot{shot}" in text
                assert f"lyrics{shot}" in text
                assert f"prompt{shot}" in text
        assert [entry["/Title"] for entry in reader.outline] == ["1 · Verse", "2 · Chorus"]  # type: ignore[call-overload]

    async def test_parts_are_bound_as_one(self, tmp_path: Path) -> None:
        form = PageForm(PanelsAPage.NINE)
        pdf = await boards.drawn(a_film(40), tmp_path, form=form, panels_a_part=20)
        reader = boards.read(pdf)
        assert len(reader.pages) == 6
        texts = [_bare(page.extract_text()) for page in reader.pages]
        for number, text in enumerate(texts, start=1):
            assert f"{number}/6" in text
        assert "Shot40" in texts[-1]
        assert [entry["/Title"] for entry in reader.outline] == ["1 · Verse", "2 · Chorus"]  # type: ignore[call-overload]
        assert reader.metadata
        assert reader.metadata.title == "Film"

    async def test_the_same_film_gives_the_same_file(self, tmp_path: Path) -> None:
        boards.picture(tmp_path / "images/i0.png")
        first = await boards.drawn(a_film(3), tmp_path)
        assert first == await boards.drawn(a_film(3), tmp_path)
        assert first.startswith(b"%PDF-")
        assert len(first) < 100_000

    async def test_hostile_names(self, tmp_path: Path) -> None:
        """Nothing that people write is read as markup, and nothing is too long."""
        names = [
            "",
            "x" * 200,
            "#panic() *b* $x^2$ @ref <l> // \\",
            "]]>\u202e<script>alert(1)</script>",
            "\u2d30\u2d63 \U0001d4d0\u0378",
            "🎬" * 200,
            "\x00\x07\ufffe",
            "e\u0301\u0302\u0303\u0304" * 40,
        ]
        clips = [
            make_clip(f"c{n}", name=name, image_prompt=name * 20, timeline_position=n * 5.0)
            for n, name in enumerate(names)
        ]
        hostile = film(*clips, scenes=[make_scene(name=names[2])], name=names[3])
        reader = boards.read(await boards.drawn(hostile, tmp_path))
        assert len(reader.pages) == 3
        text = _text(reader)
        assert _bare(names[2]) in text
        assert "…" in text
        html = (await boards.drawn(hostile, tmp_path, fmt="html")).decode()
        assert "<script" not in html

    async def test_an_empty_project(self, tmp_path: Path) -> None:
        reader = boards.read(await boards.drawn(film(name="Nothing yet"), tmp_path))
        assert len(reader.pages) == 1
        assert "Therearenoclipsyet." in _text(reader)


class TestHtml:
    async def test_it_stands_alone(self, tmp_path: Path) -> None:
        boards.picture(tmp_path / "images/i0.png")
        page = (await boards.drawn(a_film(7), tmp_path, fmt="html")).decode()
        links = re.findall(r'(?:src|href|srcset)="([^"]*)"|url\("?([^)]*)\)|@import', page)
        assert {source.partition(",")[0] for source, _ in links} == {"data:image/jpeg;base64"}
        assert "http" not in page
        assert page.count("<article>") == 7
        assert page.count('<section class="sheet') == 3
        assert page.count("no picture yet") == 6

    async def test_it_brings_its_letters(self, tmp_path: Path) -> None:
        clips = [
            make_clip(f"c{n}", name=text, timeline_position=n * 5.0)
            for n, text in enumerate(boards.SCRIPTS.values())
        ]
        page = (await boards.drawn(film(*clips), tmp_path, fmt="html")).decode()
        assert len(page) < 600_000
        faces = re.findall(r'@font-face{font-family:"([^"]*)".*?base64,([^"]*)"', page)
        known = {letter for _, data in faces for letter in boards.letters_of(data)}
        everything = "".join(boards.SCRIPTS.values())
        shown = {ord(char) for char in everything if is_visible(char) and ord(char) >= 0x250}
        assert shown <= known
        assert "http" not in page
        assert {"Noto Sans CJK JP", "Noto Sans CJK KR", "Noto Sans Arabic"} <= {f for f, _ in faces}

    async def test_language_and_direction(self, tmp_path: Path) -> None:
        clip = make_clip(name=boards.SCRIPTS["hebrew"], image_prompt=boards.SCRIPTS["traditional"])
        first = await boards.drawn(film(clip), tmp_path, fmt="html")
        assert first == await boards.drawn(film(clip), tmp_path, fmt="html")
        page = first.decode()
        assert f'lang="he" dir="rtl">{boards.SCRIPTS["hebrew"]}' in page
        assert 'lang="zh-Hant" dir="ltr"' in page

    async def test_names_are_escaped(self, tmp_path: Path) -> None:
        name = "</title></h2><img src=x onerror=alert(1)>\"'&"
        clip = make_clip(name=name, lyrics=name, image_prompt=name)
        hostile = film(clip, scenes=[make_scene(name=name, description=name)], name=name)
        page = (await boards.drawn(hostile, tmp_path, fmt="html")).decode()
        assert "<img" not in page
        assert page.count("&lt;/title&gt;&lt;/h2&gt;") >= 9
        assert page.count("</title>") == 1


def _text(reader: Any) -> str:
    return _bare("".join(page.extract_text() for page in reader.pages))


def _bare(text: str) -> str:
    """Readers of PDFs guess where blanks are."""
    return re.sub(r"[\s\u200b]", "", text)

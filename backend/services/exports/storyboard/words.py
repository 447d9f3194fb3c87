"""Text as paper takes it: cleaned, cut, with its language, its direction, and only known letters.

Which language a text of Chinese characters is in decides about their shapes: Unicode gives
Japanese, Korean and both kinds of Chinese the same code points.
"""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from backend.services.exports.formats.names import xml_text

Language = Literal["en", "ja", "ko", "zh-hans", "zh-hant", "ar", "he"]

_KANA = re.compile("[\u3040-\u30ff\u31f0-\u31ff\uff66-\uff9d]")
_HANGUL = re.compile("[\u1100-\u11ff\u3130-\u318f\uac00-\ud7af]")
_BOPOMOFO = re.compile("[\u3100-\u312f\u31a0-\u31bf]")
_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_HEBREW = re.compile("[\u0590-\u05ff\ufb1d-\ufb4f]")
_SPACES = re.compile(r"\s+")
_LINE_ENDS = re.compile(r"\s*\n\s*")
#: What a text of such characters alone must be written in to be in these languages.
_ENCODINGS = {"ja": "shift_jis", "ko": "euc_kr"}
#: Nowhere to break a line in so many letters: an address, or somebody leaning on a key.
_UNBROKEN = re.compile(
    r"[^\s\u200b\u3000-\u30ff\u3400-\u9fff\uac00-\ud7af\U00020000-\U0003ffff]{25,}"
)
_STRIDE = 12
_ZERO_WIDTH_SPACE = "\u200b"
#: Marks and joiners belong to the letter before them.
_CLINGING = frozenset({"Mn", "Mc", "Me", "Cf", "Sk"})
#: Never drawn, so no font needs them: controls, spaces, joiners, variation selectors.
_INVISIBLE = frozenset({"Cc", "Cf", "Zs", "Zl", "Zp"})
_SELECTORS = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]")


@dataclass(frozen=True, slots=True)
class TextLine:
    """`text` is one line; `right_to_left` is the direction of its first letter that has one."""

    text: str
    language: Language
    right_to_left: bool


@dataclass(frozen=True, slots=True)
class TextSetter:
    """Sets the texts of one document.

    `knows` tells whether a font has a character; `home` is the language of Chinese characters
    that stand alone.
    """

    knows: Callable[[str], bool]
    home: Language = "zh-hans"

    def __call__(self, text: str, *, limit: int = 400, lines: str = " ") -> TextLine:
        """Cut after `limit` characters; `lines` stands for line breaks."""
        whole = one_line(text, lines=lines)
        short = whole if len(whole) <= limit else whole[:limit].rstrip() + "…"
        shown = breakable(self._drawable(short))
        return TextLine(shown, language_of(short, self.home), is_right_to_left(short))

    def _drawable(self, text: str) -> str:
        if text.isascii():
            return text
        return "".join(_runs(text, self.knows))


def one_line(text: str, *, lines: str = " ") -> str:
    """Without control characters; line breaks become `lines`, other space one blank."""
    joined = _LINE_ENDS.sub(lambda _: lines, xml_text(text))
    return _SPACES.sub(" ", joined).strip()


def home_language(texts: list[str]) -> Language:
    """The language of a document's Chinese characters, from all that is written in it."""
    everything = "".join(texts)
    if _KANA.search(everything):
        return "ja"
    if _HANGUL.search(everything):
        return "ko"
    han = "".join(_HAN.findall(everything))
    return "zh-hant" if _BOPOMOFO.search(everything) or _is_traditional(han) else "zh-hans"


def language_of(text: str, home: Language) -> Language:
    if text.isascii():
        return "en"
    if _KANA.search(text) or _HANGUL.search(text):
        return home_language([text])
    if han := "".join(_HAN.findall(text)):
        return home if _encodes(han, _ENCODINGS.get(home, "")) else home_language([text])
    if not is_right_to_left(text):
        return "en"
    return "he" if _HEBREW.search(text) else "ar"


def is_right_to_left(text: str) -> bool:
    """By the first strong character, as rule P2 of Unicode's bidirectional algorithm has it."""
    strong = (unicodedata.bidirectional(char) for char in text)
    return next((kind for kind in strong if kind in {"L", "R", "AL"}), "L") != "L"


def breakable(text: str) -> str:
    """With places for a line break in runs that have none."""
    return _UNBROKEN.sub(lambda run: _with_breaks(run[0]), text)


def is_visible(char: str) -> bool:
    return unicodedata.category(char) not in _INVISIBLE and not _SELECTORS.match(char)


def _is_traditional(han: str) -> bool:
    """What GB 2312 lacks and Big5 has is written in traditional characters."""
    return not _encodes(han, "gb2312") and _encodes(han, "big5")


def _encodes(text: str, encoding: str) -> bool:
    if not encoding:
        return False
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def _with_breaks(run: str) -> str:
    pieces, start = [], 0
    for index in range(1, len(run)):
        is_joint = unicodedata.category(run[index]) in _CLINGING or run[index - 1] == "\u200d"
        if index - start >= _STRIDE and not is_joint:
            pieces.append(run[start:index])
            start = index
    return _ZERO_WIDTH_SPACE.join([*pieces, run[start:]])


def _runs(text: str, knows: Callable[[str], bool]) -> list[str]:
    """Letters that no font has become their plain form, or their number: `[U+2D30 U+2D31]`."""
    out: list[str] = []
    unknown: list[str] = []
    for char in text:
        shown = _known_form(char, knows)
        if shown is None:
            unknown.append(f"U+{ord(char):04X}")
            continue
        if unknown:
            out.append(f"[{' '.join(unknown)}]")
            unknown = []
        out.append(shown)
    return [*out, f"[{' '.join(unknown)}]"] if unknown else out


def _known_form(char: str, knows: Callable[[str], bool]) -> str | None:
    if char.isascii() or not is_visible(char) or knows(char):
        return char
    plain = unicodedata.normalize("NFKC", char)
    return plain if plain != char and all(map(knows, plain)) else None

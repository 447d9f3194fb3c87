"""Timecode and names, burnt into the picture: white in dark boxes at its lower edge."""

from PIL import Image, ImageDraw, ImageFont

from backend.models.exports.frame_rate import FrameRate
from backend.services.exports.formats.names import ascii_only
from backend.services.exports.rendering.planes import BLACK, NO_COLOUR, WHITE, Canvas, Planes
from backend.services.exports.rendering.tasks import BurnIn

#: Parts of the picture's height: letters, and the way to its edges.
_LETTERS, _MARGIN = 20, 40


class Slate:
    """Names stand at the left, timecode at the right, where both fit."""

    def __init__(
        self, canvas: Canvas, rate: FrameRate, *, wanted: tuple[BurnIn, ...], drop_frame: bool
    ) -> None:
        self._canvas = canvas
        self._rate = rate
        self._wanted = wanted
        self._drop_frame = drop_frame
        side = min(canvas.height, canvas.width)
        self._font = ImageFont.load_default(max(8, side // _LETTERS))
        self._margin = max(2, side // _MARGIN)
        self._name: tuple[str, Image.Image | None] = ("", None)

    @property
    def changes_each_frame(self) -> bool:
        return "timecode" in self._wanted

    def burnt(self, planes: Planes, name: str, frame: int) -> Planes:
        """The picture with what was asked for; the given one stays as it is."""
        boxes = []
        if "timecode" in self._wanted and self._rate.has_timecode(
            frame, drop_frame=self._drop_frame
        ):
            label = self._label(self._rate.timecode(frame, drop_frame=self._drop_frame))
            boxes.append((label, self._canvas.width - self._margin - label.width))
        if "name" in self._wanted and name:
            boxes.append((self._name_label(name, taken=boxes[0][0].width if boxes else 0), 0))
        return self._with(planes, boxes)

    def _with(self, planes: Planes, boxes: list[tuple[Image.Image, int]]) -> Planes:
        if not boxes:
            return planes
        y, u, v = (plane.copy() for plane in planes)
        for label, left in boxes:
            x = max(left, self._margin) // 2 * 2
            top = max(0, self._canvas.height - self._margin - label.height) // 2 * 2
            y.paste(label, (x, top))
            grey = (x // 2, top // 2, (x + label.width) // 2, (top + label.height) // 2)
            u.paste(NO_COLOUR, grey)
            v.paste(NO_COLOUR, grey)
        return y, u, v

    def _name_label(self, name: str, *, taken: int) -> Image.Image:
        known, label = self._name
        if label is None or known != name:
            room = self._canvas.width - taken - 4 * self._margin
            label = self._label(self._fitting(ascii_only(name) or "Untitled", room))
            self._name = (name, label)
        return label

    def _fitting(self, text: str, room: float) -> str:
        line = text[:200]
        while len(line) > 1 and self._font.getlength(line) > room:
            line = line[:-1]
        return line

    def _label(self, text: str) -> Image.Image:
        """Its sides are even, as colour is kept for each two pixels."""
        ascent, descent = self._metrics()
        pad = self._margin // 2
        width = (int(self._font.getlength(text)) + 2 * pad + 1) // 2 * 2
        height = (ascent + descent + pad + 1) // 2 * 2
        label = Image.new("L", (width, height), BLACK)
        ImageDraw.Draw(label).text((pad, pad // 2), text, WHITE, font=self._font)
        return label

    def _metrics(self) -> tuple[int, int]:
        if isinstance(self._font, ImageFont.FreeTypeFont):
            return self._font.getmetrics()
        return 11, 2  # Pillow's own font of dots, where FreeType is missing

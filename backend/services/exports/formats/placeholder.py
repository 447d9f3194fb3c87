"""The card that stands for a clip that has nothing to show yet."""

import io

from PIL import Image, ImageDraw, ImageFont

_BACKGROUND = (38, 38, 44)
_TEXT = (222, 222, 228)


def draw(label: str, *, size: tuple[int, int]) -> bytes:
    """A PNG of `size` pixels with the label across its middle, cut where it won't fit."""
    image = Image.new("RGB", size, _BACKGROUND)
    font = ImageFont.load_default(max(8, size[1] // 16))
    text = _fitting(label, font, width=size[0] * 9 // 10)
    ImageDraw.Draw(image).text((size[0] / 2, size[1] / 2), text, _TEXT, font=font, anchor="mm")
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def _fitting(
    label: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, *, width: float
) -> str:
    line = " ".join(label.split())[:200]
    while line and font.getlength(line) > width:
        line = line[:-1]
    return line

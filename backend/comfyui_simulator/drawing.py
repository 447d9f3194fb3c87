"""Placeholder pictures: SIMULATED, the prompt, the seed and the size, on a colour of the seed."""

import colorsys
from collections.abc import Iterator

from PIL import Image, ImageDraw, ImageFont

from backend.comfyui_simulator.graph import DrawnPicture

WHITE = (255, 255, 255)
Color = tuple[int, int, int]


def color_of(seed: int) -> Color:
    """A colour by seed: neighbouring seeds differ, white text stays readable on all of them."""
    hue = seed * 0.618_033_988_749_895 % 1.0
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.65, 0.55)
    return round(red * 255), round(green * 255), round(blue * 255)


def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(max(6, size))


def captions(picture: DrawnPicture, index: int) -> list[str]:
    frames = picture.frames
    place = f", picture {index + 1} of {frames.batch}" if frames.batch > 1 else ""
    facts = f"{frames.width}x{frames.height}{place}, seed {picture.seed}, {picture.steps} steps"
    return [picture.prompt or "(no prompt)", facts, picture.model]


def wrapped(draw: ImageDraw.ImageDraw, text: str, size: int, width: int) -> Iterator[str]:
    """Break a text into lines that fit; a single longer word is left to run out of the picture."""
    line = ""
    face = font(size)
    for word in text.split():
        longer = f"{line} {word}".strip()
        if line and draw.textlength(longer, font=face) > width:
            yield line
            line = word
        else:
            line = longer
    yield line


def draw_still(picture: DrawnPicture, index: int = 0) -> Image.Image:
    """One picture of the batch, RGB."""
    width, height = picture.frames.width, picture.frames.height
    image = Image.new("RGB", (width, height), color_of(picture.seed + index))
    draw = ImageDraw.Draw(image)
    margin = max(1, min(width, height) // 20)
    title = max(8, min(width // 7, height // 5))
    draw.text((margin, margin), "SIMULATED", fill=WHITE, font=font(title))
    size = max(8, min(width, height) // 18)
    y = margin + title * 1.3
    for caption in captions(picture, index):
        for line in wrapped(draw, caption, size, width - 2 * margin):
            if y > height:
                return image
            draw.text((margin, y), line, fill=WHITE, font=font(size))
            y += size * 1.25
        y += size * 0.4
    return image


def draw_frames(picture: DrawnPicture, count: int, size: tuple[int, int]) -> Iterator[Image.Image]:
    """Frames of a moving picture: a bar that crosses it, and the frame's number."""
    width, height = size
    base = draw_still(picture).crop((0, 0, width, height))
    bar = max(2, width // 16)
    face = font(max(8, height // 14))
    for index in range(count):
        frame = base.copy()
        draw = ImageDraw.Draw(frame)
        x = (width - bar) * index // max(1, count - 1)
        draw.rectangle((x, height * 7 // 8, x + bar, height), fill=WHITE)
        draw.text((2, height * 3 // 4), f"{index + 1}/{count}", fill=WHITE, font=face)
        yield frame


def draw_preview(picture: DrawnPicture, step: int, steps: int) -> Image.Image:
    """What a sampler shows half-way: the longest side is 512."""
    image = draw_still(picture)
    scale = 512 / max(image.size)
    image = image.resize((max(1, round(image.width * scale)), max(1, round(image.height * scale))))
    bar = (0, image.height - 12, image.width * step // steps, image.height)
    ImageDraw.Draw(image).rectangle(bar, fill=WHITE)
    return image

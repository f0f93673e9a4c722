"""What is drawn over pictures: outlines and small panels of text, in colours that tell tracks apart.

Pictures are arrays (height, width, 3) of uint8, changed in place.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

Colour = tuple[int, int, int]

WHITE, GREY, DARK = (240, 242, 245), (150, 156, 165), (18, 20, 24)
PANEL_OPACITY = 205

_SMOOTH = 4  # panels are drawn so much larger and shrunk, for smooth corners
_GOLDEN_ANGLE = math.pi * (3 - math.sqrt(5))  # hues of near numbers are far apart
_LIGHTNESS, _CHROMA, _FIRST_HUE = 0.78, 0.125, 4.4
_BUILT_IN_BEYOND_ASCII = "©«°±´·»‘’“”…‹›⁄™"  # all that Pillow's own font has


@lru_cache(maxsize=4096)
def track_colour(track: int) -> Colour:
    """Equally light and equally calm for every track: a hue in OKLCH (Ottosson, 2020)."""
    hue = _FIRST_HUE + track * _GOLDEN_ANGLE
    a, b = _CHROMA * math.cos(hue), _CHROMA * math.sin(hue)
    long = (_LIGHTNESS + 0.3963377774 * a + 0.2158037573 * b) ** 3
    middle = (_LIGHTNESS - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (_LIGHTNESS - 0.0894841775 * a - 1.2914855480 * b) ** 3
    red = 4.0767416621 * long - 3.3077115913 * middle + 0.2309699292 * short
    green = -1.2684380046 * long + 2.6097574011 * middle - 0.3413193965 * short
    blue = -0.0041960863 * long - 0.7034186147 * middle + 1.7076147010 * short
    return _byte(red), _byte(green), _byte(blue)


def _byte(linear: float) -> int:
    """A channel of sRGB."""
    linear = min(max(linear, 0.0), 1.0)
    return round(255 * (12.92 * linear if linear <= 0.0031308 else 1.055 * linear ** (1 / 2.4) - 0.055))


@lru_cache(maxsize=64)
def _font(size: int, *, is_built_in: bool) -> ImageFont.FreeTypeFont:
    if is_built_in:
        font = ImageFont.load_default(size)
        assert isinstance(font, ImageFont.FreeTypeFont)
        return font
    import matplotlib as mpl  # its font knows Latin, Greek and Cyrillic letters with all their marks

    return ImageFont.truetype(str(Path(mpl.get_data_path()) / "fonts/ttf/DejaVuSans.ttf"), size)


def font_for(text: str, size: int) -> ImageFont.FreeTypeFont:
    """Pillow's own font wherever it has the letters."""
    return _font(size, is_built_in=all(letter.isascii() or letter in _BUILT_IN_BEYOND_ASCII for letter in text))


def font_size(short_side: int) -> int:
    """Pixels; legible on small pictures, modest on large ones."""
    return max(11, round(5 + short_side / 66))


def text_width(text: str, size: int) -> int:
    return math.ceil(font_for(text, size).getlength(text))


def shortened(text: str, size: int, width: int) -> str:
    """The text, or as much of its beginning as fits, with dots."""
    if text_width(text, size) <= width:
        return text
    length = len(text)
    while length > 1 and text_width(f"{text[:length].rstrip()}…", size) > width:
        length -= 1
    return f"{text[:length].rstrip()}…"


def write(draw: ImageDraw.ImageDraw, x: float, middle: float, text: str, size: int, colour: Colour) -> None:
    """A line of text from x on, its small letters centred on `middle`."""
    baseline = middle + size * 0.34
    draw.text((round(x), round(baseline)), text, fill=(*colour, 255), font=font_for(text, size), anchor="ls")


@dataclass(frozen=True, eq=False, slots=True)
class Tile:
    """A small drawing with its opacity, ready to be laid over pictures."""

    ink_HW3: np.ndarray  # uint16, colour times opacity
    keep_HW1: np.ndarray  # uint16, what of the picture shines through, 0..256

    @staticmethod
    def of(image: Image.Image) -> "Tile":
        pixels = np.asarray(image.convert("RGBA"), np.uint16)
        opacity = pixels[:, :, 3:] + (pixels[:, :, 3:] > 127)
        return Tile(pixels[:, :, :3] * opacity, 256 - opacity)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.keep_HW1.shape[1], self.keep_HW1.shape[0]

    def lay(self, picture: np.ndarray, x: int, y: int) -> None:
        """Over the picture, its top left corner at (x, y); what sticks out is cut off."""
        (width, height), (bottom, right) = self.size, picture.shape[:2]
        top, left, stop_y, stop_x = max(0, -y), max(0, -x), min(height, bottom - y), min(width, right - x)
        if top >= stop_y or left >= stop_x:
            return
        place = picture[y + top : y + stop_y, x + left : x + stop_x]
        part = np.s_[top:stop_y, left:stop_x]
        place[:] = (place * self.keep_HW1[part] + self.ink_HW3[part]) >> 8


def tag(name: str, colour: Colour, lines: tuple[tuple[str, str], ...], size: int, most_width: int) -> Tile:
    """A track's name on its colour; beside it what it does, a line each: label and score."""
    pad, row = round(size * 0.4), round(size * 1.45)
    chip = text_width(name, size) + 2 * pad
    scores = max((text_width(score, size) for _, score in lines), default=0)
    room = max(most_width - chip - scores - 3 * pad, 3 * size)
    shown = [(shortened(label, size, room), score) for label, score in lines]
    labels = max((text_width(label, size) for label, _ in shown), default=0)
    width = chip + (labels + scores + 3 * pad if lines else 0)
    image = _panel(width, row * max(1, len(lines)), chip, row, colour, radius=size / 4)
    draw = ImageDraw.Draw(image)
    write(draw, pad, row / 2, name, size, DARK)
    for number, (label, score) in enumerate(shown):
        middle = row * (number + 0.5)
        write(draw, chip + pad, middle, label, size, WHITE)
        write(draw, width - pad - text_width(score, size), middle, score, size, GREY)
    return Tile.of(image)


def _panel(width: int, height: int, chip: int, row: int, colour: Colour, *, radius: float) -> Image.Image:
    """Dark and translucent, with smooth corners; `chip` of its first row in colour."""
    image = Image.new("RGBA", (width * _SMOOTH, height * _SMOOTH))
    draw = ImageDraw.Draw(image)
    right, bottom = width * _SMOOTH - 1, height * _SMOOTH - 1
    if width > chip or height > row:
        draw.rounded_rectangle((0, 0, right, bottom), radius * _SMOOTH, fill=(*DARK, PANEL_OPACITY))
    corners = (True, width == chip, width == chip, height == row)  # clockwise from the top left
    size = (0, 0, chip * _SMOOTH - 1, row * _SMOOTH - 1)
    draw.rounded_rectangle(size, radius * _SMOOTH, fill=(*colour, 255), corners=corners)
    return image.reduce(_SMOOTH)


def outline(picture: np.ndarray, box: Sequence[int], thickness: int, colour: Colour) -> None:
    """A frame inside a box (x1, y1, x2, y2; pixels), with a shadow around it that shows it on bright ground."""
    for edge in _edges(picture, [box[0] - 1, box[1] - 1, box[2] + 1, box[3] + 1], thickness + 2):
        edge >>= 1
    for edge in _edges(picture, box, thickness):
        edge[:] = colour


def _edges(picture: np.ndarray, box: Sequence[int], thickness: int) -> list[np.ndarray]:
    height, width = picture.shape[:2]
    x1, x2 = (min(max(x, 0), width) for x in (box[0], box[2]))
    y1, y2 = (min(max(y, 0), height) for y in (box[1], box[3]))
    top, bottom = min(y1 + thickness, y2), max(y2 - thickness, y1)
    left, right = min(x1 + thickness, x2), max(x2 - thickness, x1)
    middle = slice(top, max(bottom, top))
    return [
        picture[y1:top, x1:x2],
        picture[max(bottom, top) : y2, x1:x2],
        picture[middle, x1:left],
        picture[middle, max(right, left) : x2],
    ]

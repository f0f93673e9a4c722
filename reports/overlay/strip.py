"""A strip below the picture: when which action was found, a lane a label, and where the picture is now."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw

from pipeline.clock import clock
from reports.overlay.rows import Action
from reports.overlay.tiles import GREY, WHITE, Colour, Tile, font_size, shortened, text_width, write

MOST_LANES = 6
MOST_HEIGHT = 0.4  # of the picture
_GROUND, _RAIL, _FAINT, _STRONG = (18, 20, 24), (34, 38, 45), (52, 84, 102), (110, 200, 235)
_TICKS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400)


class TimelineStrip:
    """Drawn once; each frame adds what is true now: the position, and names and scores of running actions."""

    def __init__(
        self, actions: Sequence[Action], *, width: int, picture_height: int, start_s: float, stop_s: float
    ) -> None:
        self.width, self.start_s, self.stop_s = width, start_s, max(stop_s, start_s + 1e-3)
        self.size = font_size(min(width, picture_height))
        self.lane, self.pad = round(self.size * 1.5), round(self.size * 0.5)
        within = [action for action in actions if action.start_s < self.stop_s and action.stop_s > start_s]
        most = int(picture_height * MOST_HEIGHT) // self.lane - 1
        self.lanes = _lanes(within, max(1, min(MOST_LANES, most)))
        self.height = (len(self.lanes) + 1) * self.lane + self.pad
        self.height += self.height % 2
        self.left = self._gutter()
        self.right = width - 2 * self.pad
        self._names = {label: self._name(label) for label in self.lanes}
        self._ground = self._drawn()

    def _gutter(self) -> int:
        """Where rails begin: names, each with its score, stand left of it."""
        names = max((text_width(label, self.size) for label in self.lanes), default=0)
        least = text_width(clock(self.stop_s), self.size)
        return min(max(names + text_width(" 0.00", self.size), least) + 3 * self.pad, round(self.width * 0.42))

    def x(self, time_s: float) -> float:
        """Pixels from the left."""
        part = (time_s - self.start_s) / (self.stop_s - self.start_s)
        return self.left + min(max(part, 0.0), 1.0) * (self.right - self.left)

    def lane_middle(self, number: int) -> float:
        return self.pad / 2 + (number + 0.5) * self.lane

    def _drawn(self) -> np.ndarray:
        image = Image.new("RGB", (self.width, self.height), _GROUND)
        draw = ImageDraw.Draw(image)
        for number, (label, actions) in enumerate(self.lanes.items()):
            self._draw_lane(draw, self.lane_middle(number), actions)
            write(draw, self.pad, self.lane_middle(number), self._names[label], self.size, GREY)
        if not self.lanes:
            _, bottom = self._rail(self.lane_middle(0))
            draw.rectangle((self.left, bottom - 1, self.right, bottom), fill=_RAIL)
        self._draw_ticks(draw)
        return np.array(image)

    def _rail(self, middle: float) -> tuple[int, int]:
        """First and last row of a lane's bar."""
        half = self.lane * 0.3
        return round(middle - half), round(middle + half)

    def _draw_lane(self, draw: ImageDraw.ImageDraw, middle: float, actions: Sequence[Action]) -> None:
        top, bottom = self._rail(middle)
        draw.rectangle((self.left, top, self.right, bottom), fill=_RAIL)
        for action in sorted(actions, key=lambda action: action.score):
            first = round(self.x(action.start_s))
            last = max(round(self.x(action.stop_s)) - 1, first + 1)
            draw.rectangle((first, top, last, bottom), fill=span_colour(action.score))

    def _draw_ticks(self, draw: ImageDraw.ImageDraw) -> None:
        middle = self.lane_middle(max(1, len(self.lanes)) if self.lanes else 0)
        room = text_width(clock(self.stop_s), self.size) + 3 * self.pad
        step_s = next((one for one in _TICKS_S if self.x(self.start_s + one) - self.left >= room), _TICKS_S[-1])
        time_s = -(-self.start_s // step_s) * step_s
        while time_s <= self.stop_s:
            x, text = round(self.x(time_s)), clock(time_s)
            if self.lanes:
                draw.line((x, middle - self.lane * 0.5, x, middle - self.lane * 0.38), fill=GREY)
            half = text_width(text, self.size) / 2
            write(draw, min(max(x - half, self.left), self.width - 2 * half - 2), middle, text, self.size, GREY)
            time_s += step_s

    def _name(self, label: str) -> str:
        room = self.left - 2 * self.pad - text_width(" 0.00", self.size)
        return shortened(label, self.size, room)

    def draw(self, place_HW3: np.ndarray, time_s: float) -> None:
        """Into an array of the strip's size."""
        place_HW3[:] = self._ground
        for number, (label, actions) in enumerate(self.lanes.items()):
            scores = [action.score for action in actions if action.start_s <= time_s < action.stop_s]
            if scores:
                room = self.left - 2 * self.pad
                tile = _running(self._names[label], f"{max(scores):.2f}", self.size, room, self.lane)
                place_HW3[self._rows(number), : self.left - 1] = _GROUND
                tile.lay(place_HW3, self.pad, round(self.lane_middle(number) - self.lane / 2))
        self._draw_position(place_HW3, time_s)

    def _rows(self, number: int) -> slice:
        top = round(self.lane_middle(number) - self.lane / 2)
        return slice(top, top + self.lane)

    def _draw_position(self, place_HW3: np.ndarray, time_s: float) -> None:
        x, half = round(self.x(time_s)), max(1, self.size // 10)
        bottom = round(self.lane_middle(len(self.lanes)) - self.lane * 0.4)
        first = max(0, x - half)
        place_HW3[:bottom, max(0, first - 1) : x + half + 1] >>= 1
        place_HW3[:bottom, first : x + half] = WHITE
        now = _text(clock(time_s, tenths=True), self.size, WHITE, self.lane)
        now.lay(place_HW3, self.pad, round(self.lane_middle(len(self.lanes)) - self.lane / 2))


def _lanes(actions: Sequence[Action], most: int) -> dict[str, list[Action]]:
    """The labels with the best scores, in order of when they first come up."""
    by_label: dict[str, list[Action]] = {}
    for action in actions:
        by_label.setdefault(action.label, []).append(action)
    best = sorted(by_label, key=lambda label: -max(action.score for action in by_label[label]))[:most]
    return {label: by_label[label] for label in sorted(best, key=lambda label: min(a.start_s for a in by_label[label]))}


def span_colour(score: float) -> Colour:
    """The surer, the brighter."""
    part = min(max(score, 0.0), 1.0)
    red, green, blue = (round(faint + (strong - faint) * part) for faint, strong in zip(_FAINT, _STRONG, strict=True))
    return red, green, blue


@lru_cache(maxsize=256)
def _running(name: str, score: str, size: int, width: int, height: int) -> Tile:
    image = Image.new("RGBA", (width, height))
    draw = ImageDraw.Draw(image)
    write(draw, 0, height / 2, name, size, WHITE)
    write(draw, width - text_width(score, size), height / 2, score, size, _STRONG)
    return Tile.of(image)


@lru_cache(maxsize=256)
def _text(text: str, size: int, colour: Colour, height: int) -> Tile:
    image = Image.new("RGBA", (text_width(text, size) + 1, height))
    write(ImageDraw.Draw(image), 0, height / 2, text, size, colour)
    return Tile.of(image)

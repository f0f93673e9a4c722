"""Where the tags of people go: beside their boxes, in the picture, never over each other, and calmly.

Boxes and places are pixels: x1, y1, x2, y2. Letters: N people, M tags.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

CALM_S = 1.0  # after a tag was shortened or left out, before more of it is tried again
HIDDEN = 9  # the level of a tag that is not shown

_NUM_SIDES = 7
_ACROSS = (2, 3)
_INSIDE = _NUM_SIDES - 1
_DISLIKE = 0.12  # of each further side, as a share of the tag that covers other people
_MOST_COVER = 0.5  # of a tag, over other people, where a shorter one would do

Box = Sequence[int]
Size = tuple[int, int]  # width, height
Corner = tuple[int, int]


def beside(side: int, box: Box, size: Size) -> Corner:
    """Top left corner of a tag of this size on a side of a box; the first sides are liked best."""
    (x1, y1, x2, y2), (width, height) = box, size
    above, below = y1 - height, y2
    corners = (x1, above), (x2 - width, above), (x2, y1), (x1 - width, y1), (x1, below), (x2 - width, below), (x1, y1)
    return corners[side]


@dataclass(frozen=True, slots=True)
class Place:
    """Which of a track's tags is shown, from the longest (0) to HIDDEN, and where."""

    level: int
    side: int | None
    corner: Corner
    since_s: float  # at this level


_NEW = Place(0, None, (0, 0), -math.inf)


class Places:
    """Finds places frame after frame; a tag stays on its side of the box as long as it can."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self._last: dict[int, Place] = {}

    def __call__(
        self, time_s: float, tracks: Sequence[int], boxes_N4: np.ndarray, sizes: Sequence[Sequence[Size]]
    ) -> list[Place]:
        """For each track: `sizes` are those of its tags, longest first. Earlier tracks choose first."""
        room = _Room(self.width, self.height, boxes_N4)
        places = [
            self._place(time_s, self._last.get(track, _NEW), number, sizes[number], room)
            for number, track in enumerate(tracks)
        ]
        self._last = dict(zip(tracks, places, strict=True))
        return places

    def _place(self, time_s: float, last: Place, number: int, sizes: Sequence[Size], room: "_Room") -> Place:
        is_calm = 0 <= time_s - last.since_s < CALM_S
        shortest, first = len(sizes) - 1, 0
        if is_calm:
            first = len(sizes) if last.level == HIDDEN else min(last.level, shortest)
        level, side, corner = HIDDEN, last.side, last.corner
        for tried in range(first, len(sizes)):
            found = room.side(
                number, sizes[tried], last.side, most_cover=math.inf if tried == shortest else _MOST_COVER
            )
            if found is not None:
                level, side, corner = tried, found, room.take(number, sizes[tried], found)
                break
        return Place(level, side, corner, last.since_s if is_calm and level == last.level else time_s)


class _Room:
    """A picture with people, and the tags laid over it so far."""

    def __init__(self, width: int, height: int, boxes_N4: np.ndarray) -> None:
        self.width, self.height, self.boxes_N4 = width, height, boxes_N4
        self.boxes = boxes_N4.tolist()
        self.tags_M4 = np.zeros((len(boxes_N4), 4), int)
        self.num_tags = 0

    def take(self, number: int, size: Size, side: int) -> Corner:
        x, y = self._corner(number, size, side)
        self.tags_M4[self.num_tags] = x, y, x + size[0], y + size[1]
        self.num_tags += 1
        return x, y

    def side(self, number: int, size: Size, last: int | None, *, most_cover: float) -> int | None:
        """The side that a person's tag had, else the free one where it covers least of other people."""
        if last is not None and self._is_free(number, size, last):
            return last
        best, least = None, math.inf
        for side in range(_NUM_SIDES):
            if self._is_free(number, size, side):
                cover = self._cover(number, size, side)
                if cover <= most_cover and cover + side * _DISLIKE < least:
                    best, least = side, cover + side * _DISLIKE
        return best

    def _corner(self, number: int, size: Size, side: int) -> Corner:
        """Moved into the picture."""
        x, y = beside(side, self.boxes[number], size)
        return max(0, min(x, self.width - size[0])), max(0, min(y, self.height - size[1]))

    def _is_free(self, number: int, size: Size, side: int) -> bool:
        wished, (x, y) = beside(side, self.boxes[number], size), self._corner(number, size, side)
        if x + size[0] > self.width or y + size[1] > self.height:
            return False
        # What was moved into the picture must not have slid over its own person.
        slid = x != wished[0] if side in _ACROSS else y != wished[1]
        return (side == _INSIDE or not slid) and not _shared((x, y), size, self.tags_M4[: self.num_tags]).any()

    def _cover(self, number: int, size: Size, side: int) -> float:
        """Share of the tag that lies over other people."""
        shared_N = _shared(self._corner(number, size, side), size, self.boxes_N4)
        shared_N[number] = 0
        return float(shared_N.sum()) / (size[0] * size[1])


def _shared(corner: Corner, size: Size, boxes_N4: np.ndarray) -> np.ndarray:
    """Pixels shared with each box."""
    left, top = np.maximum(boxes_N4[:, 0], corner[0]), np.maximum(boxes_N4[:, 1], corner[1])
    right = np.minimum(boxes_N4[:, 2], corner[0] + size[0])
    bottom = np.minimum(boxes_N4[:, 3], corner[1] + size[1])
    shared_N: np.ndarray = np.maximum(right - left, 0) * np.maximum(bottom - top, 0)
    return shared_N

"""What was found, drawn over a video frame by frame: people with what they do, and a timeline below the picture."""

import numpy as np

from reports.overlay.people import MovingBoxes, Present
from reports.overlay.places import HIDDEN, Places
from reports.overlay.rows import Found
from reports.overlay.strip import TimelineStrip
from reports.overlay.tiles import Tile, font_size, outline, tag, track_colour

MOST_LABELS = 3
_TAG_WIDTH, _MOST_TAG_WIDTH = 0.36, 0.7  # of the picture: what long labels get, and where that is too little
_LEGIBLE = 14  # letters, about
_FEW_LABELS_BELOW = 300  # pixels of the short side, where three lines would hide the picture


class Overlay:
    """Draws on canvases whose upper part holds the picture; frames must come in order of time."""

    def __init__(self, found: Found, *, width: int, height: int, start_s: float, stop_s: float) -> None:
        self.width, self.height = width, height
        self.boxes = MovingBoxes(found.people)
        self.strip = TimelineStrip(found.actions, width=width, picture_height=height, start_s=start_s, stop_s=stop_s)
        short_side = min(width, height)
        self.size, self.thickness = font_size(short_side), max(2, round(short_side / 220))
        self.most_labels = MOST_LABELS if short_side >= _FEW_LABELS_BELOW else MOST_LABELS - 1
        self.tag_width = round(max(_TAG_WIDTH * width, min(_MOST_TAG_WIDTH * width, _LEGIBLE * self.size)))
        self.places = Places(width, height)
        self._tags: dict[int, list[Tile]] = {}  # of who is present, by key box

    def __call__(self, canvas_HW3: np.ndarray, time_s: float) -> None:
        present = self.boxes.at(time_s)
        self._draw_people(canvas_HW3[: self.height], present, time_s)
        self.strip.draw(canvas_HW3[self.height :], time_s)

    def _draw_people(self, picture_HW3: np.ndarray, present: Present, time_s: float) -> None:
        scale = np.array([self.width, self.height] * 2)
        boxes_N4 = np.round(np.clip(present.boxes_N4, 0, 1) * scale).astype(int)
        is_seen = (boxes_N4[:, 2:] > boxes_N4[:, :2]).all(axis=1)
        boxes_N4, tracks, keys = boxes_N4[is_seen], present.tracks_N[is_seen].tolist(), present.keys_N[is_seen].tolist()
        for track, box in zip(tracks, boxes_N4.tolist(), strict=True):
            outline(picture_HW3, box, self.thickness, track_colour(track))
        pairs = list(zip(tracks, keys, strict=True))
        self._tags = {key: self._tags.get(key) or self._tags_of(track, key) for track, key in pairs}
        tags = [self._tags[key] for key in keys]
        places = self.places(time_s, tracks, boxes_N4, [[one.size for one in several] for several in tags])
        for several, place in zip(tags, places, strict=True):
            if place.level != HIDDEN:
                several[place.level].lay(picture_HW3, *place.corner)

    def _tags_of(self, track: int, key: int) -> list[Tile]:
        """A track's tag at a key box, and the shorter ones for where it has no room."""
        labels = self.boxes.people.labels(key, self.most_labels)
        lines = tuple((label, f"{score:.2f}") for label, score in labels)
        return [
            tag(f"{track}", track_colour(track), lines[:count], self.size, self.tag_width)
            for count in sorted({len(lines), min(1, len(lines)), 0}, reverse=True)
        ]

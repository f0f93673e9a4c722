"""Frames as an animated image that every browser and viewer plays, and as a sheet of some of them.

Shape letters: N frames, T frames in time, H rows, W columns, C colours.
"""

from pathlib import Path

import numpy as np
from PIL import Image

from annotations.files import replacing

FORMATS = {".gif": "GIF", ".webp": "WEBP"}

_QUALITY = 90  # of WebP
_GIF_TICK_MS = 10
_GAP = 2  # pixels between the frames of a sheet


def write_animation(frames_THWC: np.ndarray, path: Path, *, rate: float) -> None:
    """An endless loop at `rate` frames a second, as the suffix says, whole or not at all.

    GIF knows hundredths of a second: a frame lasts the nearest number of them that viewers keep to, 2 at least. A frame
    that is exactly the one before may be kept as more time for that one. Raises AnnotationError if the place is
    refused.
    """
    form = FORMATS[path.suffix.lower()]
    first, *others = [Image.fromarray(frame_HWC) for frame_HWC in frames_THWC]
    duration_ms = _gif_duration_ms(rate) if form == "GIF" else round(1000 / rate)
    own = {"disposal": 1} if form == "GIF" else {"quality": _QUALITY}
    with replacing(path) as temp:
        first.save(temp, form, save_all=True, append_images=others, duration=duration_ms, loop=0, **own)


def write_sheet(frames_THWC: np.ndarray, path: Path, *, columns: int = 4, rows: int = 2) -> None:
    """A PNG of evenly spaced frames, the first and the last among them, in reading order, whole or not at all.

    Raises AnnotationError if the place is refused.
    """
    chosen = np.linspace(0, len(frames_THWC) - 1, min(columns * rows, len(frames_THWC))).round().astype(int)
    height, width = (side + _GAP for side in frames_THWC.shape[1:3])
    lines = -(-len(chosen) // columns)
    sheet = Image.new("RGB", (width * min(columns, len(chosen)) - _GAP, height * lines - _GAP), "white")
    for place, number in enumerate(chosen):
        sheet.paste(Image.fromarray(frames_THWC[number]), (width * (place % columns), height * (place // columns)))
    with replacing(path) as temp:
        sheet.save(temp, "PNG")


def _gif_duration_ms(rate: float) -> int:
    return max(round(1000 / rate / _GIF_TICK_MS), 2) * _GIF_TICK_MS

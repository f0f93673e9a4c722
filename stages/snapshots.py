"""Pictures of a video at single instants, in one pass. Knows nothing of what they are for."""

from collections import deque
from collections.abc import Iterator, Sequence
from fractions import Fraction
from math import floor, inf

import numpy as np

from pipeline.records import Video
from stages.frames import FrameReader, Shown, reading
from stages.picture import Picture, Size
from stages.probe import UNREADABLE

SEEK_BEYOND_S = 5.0  # decoding on over so much costs about as much as a seek, which lands on the key frame before


def snapshots(video: Video, times_s: Sequence[float], size: Size) -> Iterator[tuple[float, np.ndarray]]:
    """What is on screen at each instant, in order of time: (seconds, picture (height, width, 3) of uint8).

    Instants beyond the end are left out, and those at which nothing can be read. Raises VideoError if the video cannot
    be opened any more.
    """
    picture = Picture(video, size)
    left = deque(sorted(set(times_s)))
    with reading(video) as reader:
        while left:
            try:
                for time_s, frame in _without_a_seek(reader, left):
                    yield time_s, picture(frame.frame)
            except UNREADABLE:
                if left:
                    left.popleft()


def _without_a_seek(reader: FrameReader, left: deque[float]) -> Iterator[tuple[float, Shown]]:
    """From the first instant left up to a gap that is worth a seek, or to the end of the video; takes from `left`."""
    far_s, sought_s = SEEK_BEYOND_S if reader.packets.seekable else inf, left[0]
    for shown, until in _on_screen(reader.frames_from(floor(Fraction(sought_s) / reader.tick))):
        until_s = float(until * reader.tick)
        while left and left[0] < until_s:
            yield left.popleft(), shown
        if not left or (left[0] > sought_s and left[0] - until_s > far_s):
            return
    left.clear()


def _on_screen(frames: Iterator[Shown]) -> Iterator[tuple[Shown, int]]:
    """Each frame and the tick up to which it is on screen."""
    current: Shown | None = None
    for following in frames:
        if current is not None:
            yield current, following.start
        current = following
    if current is not None:
        yield current, current.stop

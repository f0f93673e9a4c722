"""Which instants of which videos get a picture, when there is room for so many. Knows no files."""

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterator, Sequence

import numpy as np

from reports.page.rows import ReportRows, of_video

MOST_A_VIDEO = 150  # each costs a seek
FIRST = 12  # of a video's best: each its middle, before any other picture
PARTS = (1 / 2, 1 / 6, 5 / 6)  # of a detection, the middle first
_NEAR, _NEAREST_S, _FARTHEST_S = 1 / 8, 0.1, 2.0  # part of a detection's length within which it takes another's picture


def wanted_instants(rows: ReportRows, numbers: Sequence[int], most: int) -> dict[int, list[float]]:
    """For each of these videos the instants of its pictures, seconds, the most wanted first; at most so many in all.

    Each video in turn wants one more, those with the surest detections first.
    """
    wishes = {number: _wishes(*_spans(rows, number)) for number in numbers}
    wanted: dict[int, list[float]] = {number: [] for number in numbers}
    turns, left = deque(sorted(numbers, key=lambda number: -_best(rows, number))), most
    while turns and left > 0:
        number = turns.popleft()
        instant_s = next(wishes[number], None)
        if instant_s is not None:
            wanted[number].append(instant_s)
            left -= 1
            if len(wanted[number]) < MOST_A_VIDEO:
                turns.append(number)
    return wanted


def _best(rows: ReportRows, number: int) -> float:
    return float(rows.detections.score_N[of_video(rows.detections.video_N, number)].max(initial=0.0))


def _spans(rows: ReportRows, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Starts and stops of a video's detections, as far as the video reaches, the surest first."""
    place = of_video(rows.detections.video_N, number)
    order = np.argsort(-rows.detections.score_N[place], kind="stable")
    end_s = rows.videos[number]["duration_s"] or np.inf
    return rows.detections.start_s_N[place][order], np.minimum(rows.detections.stop_s_N[place][order], end_s)


def _wishes(starts_s: np.ndarray, stops_s: np.ndarray) -> Iterator[float]:
    """Instants in order of how much they are wanted, none that has a near one before it."""
    taken: list[float] = []
    first, rest = range(min(FIRST, len(starts_s))), range(FIRST, len(starts_s))
    order = [(one, part) for part in PARTS for one in first] + [(one, part) for one in rest for part in PARTS]
    for one, part in order:
        start_s, stop_s = float(starts_s[one]), float(stops_s[one])
        wish_s = round(start_s + part * (stop_s - start_s), 3)
        reach_s = min(max((stop_s - start_s) * _NEAR, _NEAREST_S), _FARTHEST_S)
        if start_s < stop_s and not _has_one(taken, max(start_s, wish_s - reach_s), min(stop_s, wish_s + reach_s)):
            insort(taken, wish_s)
            yield wish_s


def _has_one(times_s: list[float], start_s: float, stop_s: float) -> bool:
    """Whether one of these sorted times lies in [start, stop)."""
    place = bisect_left(times_s, start_s)
    return place < len(times_s) and times_s[place] < stop_s

"""Boxes of people linked into tracks over a whole video, on key frames that may be a second and more apart.

Per key frame the links of least cost are made, first to boxes of high score, then to the rest (in the way of ByteTrack,
arXiv 2110.06864). Only a box of high score begins a track; then, against the order of time, tracks take in low ones
that led to their first box. Tracks end at a cut.

Shape letters: F key frames, N boxes, R boxes of one key frame, M cuts, L numbers of a look; 2 is across and down.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from detectors.persons.following import Following, LinkSettings, Seen

NO_TRACK = -1
UPPER_BODY = 0.25  # of a box from its top: where its person is said to be, since legs are hidden more often
LEAST_SIZE = 0.01  # heights of the picture
SAME_PERSON = 0.6  # of the smaller of two boxes that lies in the other: both may be of one person
REPEATED_COST = 3.0  # added to a link of a box that may be of the same person as a better one


@dataclass(frozen=True, eq=False, slots=True)
class _Frame:
    """A key frame with boxes."""

    time_s: float
    shot: int
    rows_R: np.ndarray
    boxes_R4: np.ndarray
    scores_R: np.ndarray


def track(
    times_F: np.ndarray,
    frame_N: np.ndarray,
    boxes_N4: np.ndarray,
    scores_N: np.ndarray,
    looks_NL: np.ndarray,
    cuts_M: np.ndarray,
    *,
    aspect: float,
    high_score: float,
    low_score: float,
    max_gap_s: float,
    max_cost: float,
    speed: float,
    looks_weight: float,
) -> np.ndarray:
    """Track number (N,) of each box; -1 of low ones that fit no track and of repeated ones of a person that has one.

    `frame_N` ascends; boxes are in 0..1 of a picture `aspect` times as wide as high. Numbers are 0, 1, 2, ... by first
    appearance, from left to right where it is the same. The order of boxes within a key frame does not matter. Without
    looks (L = 0) boxes are linked by place and size alone.
    """
    looks_weight = looks_weight if looks_NL.shape[1] else 0.0
    links = LinkSettings(max_gap_s=max_gap_s, max_cost=max_cost, speed=speed, looks_weight=looks_weight)
    order_N = np.lexsort((scores_N, *boxes_N4.T[::-1], frame_N))
    boxes_N4, scores_N = boxes_N4[order_N].astype(np.float64), scores_N[order_N]
    seen = _seen(boxes_N4, looks_NL[order_N], aspect)
    frames = _frames(times_F, frame_N, boxes_N4, scores_N, cuts_M)
    numbers_N = _follow(Following(seen, links), frames, len(frame_N), high_score, low_score)
    _lead_back(Following(seen, links), reversed(frames), numbers_N, low_score)
    tracks_N = np.empty_like(numbers_N)
    tracks_N[order_N] = _by_appearance(numbers_N)
    return tracks_N


def _seen(boxes_N4: np.ndarray, looks_NL: np.ndarray, aspect: float) -> Seen:
    x1, y1, x2, y2 = boxes_N4.T
    place_N2 = np.stack([(x1 + x2) / 2 * aspect, y1 + UPPER_BODY * (y2 - y1)], axis=1)
    size_N = np.maximum(np.maximum((x2 - x1) * aspect, y2 - y1), LEAST_SIZE)
    return Seen(place_N2, size_N, looks_NL.astype(np.float32))


def _frames(
    times_F: np.ndarray, frame_N: np.ndarray, boxes_N4: np.ndarray, scores_N: np.ndarray, cuts_M: np.ndarray
) -> list[_Frame]:
    bounds = np.searchsorted(frame_N, np.arange(len(times_F) + 1)).tolist()
    shots = np.searchsorted(np.sort(cuts_M), times_F, side="right").tolist()
    each = zip(times_F.tolist(), shots, bounds[:-1], bounds[1:], strict=True)
    return [
        _Frame(time_s, shot, np.arange(start, stop), boxes_N4[start:stop], scores_N[start:stop])
        for time_s, shot, start, stop in each
        if start < stop
    ]


def _same_person(boxes_R4: np.ndarray) -> np.ndarray:
    """Which boxes (R, R) of a key frame, given from left to right, may be of one person; none is so with itself."""
    left, stops = boxes_R4[:, 0], np.searchsorted(boxes_R4[:, 0], boxes_R4[:, 2])
    counts = np.maximum(stops - np.arange(len(left)) - 1, 0)  # of boxes farther right that begin within this one
    one = np.repeat(np.arange(len(left)), counts)
    other = one + 1 + np.arange(len(one)) - np.repeat(np.cumsum(counts) - counts, counts)
    sides_P2 = np.minimum(boxes_R4[one, 2:], boxes_R4[other, 2:]) - np.maximum(boxes_R4[one, :2], boxes_R4[other, :2])
    common_P = np.maximum(sides_P2, 0).prod(axis=1)
    areas_R = (boxes_R4[:, 2:] - boxes_R4[:, :2]).prod(axis=1)
    is_same_P = (common_P > 0) & (common_P >= SAME_PERSON * np.minimum(areas_R[one], areas_R[other]))
    is_same_RR = np.zeros((len(left), len(left)), bool)
    is_same_RR[one[is_same_P], other[is_same_P]] = True
    return is_same_RR | is_same_RR.T


def _follow(
    following: Following, frames: Iterable[_Frame], count: int, high_score: float, low_score: float
) -> np.ndarray:
    """Numbers (N,) of tracks in the order in which they began."""
    numbers_N, begun = np.full(count, NO_TRACK, np.int64), 0
    for frame in frames:
        following.move_on(frame.time_s, frame.shot)
        is_same_RR = _same_person(frame.boxes_R4)
        is_better_RR = is_same_RR & (frame.scores_R > frame.scores_R[:, None])
        extra_cost_R = np.where(is_better_RR.any(axis=1), REPEATED_COST, 0.0)
        is_high_R, is_low_R = frame.scores_R >= high_score, frame.scores_R >= low_score
        is_free_K = np.ones(len(following.numbers), bool)
        for is_next_R in (is_high_R, is_low_R & ~is_high_R):
            rows, numbers = following.link(frame.rows_R[is_next_R], is_free_K, extra_cost_R[is_next_R])
            numbers_N[rows] = numbers
            is_free_K &= ~np.isin(following.numbers, numbers)
        begins = _beginning(is_high_R, numbers_N[frame.rows_R] != NO_TRACK, is_same_RR, frame.scores_R)
        new = frame.rows_R[begins]
        numbers_N[new] = np.arange(begun, begun + len(new))
        following.take(new, numbers_N[new])
        begun += len(new)
    return numbers_N


def _beginning(
    may_begin_R: np.ndarray, has_track_R: np.ndarray, is_same_RR: np.ndarray, scores_R: np.ndarray
) -> list[int]:
    """Boxes that begin a track, the best first: of nobody who has one."""
    begins, has_track_R = [], has_track_R.copy()
    for one in np.argsort(-scores_R, kind="stable").tolist():
        if may_begin_R[one] and not has_track_R[one] and not has_track_R[is_same_RR[one]].any():
            has_track_R[one] = True
            begins.append(one)
    return begins


def _lead_back(following: Following, frames: Iterable[_Frame], numbers_N: np.ndarray, low_score: float) -> None:
    """Give the numbers of tracks to boxes without one that led to their first box."""
    first_rows = np.full(numbers_N.max(initial=NO_TRACK) + 1, len(numbers_N))
    tracked = np.flatnonzero(numbers_N != NO_TRACK)
    np.minimum.at(first_rows, numbers_N[tracked], tracked)
    for frame in frames:
        following.move_on(frame.time_s, frame.shot)
        has_track_R = numbers_N[frame.rows_R] != NO_TRACK
        rows = frame.rows_R[has_track_R]
        following.take(rows, numbers_N[rows])
        is_repeated_R = _same_person(frame.boxes_R4)[:, has_track_R].any(axis=1)
        is_free_R = ~has_track_R & ~is_repeated_R & (frame.scores_R >= low_score)
        begins_later_K = first_rows[following.numbers] > frame.rows_R[-1]
        rows, numbers = following.link(frame.rows_R[is_free_R], begins_later_K, np.zeros(is_free_R.sum()))
        numbers_N[rows] = numbers


def _by_appearance(numbers_N: np.ndarray) -> np.ndarray:
    tracked = np.flatnonzero(numbers_N != NO_TRACK)
    _, first_rows, track_of_each = np.unique(numbers_N[tracked], return_index=True, return_inverse=True)
    new_numbers = np.argsort(np.argsort(first_rows))
    tracks_N = numbers_N.copy()
    tracks_N[tracked] = new_numbers[track_of_each]
    return tracks_N

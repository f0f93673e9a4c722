"""The tracks that may go on, moved from one key frame to the next, and their links to its boxes at least cost.

A link costs what it surprises: by the place (motion.py), by the size, by the looks.

Shape letters: N boxes of a video, K tracks that may go on, R rows of boxes, P pairs of a track and a row, L numbers of
a look; 2 is across and down.
"""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from scipy.optimize import linear_sum_assignment

from detectors.persons.looks import similarity
from detectors.persons.motion import Motion, after, first_seen, seen_at, surprise, within_reach

SIZE_SPREAD = 0.15  # of the logarithm of a person's size between boxes; misses are frequent, so it is Laplace's
USUAL_DIFFERENCE = 0.06  # in looks: less speaks for a link, more against it
MOST_BY_LOOKS = 5.0  # that looks can add to the cost of a link
NEWS = 0.5  # share of the latest box in what is known of a track's size and looks
_Rows = TypeVar("_Rows", Motion, "_Known")


@dataclass(frozen=True, slots=True)
class LinkSettings:
    """Which links may be made."""

    max_gap_s: float
    max_cost: float
    speed: float
    looks_weight: float


@dataclass(frozen=True, eq=False, slots=True)
class Seen:
    """All boxes of a video as far as links ask for them."""

    place_N2: np.ndarray  # heights of the picture
    size_N: np.ndarray
    looks_NL: np.ndarray


@dataclass(frozen=True, eq=False, slots=True)
class _Known:
    numbers_K: np.ndarray
    last_s_K: np.ndarray  # when they were seen last
    size_K: np.ndarray
    looks_KL: np.ndarray


class Following:
    """Follows tracks through key frames, in the order of time or against it."""

    def __init__(self, seen: Seen, settings: LinkSettings) -> None:
        self._seen, self._settings = seen, settings
        self._time_s, self._shot = 0.0, 0
        self._known, self._motion = self._at_first(np.zeros(0, np.int64), np.zeros(0, np.int64))

    @property
    def numbers(self) -> np.ndarray:
        """Of the tracks that may go on (K,)."""
        return self._known.numbers_K

    def move_on(self, time_s: float, shot: int) -> None:
        """To another key frame; tracks end with their shot, and when they were not seen for too long."""
        elapsed_s, is_same_shot = abs(time_s - self._time_s), shot == self._shot
        self._time_s, self._shot = time_s, shot
        missed_s_K = np.abs(time_s - self._known.last_s_K)
        goes_on_K = (missed_s_K <= self._settings.max_gap_s + 1e-6) & is_same_shot
        if not goes_on_K.all():
            self._known, self._motion = _picked(self._known, goes_on_K), _picked(self._motion, goes_on_K)
        self._motion = after(self._motion, elapsed_s, self._known.size_K, self._settings.speed)

    def link(self, rows_R: np.ndarray, among_K: np.ndarray, extra_cost_R: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Of these rows those that go on with one of the tracks `among_K`, and the numbers of their tracks."""
        tracks = np.flatnonzero(among_K)
        if len(tracks) and len(rows_R):
            track_P, row_P, cost_P = self._links(tracks, rows_R, extra_cost_R)
            chosen = _cheapest(track_P, row_P, cost_P, self._settings.max_cost)
            tracks, rows_R = track_P[chosen], row_P[chosen]
            self._go_on(tracks, rows_R)
            return rows_R, self.numbers[tracks]
        return rows_R[:0], self.numbers[:0]

    def take(self, rows_R: np.ndarray, numbers_R: np.ndarray) -> None:
        """Let these rows be the next boxes of the tracks with these numbers, or their first ones."""
        by_number = np.argsort(self.numbers)
        place_R = np.searchsorted(self.numbers, numbers_R, sorter=by_number)
        is_known_R = np.isin(numbers_R, self.numbers)
        self._go_on(by_number[place_R[is_known_R]], rows_R[is_known_R])
        if not is_known_R.all():
            known, motion = self._at_first(rows_R[~is_known_R], numbers_R[~is_known_R])
            self._known, self._motion = _joined(self._known, known), _joined(self._motion, motion)

    def _at_first(self, rows_R: np.ndarray, numbers_R: np.ndarray) -> tuple[_Known, Motion]:
        size_R = self._seen.size_N[rows_R]
        known = _Known(numbers_R, np.full(len(rows_R), self._time_s), size_R, self._seen.looks_NL[rows_R])
        return known, first_seen(self._seen.place_N2[rows_R], size_R, self._settings.speed)

    def _links(
        self, tracks: np.ndarray, rows_R: np.ndarray, extra_cost_R: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Tracks, rows and costs (P,) of the links that cost less than `max_cost`."""
        known, seen, settings = self._known, self._seen, self._settings
        motion = _picked(self._motion, tracks)
        most_surprise = settings.max_cost + settings.looks_weight * USUAL_DIFFERENCE
        near = within_reach(motion, known.size_K[tracks], seen.place_N2[rows_R], most_surprise)
        track_P, row_P = tracks[near[0]], rows_R[near[1]]
        size_P, seen_size_P = known.size_K[track_P], seen.size_N[row_P]
        cost_P = surprise(_picked(motion, near[0]), size_P, seen.place_N2[row_P], seen_size_P)
        cost_P += extra_cost_R[near[1]] + np.abs(np.log(seen_size_P / size_P)) / SIZE_SPREAD
        difference_P = 1 - similarity(known.looks_KL[track_P], seen.looks_NL[row_P])
        cost_P += np.minimum(settings.looks_weight * (difference_P - USUAL_DIFFERENCE), MOST_BY_LOOKS)
        is_cheap_P = cost_P < settings.max_cost
        return track_P[is_cheap_P], row_P[is_cheap_P], cost_P[is_cheap_P]

    def _go_on(self, tracks: np.ndarray, rows_R: np.ndarray) -> None:
        known, motion, size_R = self._known, self._motion, self._seen.size_N[rows_R]
        seen = seen_at(_picked(motion, tracks), self._seen.place_N2[rows_R], size_R)
        for name in motion.__slots__:
            getattr(motion, name)[tracks] = getattr(seen, name)
        known.last_s_K[tracks] = self._time_s
        known.size_K[tracks] = known.size_K[tracks] ** (1 - NEWS) * size_R**NEWS
        # Looks are roots of shares: their mean is shorter than 1 and is stretched again.
        mixed_RL = (1 - NEWS) * known.looks_KL[tracks] + NEWS * self._seen.looks_NL[rows_R]
        lengths_R1 = np.linalg.norm(mixed_RL, axis=1, keepdims=True)
        known.looks_KL[tracks] = mixed_RL / np.maximum(lengths_R1, 1e-6)


def _cheapest(track_P: np.ndarray, row_P: np.ndarray, cost_P: np.ndarray, max_cost: float) -> np.ndarray:
    """Which links together cost least, each track and each row in one at most and every one left out at `max_cost`."""
    tracks, track_place_P = np.unique(track_P, return_inverse=True)
    rows, row_place_P = np.unique(row_P, return_inverse=True)
    link_at = np.full((len(tracks), len(rows)), -1)
    link_at[track_place_P, row_place_P] = np.arange(len(cost_P))
    cost_KR = np.full(link_at.shape, max_cost)
    cost_KR[track_place_P, row_place_P] = cost_P
    chosen = link_at[linear_sum_assignment(cost_KR)]
    return np.asarray(chosen[chosen >= 0])


def _picked(record: _Rows, rows: np.ndarray) -> _Rows:
    return type(record)(*(getattr(record, name)[rows] for name in record.__slots__))


def _joined(record: _Rows, other: _Rows) -> _Rows:
    return type(record)(*(np.concatenate([getattr(record, name), getattr(other, name)]) for name in record.__slots__))

"""Where people are at any instant: boxes of key frames joined by straight lines.

Letters: K key boxes, N people at an instant.
"""

from dataclasses import dataclass

import numpy as np

from reports.overlay.rows import People

USUAL_PERIOD_S = 1.0
MOST_PERIODS = 2.5  # between two key boxes that are joined: a detector may miss one key frame


@dataclass(frozen=True, eq=False, slots=True)
class Present:
    """Who is in the picture at an instant, in order of track."""

    tracks_N: np.ndarray
    boxes_N4: np.ndarray  # x1 y1 x2 y2, 0..1
    keys_N: np.ndarray  # the nearest key box of each


class MovingBoxes:
    """Key boxes near in time are joined; a track's first and last of them are held for half a key frame's period."""

    def __init__(self, people: People) -> None:
        self.people = people
        times_K = people.times_K
        period_s = key_frame_period_s(times_K)
        gaps = np.diff(times_K)
        is_joined = (np.diff(people.tracks_K) == 0) & (gaps <= MOST_PERIODS * period_s)
        self.is_joined_K = np.append(is_joined, False)[: len(people)]  # to the next
        follows_K = np.append(False, is_joined)[: len(people)]
        self.from_K = np.where(follows_K, times_K, times_K - period_s / 2)
        self.until_K = np.where(self.is_joined_K, np.append(times_K[1:], 0.0)[: len(people)], times_K + period_s / 2)
        self.order = np.argsort(self.from_K, kind="stable")
        self.sorted_from = self.from_K[self.order]
        self.longest_s = float((self.until_K - self.from_K).max(initial=0.0))

    def at(self, time_s: float) -> Present:
        first = np.searchsorted(self.sorted_from, time_s - self.longest_s)
        stop = np.searchsorted(self.sorted_from, time_s, side="right")
        keys = np.sort(self.order[first:stop])
        keys = keys[self.until_K[keys] > time_s]
        following = np.where(self.is_joined_K[keys], keys + 1, keys)
        boxes_K4, times_K = self.people.boxes_K4, self.people.times_K
        lengths_s = np.where(following > keys, times_K[following] - times_K[keys], 1.0)
        part = np.where(following > keys, np.clip((time_s - times_K[keys]) / lengths_s, 0, 1), 0)[:, None]
        boxes_N4 = boxes_K4[keys] * (1 - part) + boxes_K4[following] * part
        return Present(self.people.tracks_K[keys], boxes_N4, np.where(part[:, 0] < 0.5, keys, following))


def key_frame_period_s(times_s: np.ndarray) -> float:
    """Usual distance of the key frames that have people, whosever they are."""
    gaps = np.diff(np.unique(times_s))
    return float(np.median(gaps)) if len(gaps) else USUAL_PERIOD_S

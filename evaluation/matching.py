"""Which ground truth each detected span takes, by the rule of ActivityNet's and THUMOS' evaluation.

Of one class, the best score chooses first: the ground truth of its video with the highest tIoU, if that is at least the
threshold and nobody has it; if somebody has, the next highest. Who finds none is a false positive.

Shape letters: T thresholds, N predictions, G ground truths, K pairs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from annotations.records import LabelledSpans
from evaluation.pairs import Pairs, overlapping_spans
from evaluation.ranking import count_by_name, name_ranks, numbers_in


@dataclass(frozen=True, eq=False, slots=True)
class LeftOut:
    """Predictions that were counted nowhere, by name; one that is in both is counted in both."""

    labels: dict[str, int]  # that the ground truth does not know
    videos: dict[str, int]  # that the ground truth does not list


@dataclass(frozen=True, eq=False, slots=True)
class Matches:
    """Predictions by class, best first within a class, and what each took at each threshold."""

    found: LabelledSpans  # in that order, with the ground truth's numbers of videos and labels
    truth_TN: np.ndarray  # int64 index of the ground truth, -1 for a false positive
    slices: tuple[slice, ...]  # of each label of the ground truth, its predictions
    left_out: LeftOut


def checked_tious(tious: Sequence[float] | np.ndarray) -> np.ndarray:
    """The thresholds as float64 (T,). Raises ValueError if there are none or one is not in (0, 1]."""
    tious_T = np.asarray(tious, dtype=np.float64).reshape(-1)
    if len(tious_T) == 0 or not ((tious_T > 0) & (tious_T <= 1)).all():
        raise ValueError(f"tIoU thresholds must be above 0 and at most 1, got {tious_T.tolist()}")
    return tious_T


def match(truth: LabelledSpans, found: LabelledSpans, tious_T: np.ndarray) -> Matches:
    """Match by the names of videos and labels. Raises ValueError if the predictions have no scores."""
    known, left_out = _known_best_first(truth, found)
    num_videos = len(truth.videos)
    pairs = overlapping_spans(
        known.spans_N2,
        known.label_N * num_videos + known.video_N,
        truth.spans_N2,
        truth.label_N * num_videos + truth.video_N,
        min_tiou=float(tious_T.min()),
    )
    truth_TN = np.stack([claim(pairs.where(pairs.iou_K >= tiou), len(known), len(truth)) for tiou in tious_T])
    borders = np.searchsorted(known.label_N, np.arange(len(truth.labels) + 1))
    slices = tuple(slice(begin, end) for begin, end in pairwise(borders.tolist()))
    return Matches(known, truth_TN, slices, left_out)


def claim(pairs: Pairs, num_found: int, num_truth: int) -> np.ndarray:
    """What each prediction takes (N,), -1 for nothing; the lower index chooses first.

    Choosing one after the other gives the only stable matching, as every ground truth prefers the lower index. So all
    may ask at once: who is refused, or pushed out by a lower index, asks its next best, until nobody asks. A pair's
    place in `pairs` serves as its priority.
    """
    held_by_G = np.full(num_truth, len(pairs.found_K))
    is_first_K = np.diff(pairs.found_K, prepend=-1) > 0
    asking = np.flatnonzero(is_first_K)
    while len(asking):
        asked = pairs.truth_K[asking]
        before = held_by_G[asked]
        np.minimum.at(held_by_G, asked, asking)
        pushed_out = np.unique(before[before > held_by_G[asked]])
        refused = asking[asking > held_by_G[asked]]
        asking = np.concatenate([refused, pushed_out]) + 1
        asking = asking[asking < len(is_first_K)]
        asking = asking[~is_first_K[asking]]
    truth_N = np.full(num_found, -1, dtype=np.int64)
    taken_G = np.flatnonzero(held_by_G < len(pairs.found_K))
    truth_N[pairs.found_K[held_by_G[taken_G]]] = taken_G
    return truth_N


def _known_best_first(truth: LabelledSpans, found: LabelledSpans) -> tuple[LabelledSpans, LeftOut]:
    """The predictions that count, in the ground truth's numbers, and what does not count.

    They are sorted by label, then by (-score, video's name, start), then as given.
    """
    if found.scores_N is None:
        raise ValueError("predictions without scores cannot be ranked: give each a score")
    label_N = numbers_in(found.labels, truth.labels)[found.label_N]
    video_N = numbers_in(found.videos, truth.videos)[found.video_N]
    left_out = LeftOut(
        labels=count_by_name(found.labels, found.label_N[label_N < 0]),
        videos=count_by_name(found.videos, found.video_N[video_N < 0]),
    )
    kept = np.flatnonzero((label_N >= 0) & (video_N >= 0))
    ranks = name_ranks(truth.videos)[video_N[kept]]
    kept = kept[np.lexsort((found.spans_N2[kept, 0], ranks, -found.scores_N[kept], label_N[kept]))]
    known = LabelledSpans(
        truth.videos, truth.labels, video_N[kept], found.spans_N2[kept], label_N[kept], found.scores_N[kept]
    )
    return known, left_out

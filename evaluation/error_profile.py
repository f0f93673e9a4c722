"""What false positives of a detector of spans are made of, as DETAD tells it (Alwassel et al., ECCV 2018).

Each class is judged by its best 10 G predictions, G being its number of ground truths. A prediction that takes no
ground truth is named after the one, of any class, that it overlaps most in its video; where its own class and another
tie, its own counts.

Shape letters: T thresholds, N predictions, G ground truths, C classes, S steps of G predictions, K kinds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from annotations.records import LabelledSpans
from evaluation.average_precision import interpolated_ap
from evaluation.matching import LeftOut, Matches, checked_tious, match
from evaluation.pairs import overlapping_spans
from evaluation.ranking import rank_in_group
from evaluation.temporal import PROTOCOLS

NUM_STEPS = 10
BACKGROUND_BELOW = 0.1  # tIoU


class Kind(IntEnum):
    """By the highest tIoU with a ground truth, t being the threshold."""

    TRUE_POSITIVE = 0
    DOUBLE_DETECTION = 1  # at least t, right label: another prediction took it
    WRONG_LABEL = 2  # at least t, another label
    LOCALIZATION = 3  # 0.1 to t, right label
    CONFUSION = 4  # 0.1 to t, another label
    BACKGROUND = 5  # below 0.1


@dataclass(frozen=True, eq=False, slots=True)
class ErrorProfile:
    """Figures are in 0..1; columns are in the order of Kind."""

    tiou: float  # of the counts
    counts_SK: np.ndarray  # row s: each class' predictions from its s*G-th best to its (s+1)*G-th
    tious: tuple[float, ...]  # of the average mAP
    average_map: float  # of the best 10 G predictions
    gains_K: np.ndarray  # what average_map gains without the false positives of a kind, 0 for true positives
    left_out: LeftOut

    @property
    def top_shares(self) -> np.ndarray:
        """What the best (s+1)*G predictions are made of (S, K); NaN where there is none."""
        sums_SK = np.cumsum(self.counts_SK, axis=0)
        totals_S1 = sums_SK.sum(axis=1, keepdims=True)
        shares_SK: np.ndarray = np.divide(sums_SK, totals_S1, out=np.full(sums_SK.shape, np.nan), where=totals_S1 > 0)
        return shares_SK


def error_profile(
    truth: LabelledSpans,
    found: LabelledSpans,
    *,
    tiou: float = 0.5,
    tious: Sequence[float] = PROTOCOLS["activitynet"],
    normalised: bool = False,
) -> ErrorProfile:
    """Kinds of error at `tiou`, and what each costs on average over `tious`.

    DETAD's own figures of the cost are of `normalised` AP: interpolated_ap with the mean count of ground truths of a
    class for C. Raises ValueError for missing scores or wrong thresholds.
    """
    tious_T = checked_tious(tious)
    matches = match(truth, found, checked_tious([tiou, *tious_T]))
    kinds_TN = _kinds(truth, matches, np.array([tiou, *tious_T]))
    counts_C = np.bincount(truth.label_N, minlength=len(truth.labels))
    steps_N = rank_in_group(matches.found.label_N) // np.maximum(counts_C, 1)[matches.found.label_N]
    # A class without ground truth has no G, thus no predictions to judge.
    steps_N = np.where(counts_C[matches.found.label_N] > 0, steps_N, NUM_STEPS)
    is_judged_N = steps_N < NUM_STEPS
    cells = steps_N[is_judged_N] * len(Kind) + kinds_TN[0, is_judged_N]
    without_K = _average_maps(kinds_TN[1:], is_judged_N, matches.slices, counts_C, normalised=normalised)
    return ErrorProfile(
        tiou=tiou,
        counts_SK=np.bincount(cells, minlength=NUM_STEPS * len(Kind)).reshape(NUM_STEPS, len(Kind)),
        tious=tuple(tious_T.tolist()),
        average_map=float(without_K[Kind.TRUE_POSITIVE]),
        gains_K=without_K - without_K[Kind.TRUE_POSITIVE],
        left_out=matches.left_out,
    )


def _kinds(truth: LabelledSpans, matches: Matches, tious_T: np.ndarray) -> np.ndarray:
    """The kind of each prediction at each threshold (T, N)."""
    found = matches.found
    pairs = overlapping_spans(
        found.spans_N2, found.video_N, truth.spans_N2, truth.video_N, min_tiou=min(BACKGROUND_BELOW, tious_T.min())
    )
    is_own_K = found.label_N[pairs.found_K] == truth.label_N[pairs.truth_K]
    best_N, best_own_N = np.zeros(len(found)), np.zeros(len(found))
    np.maximum.at(best_N, pairs.found_K, pairs.iou_K)
    np.maximum.at(best_own_N, pairs.found_K[is_own_K], pairs.iou_K[is_own_K])
    is_right_label_N = best_own_N == best_N
    return np.stack(
        [
            np.select(
                [truth_N >= 0, best_N >= tiou, best_N >= BACKGROUND_BELOW],
                [
                    np.full(len(found), Kind.TRUE_POSITIVE),
                    np.where(is_right_label_N, Kind.DOUBLE_DETECTION, Kind.WRONG_LABEL),
                    np.where(is_right_label_N, Kind.LOCALIZATION, Kind.CONFUSION),
                ],
                Kind.BACKGROUND,
            )
            for truth_N, tiou in zip(matches.truth_TN, tious_T, strict=True)
        ]
    )


def _average_maps(
    kinds_TN: np.ndarray, is_judged_N: np.ndarray, slices: Sequence[slice], counts_C: np.ndarray, *, normalised: bool
) -> np.ndarray:
    """Average mAP without each kind of false positive (K,); the first, true positives, is that with all."""
    with_truth = np.flatnonzero(counts_C)
    norm_count = float(counts_C[with_truth].mean()) if normalised and len(with_truth) else None
    ap_CK = np.full((len(with_truth), len(Kind)), np.nan)
    for row, label in enumerate(with_truth.tolist()):
        own = slices[label]
        judged_TN = kinds_TN[:, own][:, is_judged_N[own]]
        aps_TK = [_aps_without(kinds_N, int(counts_C[label]), norm_count) for kinds_N in judged_TN]
        ap_CK[row] = np.mean(aps_TK, axis=0)
    return np.mean(ap_CK, axis=0) if len(with_truth) else np.full(len(Kind), np.nan)


def _aps_without(kinds_N: np.ndarray, num_truth: int, norm_count: float | None) -> list[float]:
    """AP of a class without each kind of false positive (K,)."""
    left = [kinds_N if kind is Kind.TRUE_POSITIVE else kinds_N[kinds_N != kind] for kind in Kind]
    hits = [left_N[None] == Kind.TRUE_POSITIVE for left_N in left]
    return [float(interpolated_ap(hits_1N, num_truth, norm_count=norm_count)[0]) for hits_1N in hits]

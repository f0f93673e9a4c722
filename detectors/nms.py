"""Non-maximum suppression of spans in time, as ActionFormer does it (arXiv 2202.07925, libs/utils/nms.py).

Shape letters: N and M spans; a span is (start, stop) in seconds.
"""

from typing import Literal

import numpy as np
import numpy.typing as npt

Method = Literal["hard", "linear", "gaussian"]
Kept = tuple[np.ndarray, np.ndarray, np.ndarray | None]
Settings = tuple[Method, float, float, float, int]  # method, iou_threshold, sigma, min_score, max_detections

LENGTH_EPSILON_S = 1e-6  # the reference adds it to every length, so that spans without length divide by no zero


def pairwise_iou(
    spans_N2: npt.ArrayLike, others_M2: npt.ArrayLike, *, length_epsilon_s: float = LENGTH_EPSILON_S
) -> np.ndarray:
    """Temporal IoU (N, M); a span that stops before it starts counts as empty, and two empty spans have IoU 0."""
    spans_N2 = np.asarray(spans_N2, dtype=np.float64).reshape(-1, 2)
    others_M2 = np.asarray(others_M2, dtype=np.float64).reshape(-1, 2)
    starts_NM = np.maximum(spans_N2[:, None, 0], others_M2[None, :, 0])
    stops_NM = np.minimum(spans_N2[:, None, 1], others_M2[None, :, 1])
    inter_NM = np.maximum(stops_NM - starts_NM, 0.0)
    union_NM = _lengths(spans_N2, length_epsilon_s)[:, None] + _lengths(others_M2, length_epsilon_s) - inter_NM
    iou_NM: np.ndarray = np.divide(inter_NM, union_NM, out=np.zeros_like(inter_NM), where=union_NM > 0)
    return iou_NM


def nms_1d(
    spans_N2: npt.ArrayLike,
    scores_N: npt.ArrayLike,
    labels_N: npt.ArrayLike | None = None,
    *,
    method: Method,
    iou_threshold: float,
    sigma: float,
    min_score: float,
    max_detections: int,
    vote_iou: float | None = None,
    class_wise: bool = True,
) -> Kept:
    """Kept spans, scores (decayed, if soft) and labels, best first.

    With labels every class is suppressed by itself and capped at `max_detections`, then all together are. Without, or
    with `class_wise` false, classes are merged (labels stay with their spans), and `vote_iou` (None or 0: off) makes
    each kept span the weighted mean of the spans around it. The reference never votes class by class, nor does this.
    """
    spans_N2 = np.asarray(spans_N2, dtype=np.float64).reshape(-1, 2)
    scores_N = np.asarray(scores_N, dtype=np.float64).reshape(-1)
    settings = (method, iou_threshold, sigma, min_score, max_detections)
    labels_N = None if labels_N is None else np.asarray(labels_N).reshape(-1)
    if labels_N is None or not class_wise:
        picks, kept_scores = _suppress(spans_N2, scores_N, *settings)
        kept_spans = spans_N2[picks]
        if vote_iou and len(picks):
            kept_spans = _vote(kept_spans, spans_N2, scores_N, vote_iou)
        return kept_spans, kept_scores, None if labels_N is None else labels_N[picks]
    picks, kept_scores = _suppress_each_class(spans_N2, scores_N, labels_N, settings)
    order = np.argsort(-kept_scores, kind="stable")[:max_detections]
    return spans_N2[picks[order]], kept_scores[order], labels_N[picks[order]]


def _suppress_each_class(
    spans_N2: np.ndarray, scores_N: np.ndarray, labels_N: np.ndarray, settings: Settings
) -> tuple[np.ndarray, np.ndarray]:
    picks, scores = [np.zeros(0, dtype=np.intp)], [np.zeros(0)]
    for label in np.unique(labels_N):
        members = np.flatnonzero(labels_N == label)
        class_picks, class_scores = _suppress(spans_N2[members], scores_N[members], *settings)
        picks.append(members[class_picks])
        scores.append(class_scores)
    return np.concatenate(picks), np.concatenate(scores)


def _suppress(
    spans_N2: np.ndarray,
    scores_N: np.ndarray,
    method: Method,
    iou_threshold: float,
    sigma: float,
    min_score: float,
    max_detections: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Indices of the picks and their scores: take the best that is left, weaken or drop what overlaps it, repeat.

    Picks come in falling order of score, so that stopping at the cap changes none of them.
    """
    if method == "hard":
        left = np.flatnonzero(scores_N > min_score) if min_score > 0 else np.arange(len(scores_N))
        left = left[np.argsort(-scores_N[left], kind="stable")]  # the earlier index wins a tie
        picks_M = left[_not_repeated(spans_N2[left], iou_threshold, max_detections)]
        return picks_M, scores_N[picks_M]
    left = np.argsort(-scores_N, kind="stable")
    starts, stops = spans_N2[left].T
    lengths, scores = _lengths(spans_N2[left], LENGTH_EPSILON_S), scores_N[left].copy()
    picks: list[int] = []
    kept_scores: list[float] = []
    while len(left) and len(picks) < max_detections:
        best = int(np.argmax(scores))
        picks.append(int(left[best]))
        kept_scores.append(float(scores[best]))
        inter = np.maximum(np.minimum(stops, stops[best]) - np.maximum(starts, starts[best]), 0.0)
        scores *= _weights(inter / (lengths + lengths[best] - inter), method, iou_threshold, sigma)
        stays = scores >= min_score
        stays[best] = False
        left, starts, stops, lengths, scores = (x[stays] for x in (left, starts, stops, lengths, scores))
    return np.array(picks, dtype=np.intp), np.array(kept_scores, dtype=np.float64)


def _not_repeated(spans_N2: np.ndarray, iou_threshold: float, most: int) -> list[int]:
    """Of spans, best first, those that overlap no earlier one of these; only near ones are compared."""
    in_time = np.argsort(spans_N2[:, 0], kind="stable")
    rank_N = np.empty(len(in_time), dtype=np.intp)
    rank_N[in_time] = np.arange(len(in_time))
    starts, stops = spans_N2[in_time].T
    lengths = _lengths(spans_N2[in_time], LENGTH_EPSILON_S)
    # IoU is at most the shorter length over the longer: what can reach the threshold begins after `earliest`.
    earliest = starts - lengths / iou_threshold if iou_threshold > 0 else np.full_like(starts, -np.inf)
    latest = stops if iou_threshold > 0 else np.full_like(stops, np.inf)
    first, last = np.searchsorted(starts, earliest, "left"), np.searchsorted(starts, latest, "right")
    is_left = np.ones(len(in_time), dtype=bool)
    picks: list[int] = []
    for number, rank in enumerate(rank_N.tolist()):
        if len(picks) == most:
            break
        if is_left[rank]:
            picks.append(number)
            near = slice(first[rank], last[rank])
            inter = np.minimum(stops[near], stops[rank]) - np.maximum(starts[near], starts[rank])
            inter = np.maximum(inter, 0.0)
            is_left[near] &= inter / (lengths[near] + lengths[rank] - inter) < iou_threshold
    return picks


def _weights(iou_N: np.ndarray, method: Method, iou_threshold: float, sigma: float) -> np.ndarray:
    """What is left of a score beside a better span."""
    if method == "gaussian":
        return np.asarray(np.exp(-(iou_N**2) / sigma))
    return np.where(iou_N >= iou_threshold, 1.0 - iou_N, 1.0)


def _vote(kept_N2: np.ndarray, spans_M2: np.ndarray, scores_M: np.ndarray, vote_iou: float) -> np.ndarray:
    """Each kept span as the mean of all spans with IoU >= vote_iou, weighted by score (before decay) times IoU."""
    iou_NM = pairwise_iou(kept_N2, spans_M2, length_epsilon_s=0.0)
    weights_NM = np.where(iou_NM >= vote_iou, iou_NM * scores_M, 0.0)
    totals_N1 = weights_NM.sum(axis=1, keepdims=True)
    voted_N2: np.ndarray = np.divide(weights_NM @ spans_M2, totals_N1, out=kept_N2.copy(), where=totals_N1 > 0)
    return voted_N2


def _lengths(spans_N2: np.ndarray, epsilon_s: float) -> np.ndarray:
    lengths_N: np.ndarray = np.maximum(spans_N2[:, 1] - spans_N2[:, 0], 0.0) + epsilon_s
    return lengths_N

"""One detection for one action: of nested and neighbouring spans of a class keep the best, with agreed boundaries.

Shape letters: N spans, M kept spans.
"""

import numpy as np

from detectors.nms import pairwise_iou


def select(
    spans_N2: np.ndarray, scores_N: np.ndarray, labels_N: np.ndarray, *, max_overlap: float, vote_iou: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Kept spans, scores and labels, best first. The inputs are spans of one video."""
    kept_spans, kept_scores, kept_labels = [np.zeros((0, 2))], [np.zeros(0)], [np.zeros(0, dtype=np.int64)]
    for label in np.unique(labels_N):
        members = labels_N == label
        spans, scores = spans_N2[members], scores_N[members]
        kept = best_of_overlapping(spans, scores, max_overlap)
        kept_spans.append(vote(spans[kept], spans, scores, vote_iou))
        kept_scores.append(scores[kept])
        kept_labels.append(np.full(len(kept), label, dtype=np.int64))
    spans, scores, labels = (np.concatenate(part) for part in (kept_spans, kept_scores, kept_labels))
    order = np.lexsort((spans[:, 0], -scores))
    return spans[order], scores[order], labels[order]


def best_of_overlapping(spans_N2: np.ndarray, scores_N: np.ndarray, max_overlap: float) -> np.ndarray:
    """Indices by falling score, leaving out what shares more than `max_overlap` of the shorter span with a better one.

    IoU, as in NMS, would keep a short span inside a long one as an action of its own.
    """
    left = np.argsort(-scores_N, kind="stable")
    kept: list[int] = []
    while len(left):
        best, left = int(left[0]), left[1:]
        kept.append(best)
        shared = np.minimum(spans_N2[left, 1], spans_N2[best, 1]) - np.maximum(spans_N2[left, 0], spans_N2[best, 0])
        lengths = spans_N2[left, 1] - spans_N2[left, 0]
        shorter = np.minimum(lengths, spans_N2[best, 1] - spans_N2[best, 0])
        left = left[shared <= max_overlap * shorter]
    return np.array(kept, dtype=np.intp)


def vote(kept_M2: np.ndarray, spans_N2: np.ndarray, scores_N: np.ndarray, vote_iou: float) -> np.ndarray:
    """Each kept span as the mean of the spans around it, weighted by score times how far the IoU is above `vote_iou`.

    The weight falls to 0 at the limit, so that a little noise in the scores moves a boundary only a little.
    """
    weights_MN = np.maximum(pairwise_iou(kept_M2, spans_N2) - vote_iou, 0.0) * scores_N
    totals_M1 = weights_MN.sum(axis=1, keepdims=True)
    voted_M2: np.ndarray = np.divide(weights_MN @ spans_N2, totals_M1, out=kept_M2.copy(), where=totals_M1 > 0)
    return voted_M2

"""One detection for one action: of nested and neighbouring spans of a class keep the best, with agreed boundaries.

Shape letters: N spans, M kept spans.
"""

import numpy as np

from detectors.nms import pairwise_iou

SHARPNESS = 8  # a span that scores a tenth less than another has less than half its say in the boundaries


def select(
    spans_N2: np.ndarray, scores_N: np.ndarray, labels_N: np.ndarray, *, max_overlap: float, vote_iou: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Kept spans, scores and labels of one video, best first."""
    spans, scores, labels = [np.zeros((0, 2))], [np.zeros(0)], [np.zeros(0, dtype=np.int64)]
    for members in touching(spans_N2, labels_N):
        near_N2, near_scores_N = spans_N2[members], scores_N[members]
        kept = best_of_overlapping(near_N2, near_scores_N, max_overlap)
        spans.append(vote(near_N2[kept], near_N2, near_scores_N, vote_iou))
        scores.append(near_scores_N[kept])
        labels.append(labels_N[members[kept]])
    kept_M2, kept_scores_M, kept_labels_M = np.concatenate(spans), np.concatenate(scores), np.concatenate(labels)
    order = np.lexsort((kept_M2[:, 0], -kept_scores_M))
    return kept_M2[order], kept_scores_M[order], kept_labels_M[order]


def touching(spans_N2: np.ndarray, labels_N: np.ndarray) -> list[np.ndarray]:
    """Indices of the spans of each class, parted wherever none of its spans runs on: what is far apart never meets."""
    order = np.lexsort((spans_N2[:, 0], labels_N))
    groups: list[np.ndarray] = []
    for members in np.split(order, np.flatnonzero(np.diff(labels_N[order])) + 1):
        reached_s = np.maximum.accumulate(spans_N2[members, 1])
        gaps = np.flatnonzero(spans_N2[members[1:], 0] > reached_s[:-1]) + 1
        groups.extend(np.split(members, gaps))
    return groups if len(order) else []


def best_of_overlapping(spans_N2: np.ndarray, scores_N: np.ndarray, max_overlap: float) -> np.ndarray:
    """Indices by falling score, leaving out what shares more than `max_overlap` of the shorter span with a better one.

    IoU, as in NMS, would keep a short span inside a long one as an action of its own.
    """
    left = np.argsort(-scores_N, kind="stable")
    lengths_N = spans_N2[:, 1] - spans_N2[:, 0]
    kept: list[int] = []
    while len(left):
        best, left = int(left[0]), left[1:]
        kept.append(best)
        shared = np.minimum(spans_N2[left, 1], spans_N2[best, 1]) - np.maximum(spans_N2[left, 0], spans_N2[best, 0])
        left = left[shared <= max_overlap * np.minimum(lengths_N[left], lengths_N[best])]
    return np.array(kept, dtype=np.intp)


def vote(kept_M2: np.ndarray, spans_N2: np.ndarray, scores_N: np.ndarray, vote_iou: float) -> np.ndarray:
    """Each kept span as a weighted mean of the spans around it: those that score about as well, weighted by overlap.

    Of two spans that score almost the same, noise decides which is kept; between them the mean moves only a little.
    The weight falls to 0 at IoU `vote_iou`, so that no span drops in or out at once.
    """
    weights_MN = np.maximum(pairwise_iou(kept_M2, spans_N2) - vote_iou, 0.0) * scores_N**SHARPNESS
    totals_M1 = weights_MN.sum(axis=1, keepdims=True)
    voted_M2: np.ndarray = np.divide(weights_MN @ spans_N2, totals_M1, out=kept_M2.copy(), where=totals_M1 > 0)
    return voted_M2

"""Average precision from hits and misses in order of score, as PASCAL VOC 2010 and later interpolate it.

Shape letters: T thresholds of overlap, N predictions of one class, best first.
"""

import numpy as np


def interpolated_ap(hits_TN: np.ndarray, num_truth: int, *, norm_count: float | None = None) -> np.ndarray:
    """AP at each threshold (T,): the area under precision made monotone, over recall; without predictions 0.

    With `norm_count` it is the normalised AP of DETAD (Alwassel et al., ECCV 2018), which does not reward a class for
    having many ground truths: precision is R*C / (R*C + F) with recall R, false positives F so far and C = norm_count.
    """
    hits_so_far_TN = np.cumsum(hits_TN, axis=1)
    misses_so_far_TN = np.arange(1, hits_TN.shape[1] + 1) - hits_so_far_TN
    weighed_TN = hits_so_far_TN if norm_count is None else hits_so_far_TN * (norm_count / num_truth)
    precision_TN = weighed_TN / (weighed_TN + misses_so_far_TN)
    best_to_come_TN = np.maximum.accumulate(precision_TN[:, ::-1], axis=1)[:, ::-1]
    # Recall grows by 1 / num_truth at each hit and nowhere else.
    ap_T: np.ndarray = np.sum(best_to_come_TN, axis=1, where=hits_TN) / num_truth
    return ap_T

"""From anchors to proposals: offsets applied, near copies suppressed.

Shape letters: M anchors or spans.
"""

import numpy as np
from torch import Tensor

from detectors.nms import nms_1d
from detectors.temporal.spans import decode

NMS_IOU = 0.7
MIN_STEPS = 0.5  # a shorter proposal is none


def spans_from(anchors_M2: Tensor, offsets_M2: Tensor) -> np.ndarray:
    """Where anchors' offsets lead (M, 2), float64."""
    spans_M2: np.ndarray = decode(anchors_M2, offsets_M2.to(anchors_M2.dtype)).cpu().double().numpy()
    return spans_M2


def best_proposals(
    spans_M2: np.ndarray, scores_M: np.ndarray, *, min_length: float, limit: int
) -> tuple[np.ndarray, np.ndarray]:
    """Spans and scores of the best that do not repeat one another, best first."""
    long_M = spans_M2[:, 1] - spans_M2[:, 0] >= min_length
    kept_M2, kept_scores_M, _ = nms_1d(
        spans_M2[long_M],
        scores_M[long_M],
        method="hard",
        iou_threshold=NMS_IOU,
        sigma=1.0,
        min_score=0.0,
        max_detections=limit,
    )
    return kept_M2, kept_scores_M

"""Classified spans before suppression, gathered window by window.

Shape letters: N spans, K classes.
"""

from math import ceil

import numpy as np

from detectors.temporal.windows import Grid
from pipeline.records import Detections

SHORTEST_STEPS = 0.05  # a shorter span is none


class Candidates:
    """Spans in steps with a class and a score; the best so many an hour of video are kept."""

    def __init__(self, *, min_score: float, most_an_hour: int) -> None:
        self.min_score = min_score
        self.most_an_hour = most_an_hour
        self._parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []

    def add(self, spans_NK2: np.ndarray, scores_NK: np.ndarray) -> None:
        """Each row's span of each class; spans of one class may be those of all (N, 1, 2)."""
        row, label = np.nonzero(scores_NK > self.min_score)
        spans = np.broadcast_to(spans_NK2, (*scores_NK.shape, 2))[row, label]
        self._parts.append((spans.astype(np.float64), label.astype(np.int64), scores_NK[row, label].astype(np.float64)))

    def detections(self, grid: Grid, duration_s: float | None) -> Detections:
        """In seconds, within the video."""
        nothing = (np.zeros((0, 2)), np.zeros(0, np.int64), np.zeros(0))
        spans_N2, labels_N, scores_N = (np.concatenate(column) for column in zip(nothing, *self._parts, strict=True))
        spans_N2 = np.clip(grid.seconds(spans_N2), 0.0, duration_s)
        long_N = spans_N2[:, 1] - spans_N2[:, 0] >= SHORTEST_STEPS * grid.step_s
        spans_N2, labels_N, scores_N = spans_N2[long_N], labels_N[long_N], scores_N[long_N]
        hours = ceil((duration_s or 0.0) / 3600) or 1
        best = np.argsort(-scores_N, kind="stable")[: self.most_an_hour * hours]
        return Detections(spans_N2[best], labels_N[best], scores_N[best])

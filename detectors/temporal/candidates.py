"""Classified spans before suppression, gathered window by window.

Shape letters: N spans, K classes.
"""

from math import ceil

import numpy as np

from detectors.temporal.windows import Grid
from pipeline.records import Detections

SHORTEST_STEPS = 0.05  # what the ends of the video leave of a span; less is none


class Candidates:
    """Spans of one video with a class and a score; the best so many an hour of it are kept."""

    def __init__(self, grid: Grid, duration_s: float | None, *, min_score: float, most_an_hour: int) -> None:
        self.grid = grid
        self.duration_s = duration_s
        self.min_score = min_score
        self.most = most_an_hour * max(1, ceil((duration_s or 0.0) / 3600))
        self._parts = [(np.zeros((0, 2)), np.zeros(0, np.int64), np.zeros(0))]
        self._held = 0

    def add(self, spans_NK2: np.ndarray, scores_NK: np.ndarray) -> None:
        """Each row's span, in steps, of each class; spans of one class may be those of all (N, 1, 2)."""
        row, label_N = np.nonzero(scores_NK > self.min_score)
        scores_N = scores_NK[row, label_N].astype(np.float64)
        steps_N2 = np.broadcast_to(spans_NK2, (*scores_NK.shape, 2))[row, label_N].astype(np.float64)
        spans_N2 = np.clip(self.grid.seconds(steps_N2), 0.0, self.duration_s)
        long_N = spans_N2[:, 1] - spans_N2[:, 0] >= SHORTEST_STEPS * self.grid.step_s
        self._parts.append((spans_N2[long_N], label_N[long_N].astype(np.int64), scores_N[long_N]))
        self._held += int(long_N.sum())
        if self._held > 2 * self.most:  # many hours of many classes must not fill the memory
            self._let_go()

    def detections(self) -> Detections:
        """In seconds, within the video, best first."""
        self._let_go()
        return Detections(*self._parts[0])

    def _let_go(self) -> None:
        """Of all but the best; of equal scores the earlier ones stay."""
        spans_N2, labels_N, scores_N = (np.concatenate(column) for column in zip(*self._parts, strict=True))
        best = np.argsort(-scores_N, kind="stable")[: self.most]
        self._parts, self._held = [(spans_N2[best], labels_N[best], scores_N[best])], len(best)

"""Spans by grouping steps above a threshold, at several thresholds (multi-scale, after TAG, arXiv 1703.02716).

Shape letters: S steps, K curves, L thresholds, N spans.
"""

from collections.abc import Sequence

import numpy as np


class Grouper:
    """Curves over time, fed in pieces of any length, to the spans in which a curve is above a threshold.

    A curve runs straight from step centre to step centre and starts and ends at 0 one step outside of the video, so
    that spans follow the values without jumps and their ends are finer than a step.
    """

    def __init__(self, thresholds: Sequence[float], step_s: float) -> None:
        self.thresholds = tuple(thresholds)
        self.step_s = step_s
        self._next = 0  # step that comes next
        self._last_K: np.ndarray | None = None  # the values of the step before
        self._open_LK = np.zeros((len(self.thresholds), 0))  # where the span began that is still open, or NaN

    def push(self, values_SK: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Spans (N, 2) that ended in these steps, in seconds, and the threshold (N,) of each."""
        if self._last_K is None:
            self._last_K = np.zeros(values_SK.shape[1])
            self._open_LK = np.full((len(self.thresholds), values_SK.shape[1]), np.nan)
        values = np.concatenate([self._last_K[None], values_SK])
        first = self._next - 1  # the step of the first row of `values`
        self._next += len(values_SK)
        self._last_K = values[-1]
        spans = [np.zeros((0, 2))]
        levels = [np.zeros(0)]
        for open_K, threshold in zip(self._open_LK, self.thresholds, strict=True):
            spans.append(_close(values, threshold, first, self.step_s, open_K))
            levels.append(np.full(len(spans[-1]), threshold))
        return np.concatenate(spans), np.concatenate(levels)

    def finish(self) -> tuple[np.ndarray, np.ndarray]:
        """The spans still open at the end of the video."""
        if self._last_K is None:
            return np.zeros((0, 2)), np.zeros(0)
        return self.push(np.zeros((1, len(self._last_K))))


def _close(values_SK: np.ndarray, threshold: float, first: int, step_s: float, open_K: np.ndarray) -> np.ndarray:
    """Spans that end between these rows; `open_K` tells where spans began before, and is brought up to date."""
    above_SK = values_SK >= threshold
    # Transposed, so that crossings come curve by curve and in a curve by time: starts and stops take turns.
    curve, row = np.nonzero((above_SK[1:] != above_SK[:-1]).T)
    before, after = values_SK[row, curve], values_SK[row + 1, curve]
    crossing_s = (first + row + 0.5 + (threshold - before) / (after - before)) * step_s
    stops = ~above_SK[row + 1, curve]
    new_curve = curve[1:] != curve[:-1]
    is_first, is_last = np.ones(len(curve), dtype=bool), np.ones(len(curve), dtype=bool)
    is_first[1:], is_last[:-1] = new_curve, new_curve
    begun_s = np.where(is_first, open_K[curve], np.roll(crossing_s, 1))
    open_K[curve[is_last]] = np.where(stops[is_last], np.nan, crossing_s[is_last])
    return np.stack([begun_s[stops], crossing_s[stops]], axis=1)

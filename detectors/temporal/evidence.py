"""From class logits to evidence: how much each step, by itself, speaks for each class, on an absolute scale of 0 to 1.

Shape letters: S steps, K classes, R rows of a smoothing window. Step j of a video covers [j, j + 1) * step_s.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.records import FeatureSequence, Span


@dataclass(frozen=True, eq=False, slots=True)
class Steps:
    """Consecutive steps of a video; `shown_S` is the part (0..1) of each step that is not lost."""

    first: int
    step_s: float
    logits_SK: np.ndarray
    shown_S: np.ndarray

    @property
    def edges_s(self) -> np.ndarray:
        """The S + 1 instants at which steps begin and end."""
        return (self.first + np.arange(len(self.logits_SK) + 1)) * self.step_s


def read_steps(blocks: Iterable[FeatureSequence], lost: Sequence[Span]) -> Iterator[Steps]:
    """The blocks of one video on its step grid; steps between two blocks that are not there come as lost ones."""
    upcoming = 0
    for block in blocks:
        if block.logits_SK is None:
            raise ValueError(f"{block.video}: the training-free localizer needs a backbone with a classification head")
        first, num_classes = round(block.start_s / block.step_s), block.logits_SK.shape[1]
        if first > upcoming:
            missing = first - upcoming
            yield Steps(upcoming, block.step_s, np.zeros((missing, num_classes)), np.zeros(missing))
        upcoming = first + len(block)
        shown_S = 1.0 - covered((first + np.arange(len(block) + 1)) * block.step_s, lost)
        yield Steps(first, block.step_s, block.logits_SK.astype(np.float64), shown_S)


def covered(edges_s: np.ndarray, spans: Sequence[Span]) -> np.ndarray:
    """The part (0..1) of each step that lies in any of the spans."""
    inside = np.zeros(len(edges_s) - 1)
    for start_s, stop_s in spans:
        inside += np.maximum(np.minimum(edges_s[1:], stop_s) - np.maximum(edges_s[:-1], start_s), 0.0)
    return np.minimum(inside / np.diff(edges_s), 1.0)


def evidence(logits_SK: np.ndarray, *, midpoint: float, scale: float, rival_margin: float) -> np.ndarray:
    """Each class's logit, squashed: 0.5 at `midpoint`; a class more than `rival_margin` behind the best is set back.

    The logit, not the softmax: on a scene without any of the classes softmax still names one, while all logits stay
    low (Hendrycks et al., arXiv 1911.11132). Squashed, so that a few seconds of very high logits do not outweigh the
    rest of their action. Set back by as much again as it is behind, so that where one action follows another the
    first ends when the second takes over, not when the backbone's long view forgets it.
    """
    behind_SK = logits_SK.max(axis=1, keepdims=True) - logits_SK
    exponents_SK = (logits_SK - np.maximum(behind_SK - rival_margin, 0.0) - midpoint) / scale
    result_SK: np.ndarray = 1.0 / (1.0 + np.exp(-np.clip(exponents_SK, -50.0, 50.0)))
    return result_SK


class Smoother:
    """A triangular window over time, fed with rows in pieces of any length; before the first and after the last: 0."""

    def __init__(self, radius: int) -> None:
        self.radius = radius
        weights = radius + 1.0 - np.abs(np.arange(-radius, radius + 1))
        self._weights_R = weights / weights.sum()
        self._rows: np.ndarray | None = None

    def push(self, rows_SK: np.ndarray) -> np.ndarray:
        """The smoothed rows that are complete by now; they lag `radius` rows behind."""
        if self._rows is None:
            self._rows = np.zeros((self.radius, rows_SK.shape[1]))
        rows = np.concatenate([self._rows, rows_SK])
        count = max(len(rows) - 2 * self.radius, 0)
        self._rows = rows[count:]
        smoothed_SK = np.zeros((count, rows.shape[1]))
        for shift, weight in enumerate(self._weights_R):
            smoothed_SK += weight * rows[shift : shift + count]
        return smoothed_SK

    def finish(self) -> np.ndarray:
        """The rows still to come."""
        if self._rows is None:
            return np.zeros((0, 0))
        return self.push(np.zeros((self.radius, self._rows.shape[1])))

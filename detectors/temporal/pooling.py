"""Means over spans and over what surrounds them, in one pass over a video's steps.

Shape letters: N spans, S steps, K classes.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from detectors.temporal.evidence import Steps


@dataclass(frozen=True, eq=False, slots=True)
class Pooled:
    """What was pooled for the spans `index_N`."""

    index_N: np.ndarray
    logits_NK: np.ndarray  # mean over the part of the span that was seen; a linear head's answer to the pooled feature
    inner_NK: np.ndarray  # mean evidence over the span, 0 where nothing was seen
    outer_NK: np.ndarray  # mean evidence over the context before and after, 0 where nothing was seen


def pool_spans(
    video: Iterable[Steps],
    spans_N2: np.ndarray,
    context_s_N: np.ndarray,
    evidence_of: Callable[[np.ndarray], np.ndarray],
) -> Iterator[Pooled]:
    """Pool each span and `context_s_N` seconds on each side of it; given out as soon as a span's context has passed."""
    active = _Active(spans_N2, context_s_N)
    for steps in video:
        active.enter(steps.edges_s[-1], steps.logits_SK.shape[1])
        active.add(steps, evidence_of(steps.logits_SK))
        yield active.leave(steps.edges_s[-1])
    yield active.leave(np.inf)


class _Active:
    """Sums for the spans that the pass is in; only these hold a row of classes."""

    def __init__(self, spans_N2: np.ndarray, context_s_N: np.ndarray) -> None:
        self.spans_N2, self.context_s_N = spans_N2, context_s_N
        self.outer_N2 = spans_N2 + np.stack([-context_s_N, context_s_N], axis=1)
        self.waiting_N = np.argsort(self.outer_N2[:, 0], kind="stable")
        self.index_N = np.zeros(0, dtype=np.intp)
        self.seen_s_N = np.zeros(0)
        self.sums_3NK = np.zeros((3, 0, 0))  # logits in the span, evidence in the span, evidence around it

    def enter(self, until_s: float, num_classes: int) -> None:
        """Take in the spans whose context begins before `until_s`."""
        count = int(np.searchsorted(self.outer_N2[self.waiting_N, 0], until_s))
        entering, self.waiting_N = self.waiting_N[:count], self.waiting_N[count:]
        sums_3NK = self.sums_3NK if self.sums_3NK.shape[1] else np.zeros((3, 0, num_classes))
        self.sums_3NK = np.concatenate([sums_3NK, np.zeros((3, count, num_classes))], axis=1)
        self.seen_s_N = np.concatenate([self.seen_s_N, np.zeros(count)])
        self.index_N = np.concatenate([self.index_N, entering])

    def add(self, steps: Steps, evidence_SK: np.ndarray) -> None:
        inner_NS = overlap_s(self.spans_N2[self.index_N], steps.edges_s) * steps.shown_S
        outer_NS = overlap_s(self.outer_N2[self.index_N], steps.edges_s) * steps.shown_S - inner_NS
        self.seen_s_N += inner_NS.sum(axis=1)
        self.sums_3NK[0] += inner_NS @ steps.logits_SK
        self.sums_3NK[1] += inner_NS @ evidence_SK
        self.sums_3NK[2] += outer_NS @ evidence_SK

    def leave(self, until_s: float) -> Pooled:
        """Give out the spans whose context ends by `until_s`."""
        leaves_N = self.outer_N2[self.index_N, 1] <= until_s
        index_N, sums_3NK = self.index_N[leaves_N], self.sums_3NK[:, leaves_N]
        lengths_s_N = self.spans_N2[index_N, 1] - self.spans_N2[index_N, 0]
        divisors_3N = np.stack([self.seen_s_N[leaves_N], lengths_s_N, 2 * self.context_s_N[index_N]])
        divisors_3N[divisors_3N <= 0] = 1.0  # of what was not seen or has no length the sums are 0 already
        self.index_N, self.seen_s_N = self.index_N[~leaves_N], self.seen_s_N[~leaves_N]
        self.sums_3NK = self.sums_3NK[:, ~leaves_N]
        return Pooled(index_N, *(sums_3NK / divisors_3N[:, :, None]))


def overlap_s(spans_N2: np.ndarray, edges_s: np.ndarray) -> np.ndarray:
    """Seconds (N, S) that each span shares with each step."""
    starts_NS = np.maximum(spans_N2[:, :1], edges_s[None, :-1])
    stops_NS = np.minimum(spans_N2[:, 1:], edges_s[None, 1:])
    shared_NS: np.ndarray = np.maximum(stops_NS - starts_NS, 0.0)
    return shared_NS

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
    outer_NK: np.ndarray  # mean evidence over as much context before and after, 0 where nothing was seen


def pool_spans(
    video: Iterable[Steps],
    spans_N2: np.ndarray,
    context_s_N: np.ndarray,
    evidence_of: Callable[[np.ndarray], np.ndarray],
) -> Iterator[Pooled]:
    """Pool each span and `context_s_N` seconds on each side of it; given out as soon as a span's context has passed."""
    outer_N2 = spans_N2 + np.stack([-context_s_N, context_s_N], axis=1)
    waiting = np.argsort(outer_N2[:, 0], kind="stable")
    active = np.zeros(0, dtype=np.intp)
    sums_N3K = np.zeros((0, 3, 0))
    seen_s_N = np.zeros(len(spans_N2))

    def pooled(which: np.ndarray) -> Pooled:
        done, sums = active[which], sums_N3K[which]
        length_s_N1 = (spans_N2[done, 1] - spans_N2[done, 0])[:, None]
        seen_s_N1 = np.maximum(seen_s_N[done], 1e-9)[:, None]
        context_s_N1 = 2 * context_s_N[done][:, None]
        return Pooled(done, sums[:, 0] / seen_s_N1, sums[:, 1] / length_s_N1, sums[:, 2] / context_s_N1)

    for steps in video:
        edges_s = steps.edges_s
        entered = int(np.searchsorted(outer_N2[waiting, 0], edges_s[-1]))
        active, waiting = np.concatenate([active, waiting[:entered]]), waiting[entered:]
        num_classes = steps.logits_SK.shape[1]
        if sums_N3K.shape[2] != num_classes:
            sums_N3K = np.zeros((0, 3, num_classes))
        sums_N3K = np.concatenate([sums_N3K, np.zeros((entered, 3, num_classes))])
        inner_NS = overlaps(spans_N2[active], edges_s) * steps.shown_S
        outer_NS = overlaps(outer_N2[active], edges_s) * steps.shown_S - inner_NS
        evidence_SK = evidence_of(steps.logits_SK)
        seen_s_N[active] += inner_NS.sum(axis=1)
        sums_N3K[:, 0] += inner_NS @ steps.logits_SK
        sums_N3K[:, 1] += inner_NS @ evidence_SK
        sums_N3K[:, 2] += outer_NS @ evidence_SK
        passed = outer_N2[active, 1] <= edges_s[-1]
        yield pooled(passed)
        active, sums_N3K = active[~passed], sums_N3K[~passed]
    if len(active):
        yield pooled(np.ones(len(active), dtype=bool))


def overlaps(spans_N2: np.ndarray, edges_s: np.ndarray) -> np.ndarray:
    """Seconds (N, S) that each span shares with each step."""
    starts_NS = np.maximum(spans_N2[:, :1], edges_s[None, :-1])
    stops_NS = np.minimum(spans_N2[:, 1:], edges_s[None, 1:])
    shared_NS: np.ndarray = np.maximum(stops_NS - starts_NS, 0.0)
    return shared_NS

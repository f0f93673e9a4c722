"""Actions in time without training: the backbone's own class scores, grouped over time and classified span by span.

Shape letters: S steps, K classes, N spans, J labels a span.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial

import numpy as np

from detectors.temporal.evidence import Smoother, evidence, read_steps
from detectors.temporal.grouping import Grouper
from detectors.temporal.pooling import Pooled, pool_spans
from detectors.temporal.select import select
from pipeline.records import Detections, FeatureSequence, Proposals, Span


class TrainingFree:
    """Spans from per-class evidence at several thresholds; scored by class probability times contrast with the context.

    `blocks` are the consecutive feature sequences of one video. They are read one by one, `propose` and `classify`
    once each, and how the video was cut into blocks does not matter. `lost` are seconds without picture.
    """

    def __init__(
        self,
        *,
        midpoint: float,
        scale: float,
        rival_margin: float,
        smoothing_steps: int,
        thresholds: Sequence[float],
        min_duration_s: float,
        duration_scale_s: float,
        context: float,
        min_context_s: float,
        max_context_s: float,
        labels_per_span: int,
        min_score: float,
        max_overlap: float,
        vote_iou: float,
    ) -> None:
        self.evidence_of = partial(evidence, midpoint=midpoint, scale=scale, rival_margin=rival_margin)
        self.smoothing_steps = smoothing_steps
        self.thresholds = tuple(thresholds)
        self.min_duration_s = min_duration_s
        self.duration_scale_s = duration_scale_s
        self.context = context
        self.min_context_s = min_context_s
        self.max_context_s = max_context_s
        self.labels_per_span = labels_per_span
        self.min_score = min_score
        self.max_overlap = max_overlap
        self.vote_iou = vote_iou

    def __call__(
        self, blocks: Iterable[FeatureSequence], *, duration_s: float | None = None, lost: Sequence[Span] = ()
    ) -> Detections:
        proposals = self.propose(blocks, duration_s=duration_s, lost=lost)
        return self.classify(blocks, proposals, lost=lost)

    def propose(
        self, blocks: Iterable[FeatureSequence], *, duration_s: float | None = None, lost: Sequence[Span] = ()
    ) -> Proposals:
        """Spans in which some class has evidence, by start; the score is the least evidence inside."""
        parts = list(self._group(blocks, lost))
        spans_N2 = np.concatenate([np.zeros((0, 2)), *(spans for spans, _ in parts)])
        scores_N = np.concatenate([np.zeros(0), *(levels for _, levels in parts)])
        spans_N2 = np.clip(spans_N2, 0.0, duration_s)
        long_N = spans_N2[:, 1] - spans_N2[:, 0] >= self.min_duration_s
        spans_N2, scores_N = spans_N2[long_N], scores_N[long_N]
        order = np.lexsort((scores_N, spans_N2[:, 1], spans_N2[:, 0]))
        return Proposals(spans_N2[order], scores_N[order])

    def classify(
        self, blocks: Iterable[FeatureSequence], proposals: Proposals, *, lost: Sequence[Span] = ()
    ) -> Detections:
        """Name and score the spans; of spans of one class that overlap only the best stays."""
        spans_N2 = proposals.spans_N2
        lengths_s_N = spans_N2[:, 1] - spans_N2[:, 0]
        context_s_N = np.clip(self.context * lengths_s_N, self.min_context_s, self.max_context_s)
        none = (np.zeros(0, dtype=np.intp), np.zeros(0, dtype=np.int64), np.zeros(0))
        pooled_parts = pool_spans(read_steps(blocks, lost), spans_N2, context_s_N, self.evidence_of)
        named = [none, *(self._name(pooled, lengths_s_N[pooled.index_N]) for pooled in pooled_parts)]
        index, labels, scores = (np.concatenate(column) for column in zip(*named, strict=True))
        kept_N2, kept_scores_N, kept_labels_N = select(
            spans_N2[index], scores, labels, max_overlap=self.max_overlap, vote_iou=self.vote_iou
        )
        return Detections(kept_N2, kept_labels_N, kept_scores_N)

    def _group(
        self, blocks: Iterable[FeatureSequence], lost: Sequence[Span]
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        smoother, grouper = Smoother(self.smoothing_steps), None
        for steps in read_steps(blocks, lost):
            grouper = grouper or Grouper(self.thresholds, steps.step_s)
            yield grouper.push(smoother.push(self.evidence_of(steps.logits_SK) * steps.shown_S[:, None]))
        if grouper is not None:
            yield grouper.push(smoother.finish())
            yield grouper.finish()

    def _name(self, pooled: Pooled, lengths_s_N: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Span indices, labels and scores of the best labels of each span, where they reach the least score.

        A score is the pooled probability of the class, times the evidence for it inside less that outside (AutoLoc's
        outer-inner contrast, arXiv 1807.08333), times how long the span is beside `duration_scale_s`: a hard cut
        alone makes the backbone fire for about a second.
        """
        scores_NK = softmax(pooled.logits_NK) * np.maximum(pooled.inner_NK - pooled.outer_NK, 0.0)
        scores_NK *= (lengths_s_N / (lengths_s_N + self.duration_scale_s))[:, None]
        labels_NJ = np.argsort(-scores_NK, axis=1, kind="stable")[:, : self.labels_per_span]
        scores_NJ = np.take_along_axis(scores_NK, labels_NJ, axis=1)
        row, column = np.nonzero(scores_NJ >= self.min_score)
        return pooled.index_N[row], labels_NJ[row, column].astype(np.int64), scores_NJ[row, column]


def softmax(logits_NK: np.ndarray) -> np.ndarray:
    """Along the last axis."""
    exp_NK = np.exp(logits_NK - logits_NK.max(axis=-1, keepdims=True, initial=-np.inf))
    result_NK: np.ndarray = exp_NK / exp_NK.sum(axis=-1, keepdims=True)
    return result_NK

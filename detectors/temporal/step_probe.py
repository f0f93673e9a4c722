"""The least a detector can learn: a linear classifier of single steps, and grouping. What others are measured by.

Shape letters: N sequences, C channels, S steps, K classes, M spans.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from detectors.temporal.candidates import Candidates
from detectors.temporal.grouping import Grouper
from detectors.temporal.layers import FeatureNorm
from detectors.temporal.windows import first_grid, windows
from pipeline.records import Detections, FeatureSequence, Span

THRESHOLDS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


class StepProbe(nn.Module):
    """Logits (N, S, K + 1) of every step by itself, background last."""

    def __init__(self, *, in_channels: int, num_classes: int) -> None:
        super().__init__()
        self.feature_norm = FeatureNorm(in_channels)
        self.linear = nn.Linear(in_channels, num_classes + 1)

    def forward(self, features_NCS: Tensor, shown_N1S: Tensor | None) -> Tensor:
        logits_NSK: Tensor = self.linear(self.feature_norm(features_NCS, shown_N1S).transpose(1, 2))
        return logits_NSK


class StepProbeLocalizer:
    """Spans in which a class is likelier than one of several thresholds; the score is its mean inside."""

    def __init__(
        self, network: StepProbe, *, min_score: float, max_candidates: int, core_steps: int, device: str = "cpu"
    ) -> None:
        self.network = network.eval().to(device)
        self.min_score = min_score
        self.max_candidates = max_candidates
        self.core_steps = core_steps
        self.device = device

    @torch.inference_mode()
    def __call__(
        self, blocks: Iterable[FeatureSequence], *, duration_s: float | None = None, lost: Sequence[Span] = ()
    ) -> Detections:
        candidates = Candidates(
            first_grid(blocks), duration_s, min_score=self.min_score, most_an_hour=self.max_candidates
        )
        parts = [
            _likely(self.network(*window.tensors(self.device))[0]) * window.shown_S[:, None]
            for window in windows(blocks, core_steps=self.core_steps, halo=0, lost=lost)
        ]
        likely_SK = np.concatenate(parts or [np.zeros((0, 0))])
        for label in range(likely_SK.shape[1]):
            spans_M2 = _grouped(likely_SK[:, label])
            scores_MK = np.zeros((len(spans_M2), likely_SK.shape[1]))
            scores_MK[:, label] = _means(likely_SK[:, label], spans_M2)
            candidates.add(spans_M2[:, None], scores_MK)
        return candidates.detections()


def _likely(logits_SK: Tensor) -> np.ndarray:
    """Probabilities of the classes, background left out."""
    likely_SK: np.ndarray = logits_SK.double().softmax(1)[:, :-1].cpu().numpy()
    return likely_SK


def _grouped(likely_S: np.ndarray) -> np.ndarray:
    """Spans (M, 2) in steps where a curve is above a threshold."""
    grouper = Grouper(THRESHOLDS, step_s=1.0)
    parts = [grouper.push(likely_S[:, None])[0], grouper.finish()[0]]
    return np.concatenate(parts)


def _means(likely_S: np.ndarray, spans_M2: np.ndarray) -> np.ndarray:
    """Means (M,) of a curve, constant in each step, over spans."""
    sums = np.concatenate([[0.0], np.cumsum(likely_S)])
    clipped_M2 = np.clip(spans_M2, 0, len(likely_S))
    edges_M2 = np.interp(clipped_M2, np.arange(len(sums)), sums)
    means_M: np.ndarray = (edges_M2[:, 1] - edges_M2[:, 0]) / np.maximum(clipped_M2[:, 1] - clipped_M2[:, 0], 1e-9)
    return means_M

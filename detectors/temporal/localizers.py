"""Trained networks at work on a video: window by window, to classified spans.

Shape letters: S steps, A anchor scales, P points, M spans, K classes. Spans are in steps inside, in seconds outside.
"""

from collections.abc import Iterable, Sequence
from math import ceil

import numpy as np
import torch
from torch import Tensor

from detectors.temporal.anchor_free import AnchorFree, points_of
from detectors.temporal.candidates import Candidates
from detectors.temporal.proposals import MIN_STEPS, best_proposals, spans_from
from detectors.temporal.spans import decode
from detectors.temporal.temporal_rcnn import TemporalRCNN, anchors_of
from detectors.temporal.windows import Window, first_grid, windows
from pipeline.records import Detections, FeatureSequence, Proposals, Span

PROPOSAL_MINUTES = 5  # a longer video keeps as many times more proposals
ANCHORS_AN_HOUR = 10_000  # the best of them go into suppression
SIDES = torch.tensor([-1.0, 1.0], dtype=torch.float64)  # distances to start and stop, as a walk along time


class AnchorFreeLocalizer:
    """One pass: every point of the pyramid that is sure enough gives a span."""

    def __init__(
        self, network: AnchorFree, *, min_score: float, max_candidates: int, core_steps: int, device: str = "cpu"
    ) -> None:
        self.network = network.eval().to(device)
        self.min_score = min_score
        self.max_candidates = max_candidates
        self.core_steps = _whole(core_steps, network.strides[-1])
        self.device = device

    @torch.inference_mode()
    def __call__(
        self, blocks: Iterable[FeatureSequence], *, duration_s: float | None = None, lost: Sequence[Span] = ()
    ) -> Detections:
        candidates = Candidates(
            first_grid(blocks), duration_s, min_score=self.min_score, most_an_hour=self.max_candidates
        )
        strides = self.network.strides
        halo = _whole(self.network.radius, strides[-1])
        for window in windows(blocks, core_steps=self.core_steps, halo=halo, lost=lost):
            points = self.network(*window.tensors(self.device))
            at_P, strides_P = points_of(len(window.shown_S), strides)
            spans_P2 = at_P[:, None] + points.distances_NP2[0].cpu().double() * strides_P[:, None] * SIDES
            own_P = torch.cat([_is_core(window, stride) for stride in strides])
            seen_P = torch.from_numpy(window.shown_S)[at_P.long()]
            rows = own_P & seen_P
            scores_PK = points.logits_NPK[0].float().sigmoid().cpu()[rows]
            candidates.add(window.first + spans_P2[rows, None].numpy(), scores_PK.numpy())
        return candidates.detections()


class TemporalRcnnLocalizer:
    """Two passes: anchors to proposals, proposals to classified spans."""

    def __init__(
        self,
        network: TemporalRCNN,
        *,
        min_score: float,
        max_candidates: int,
        proposals: int,
        core_steps: int,
        device: str = "cpu",
    ) -> None:
        self.network = network.eval().to(device)
        self.min_score = min_score
        self.max_candidates = max_candidates
        self.num_proposals = proposals
        self.core_steps = core_steps
        self.device = device

    def __call__(
        self, blocks: Iterable[FeatureSequence], *, duration_s: float | None = None, lost: Sequence[Span] = ()
    ) -> Detections:
        proposals = self.propose(blocks, duration_s=duration_s, lost=lost)
        return self.classify(blocks, proposals, duration_s=duration_s, lost=lost)

    @torch.inference_mode()
    def propose(
        self, blocks: Iterable[FeatureSequence], *, duration_s: float | None = None, lost: Sequence[Span] = ()
    ) -> Proposals:
        """Class-agnostic spans, best first."""
        spans, scores = [np.zeros((0, 2))], [np.zeros(0)]
        for window in windows(blocks, core_steps=self.core_steps, halo=self.network.propose_radius, lost=lost):
            scores_SA, offsets_SA2 = self._anchors(window)
            anchors_SA2 = anchors_of(len(window.shown_S), self.network.scales)
            rows = torch.from_numpy(_is_core(window).numpy() & window.shown_S)
            found_M2 = spans_from(anchors_SA2[rows].flatten(0, 1), offsets_SA2[rows].flatten(0, 1))
            spans.append(window.first + found_M2)
            scores.append(scores_SA[rows].flatten().double().numpy())
        grid = first_grid(blocks)
        spans_M2 = np.clip(grid.seconds(np.concatenate(spans)), 0.0, duration_s)
        scores_M = np.concatenate(scores)
        best = np.argsort(-scores_M, kind="stable")[: ANCHORS_AN_HOUR * _times(duration_s, 60)]
        limit = self.num_proposals * _times(duration_s, PROPOSAL_MINUTES)
        return Proposals(
            *best_proposals(spans_M2[best], scores_M[best], min_length=MIN_STEPS * grid.step_s, limit=limit)
        )

    @torch.inference_mode()
    def classify(
        self,
        blocks: Iterable[FeatureSequence],
        proposals: Proposals,
        *,
        duration_s: float | None = None,
        lost: Sequence[Span] = (),
    ) -> Detections:
        """Each proposal with each class that is likely enough, at the ends that the class gives it."""
        grid = first_grid(blocks)
        candidates = Candidates(grid, duration_s, min_score=self.min_score, most_an_hour=self.max_candidates)
        spans_M2 = grid.steps(proposals.spans_N2)
        middles_M = spans_M2.mean(axis=1)
        for window in windows(blocks, core_steps=self.core_steps, halo=self.network.classify_radius, lost=lost):
            start = window.core.start or -np.inf  # the video's grid may begin after 0 s
            stop = np.inf if window.is_last else window.core.stop
            rows_M = (middles_M >= start) & (middles_M < stop)
            if rows_M.any():
                own_M2 = torch.from_numpy(spans_M2[rows_M] - window.first)
                scores_MK, offsets_MK2 = self._spans(window, own_M2)
                found_MK2 = decode(own_M2[:, None].expand_as(offsets_MK2), offsets_MK2)
                candidates.add(window.first + found_MK2.numpy(), scores_MK.numpy())
        return candidates.detections()

    def _anchors(self, window: Window) -> tuple[Tensor, Tensor]:
        """Scores (S, A) and offsets (S, A, 2), averaged over the streams."""
        features_1CS, shown_11S = window.tensors(self.device)
        answers = [
            stream.anchors(stream.embedded(part_1CS, shown_11S), shown_11S)
            for stream, part_1CS in self.network.by_stream(features_1CS)
        ]
        scores = torch.stack([logits[0].float().sigmoid() for logits, _ in answers]).mean(0)
        return scores.cpu(), torch.stack([offsets[0].float() for _, offsets in answers]).mean(0).cpu()

    def _spans(self, window: Window, spans_M2: Tensor) -> tuple[Tensor, Tensor]:
        """Scores (M, K) and offsets (M, K, 2), averaged over the streams."""
        features_1CS, shown_11S = window.tensors(self.device)
        spans_M2 = spans_M2.to(self.device)
        sequence_M = torch.zeros(len(spans_M2), dtype=torch.int64, device=self.device)
        scores, offsets = [], []
        for stream, part_1CS in self.network.by_stream(features_1CS):
            pooled_from = stream.for_spans(stream.embedded(part_1CS, shown_11S), shown_11S)
            logits_MK, offsets_MK2 = stream.classify(pooled_from, sequence_M, spans_M2)
            scores.append(logits_MK.float().softmax(1)[:, :-1])
            offsets.append(offsets_MK2.float())
        return torch.stack(scores).mean(0).cpu(), torch.stack(offsets).mean(0).cpu().double()


def _is_core(window: Window, stride: int = 1) -> Tensor:
    """Which rows of an output with one for every `stride` steps are the window's own."""
    rows = window.first + stride * torch.arange(-(-len(window.shown_S) // stride))
    return (rows >= window.core.start) & (rows < window.core.stop)


def _whole(steps: int, stride: int) -> int:
    return -(-steps // stride) * stride


def _times(duration_s: float | None, minutes: float) -> int:
    return max(1, ceil((duration_s or 0.0) / (60 * minutes)))

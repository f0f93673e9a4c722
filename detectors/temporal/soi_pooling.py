"""Span-of-interest pooling: RoIAlign (Mask R-CNN, arXiv 1703.06870) in one dimension, differentiable, in plain torch.

Shape letters: N sequences, C channels, S steps, M spans, B bins, Q samples of a bin.
"""

import torch
from torch import Tensor

MAX_SAMPLES = 64  # of a bin; a span of 64 * B steps and more is sampled more sparsely than step by step
ROUNDING = 1e-6  # steps; spans of round lengths are common, and no last digit of theirs must tip a bin over


def soi_pool(
    features_NCS: Tensor, sequence_M: Tensor, spans_M2: Tensor, *, bins: int, num_steps_N: Tensor | None = None
) -> Tensor:
    """The greatest value in each of a span's equal bins: (M, C, B).

    `sequence_M` (int64) says which sequence a span lies in; spans are in steps, step j covering [j, j + 1). A bin takes
    ceil(its length) evenly spaced samples. Between the middles of two steps a sample is interpolated; up to one step
    beyond the first and last middle it is the outermost step's, farther out it is 0. `num_steps_N` (int64) tells where
    sequences of a padded batch end; None where none is padded.
    """
    spans_M2 = spans_M2.double()  # half a step matters, also far along
    bin_lengths_M = (spans_M2[:, 1] - spans_M2[:, 0]).clamp(min=0) / bins
    counts_M = (bin_lengths_M.detach() - ROUNDING).ceil().clamp(1, MAX_SAMPLES).long()
    pooled_MCB = features_NCS.new_zeros((len(spans_M2), features_NCS.shape[1], bins))
    # Spans with equally many samples go together, so that what a span gives does not depend on its neighbours.
    for count in torch.unique(counts_M).tolist():
        rows = (counts_M == count).nonzero()[:, 0]
        within_Q = (torch.arange(count, device=rows.device, dtype=spans_M2.dtype) + 0.5) / count
        starts_B = torch.arange(bins, device=rows.device, dtype=spans_M2.dtype)
        parts_BQ = starts_B[:, None] + within_Q
        at_MBQ = spans_M2[rows, 0, None, None] + parts_BQ * bin_lengths_M[rows, None, None]
        values_MBQC = _sampled(features_NCS, sequence_M[rows], at_MBQ, num_steps_N)
        pooled_MCB = pooled_MCB.index_copy(0, rows, values_MBQC.amax(dim=2).transpose(1, 2))
    return pooled_MCB


def _sampled(features_NCS: Tensor, sequence_M: Tensor, at_MBQ: Tensor, num_steps_N: Tensor | None) -> Tensor:
    """Features (M, B, Q, C) at instants, interpolated along time."""
    if num_steps_N is None:
        num_steps_N = sequence_M.new_full((len(features_NCS),), features_NCS.shape[2])
    last = num_steps_N[sequence_M, None, None] - 1
    position = at_MBQ - 0.5  # of step middles
    inside = (position >= -1 - ROUNDING) & (position - last <= 1 + ROUNDING)
    position = torch.minimum(position.clamp(min=0), last)
    before = position.detach().floor().long()
    after = torch.minimum(before + 1, last)
    weight = (position - before)[..., None].to(features_NCS.dtype)
    features_NSC = features_NCS.transpose(1, 2)
    sequence = sequence_M[:, None, None].expand_as(before)
    values: Tensor = features_NSC[sequence, before] * (1 - weight) + features_NSC[sequence, after] * weight
    return values * inside[..., None]

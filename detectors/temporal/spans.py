"""Spans as tensors: overlap, and the offsets that lead from one span to another.

Shape letters: M and G rows. A span is (start, stop); offsets are (centre, log length), in lengths of the span they
start from (R-CNN's box regression in one dimension).
"""

import math

import torch
from torch import Tensor

MAX_LOG_LENGTH = math.log(4.0)  # no span grows or shrinks by more than this factor


def span_iou(spans_M2: Tensor, others_G2: Tensor) -> Tensor:
    """Temporal IoU (M, G); two empty spans have IoU 0."""
    starts_MG = torch.maximum(spans_M2[:, None, 0], others_G2[None, :, 0])
    stops_MG = torch.minimum(spans_M2[:, None, 1], others_G2[None, :, 1])
    inter_MG = (stops_MG - starts_MG).clamp(min=0)
    union_MG = (spans_M2[:, 1] - spans_M2[:, 0])[:, None] + (others_G2[:, 1] - others_G2[:, 0]) - inter_MG
    return inter_MG / union_MG.clamp(min=torch.finfo(spans_M2.dtype).eps)


def encode(spans_M2: Tensor, targets_M2: Tensor) -> Tensor:
    """Offsets (M, 2) from spans to targets, row by row."""
    lengths_M, target_lengths_M = spans_M2[:, 1] - spans_M2[:, 0], targets_M2[:, 1] - targets_M2[:, 0]
    apart_M = (targets_M2.sum(1) - spans_M2.sum(1)) / 2
    return torch.stack([apart_M / lengths_M, torch.log(target_lengths_M / lengths_M)], dim=1)


def decode(spans: Tensor, offsets: Tensor) -> Tensor:
    """Where offsets (..., 2) lead from spans (..., 2)."""
    lengths = spans[..., 1] - spans[..., 0]
    centres = (spans[..., 0] + spans[..., 1]) / 2 + offsets[..., 0].clamp(-1, 1) * lengths
    halves = lengths * offsets[..., 1].clamp(-MAX_LOG_LENGTH, MAX_LOG_LENGTH).exp() / 2
    return torch.stack([centres - halves, centres + halves], dim=-1)

"""Made-up feature sequences, and small networks whose every weight makes a difference.

Shape letters: S steps, C channels.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from scipy.spatial import KDTree
from torch import nn

from detectors.temporal.anchor_free import AnchorFree
from detectors.temporal.layers import FeatureNorm
from detectors.temporal.temporal_rcnn import TemporalRCNN
from pipeline.records import Detections, FeatureSequence

STEP_S = 0.32
CHANNELS = 8
ANCHOR_FREE: dict[str, Any] = {
    "in_channels": CHANNELS,
    "num_classes": 3,
    "channels": 8,
    "levels": 4,
    "stem_blocks": 1,
    "head_layers": 1,
    "kernel": 3,
    "drop_path": 0.0,
}
RCNN: dict[str, Any] = {
    "stream_channels": (CHANNELS,),
    "num_classes": 3,
    "scales": (4, 6, 10),
    "channels": 8,
    "context": True,
    "neck_blocks": 1,
    "neck_kernel": 3,
    "bins": 3,
    "hidden": 16,
    "dropout": 0.0,
}


def made(num_steps: int, channels: int = CHANNELS, seed: int = 0) -> np.ndarray:
    """Features (S, C) between 0 and 1."""
    return np.random.default_rng(seed).random((num_steps, channels)).astype(np.float32)


def blocks_of(
    features_SC: np.ndarray, points: Sequence[int] = (), *, origin_s: float = 0.0, step_s: float = STEP_S
) -> list[FeatureSequence]:
    """Cut at these steps."""
    cuts = sorted(min(point, len(features_SC)) for point in points)
    firsts = [0, *cuts]
    parts = np.split(features_SC, cuts)
    return [
        FeatureSequence("v", part, None, origin_s + first * step_s, step_s)
        for first, part in zip(firsts, parts, strict=True)
    ]


def anchor_free(seed: int = 0, **changes: Any) -> AnchorFree:
    return enlivened(AnchorFree(**ANCHOR_FREE | changes), seed)


def rcnn(seed: int = 0, **changes: Any) -> TemporalRCNN:
    network = enlivened(TemporalRCNN(**RCNN | changes), seed)
    with torch.no_grad():  # ends that move by some lengths at a touch would blow up rounding errors
        for stream in network.streams:
            stream.span_head.offsets.weight *= 0.2
            for head in stream.anchor_heads:
                head.last.weight[1:] *= 0.2
    return network


def still(network: TemporalRCNN) -> TemporalRCNN:
    """One that moves no anchor and no proposal, so that answers can be told by their spans."""
    with torch.no_grad():
        for stream in network.streams:
            for head in stream.anchor_heads:
                head.last.weight[1:] = 0
                head.last.bias[1:] = 0
            stream.span_head.offsets.weight.zero_()
            stream.span_head.offsets.bias.zero_()
    return network


def enlivened(network: nn.Module, seed: int) -> Any:
    """Random weights so large that scores are all over the place, in eval mode."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if parameter.ndim > 1:
                parameter.normal_(0, (2 / parameter[0].numel()) ** 0.5, generator=generator)
            else:  # a bias, or a scale around 1
                parameter.normal_(0 if name.endswith("bias") else 1, 0.2, generator=generator)
        for module in network.modules():
            if isinstance(module, FeatureNorm):
                module.mean_C1.fill_(0.7)
                module.deviation_C1.fill_(0.3)
    return network.eval()


def assert_same(found: Detections, expected: Detections, atol: float = 1e-5) -> None:
    """The same spans, labels and scores, in an order that may differ where scores are all but equal."""
    assert len(found) == len(expected) > 0
    columns = [
        np.column_stack([one.spans_N2, 1e3 * one.labels_N, one.scores_N])  # labels apart from one another
        for one in (found, expected)
    ]
    there, back = KDTree(columns[1]).query(columns[0], p=np.inf)[0], KDTree(columns[0]).query(columns[1], p=np.inf)[0]
    farthest = max(there.max(), back.max())
    assert farthest <= atol

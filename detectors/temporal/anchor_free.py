"""A one-stage detector without anchors, after ActionFormer (arXiv 2202.07925).

Every step of a pyramid over time says which action it is in the middle of, and how far away the action's ends are.

Shape letters: N sequences, C channels, S steps, P points of all pyramid levels, K classes. Times are in steps: step j
covers [j, j + 1).
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from detectors.temporal.layers import (
    PRIOR_LOGIT,
    ChannelNorm,
    ConvBlock,
    ConvNormRelu,
    FeatureNorm,
    masked,
    strided,
)


class Points(NamedTuple):
    """What the pyramid says, level after level, the finest first."""

    logits_NPK: Tensor
    distances_NP2: Tensor  # to start and stop, in strides of the point's level, never negative
    shown_NP: Tensor | None


class AnchorFree(nn.Module):
    """From features (N, C, S) to scores and distances at the points of a pyramid over time; of any length.

    Level l has a point every 2 ** l steps.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        num_classes: int,
        channels: int,
        levels: int,
        stem_blocks: int,
        head_layers: int,
        kernel: int,
        drop_path: float,
    ) -> None:
        super().__init__()
        self.kernel = kernel
        self.strides: tuple[int, ...] = tuple(2**level for level in range(levels))
        self.feature_norm = FeatureNorm(in_channels)
        self.embed = nn.ModuleList(
            [ConvNormRelu(in_channels, channels, kernel=3), ConvNormRelu(channels, channels, kernel=3)]
        )
        self.stem = nn.ModuleList(ConvBlock(channels, kernel=kernel, drop_path=drop_path) for _ in range(stem_blocks))
        self.down = nn.ModuleList(
            ConvBlock(channels, kernel=kernel, stride=2, drop_path=drop_path) for _ in range(levels - 1)
        )
        self.level_norms = nn.ModuleList(ChannelNorm(channels) for _ in range(levels))
        self.class_head = Head(channels, num_classes, layers=head_layers)
        self.span_head = Head(channels, 2, layers=head_layers)
        self.scales = nn.Parameter(torch.ones(levels))
        nn.init.constant_(self.class_head.last.bias, PRIOR_LOGIT)  # type: ignore[arg-type]

    @property
    def radius(self) -> int:
        """Steps on each side of a point that its answer depends on at most."""
        embed, head = len(self.embed), len(self.class_head.layers) + 1
        half = self.kernel // 2
        halving = max(half, 1) * sum(self.strides[:-1])  # it pools three steps, whatever its kernel
        return embed + len(self.stem) * half + halving + head * self.strides[-1]

    def forward(self, features_NCS: Tensor, shown_N1S: Tensor | None = None) -> Points:
        x = self.feature_norm(features_NCS, shown_N1S)
        for layer in (*self.embed, *self.stem):
            x = layer(x, shown_N1S)
        logits, distances, shown = [], [], []
        for level, norm in enumerate(self.level_norms):
            if level:
                x, shown_N1S = self.down[level - 1](x, shown_N1S), strided(shown_N1S, 2)
            normed = masked(norm(x), shown_N1S)
            logits.append(self.class_head(normed, shown_N1S))
            distances.append(functional.softplus(self.span_head(normed, shown_N1S) * self.scales[level]))
            shown.append(shown_N1S)
        return Points(
            torch.cat(logits, dim=2).transpose(1, 2),
            torch.cat(distances, dim=2).transpose(1, 2),
            None if shown_N1S is None else torch.cat([one[:, 0] for one in shown if one is not None], dim=1),
        )


class Head(nn.Module):
    """The same small network at every level."""

    def __init__(self, channels: int, outputs: int, *, layers: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(ConvNormRelu(channels, channels, kernel=3) for _ in range(layers))
        self.last = nn.Conv1d(channels, outputs, 3, padding=1)

    def forward(self, x_NCS: Tensor, shown_N1S: Tensor | None) -> Tensor:
        for layer in self.layers:
            x_NCS = layer(x_NCS, shown_N1S)
        outputs: Tensor = self.last(x_NCS)
        return outputs


def points_of(num_steps: int, strides: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Where a sequence's points stand, in steps (P,): the middle of the step they stand on; and their strides (P,)."""
    counts = [-(-num_steps // stride) for stride in strides]
    at_P = torch.cat(
        [torch.arange(count, dtype=torch.float64) * stride + 0.5 for count, stride in zip(counts, strides, strict=True)]
    )
    strides_P = torch.cat(
        [torch.full((count,), stride, dtype=torch.float64) for count, stride in zip(counts, strides, strict=True)]
    )
    return at_P, strides_P

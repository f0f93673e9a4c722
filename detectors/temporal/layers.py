"""Building blocks of networks over feature sequences. Whatever lies outside of a sequence is zero in every layer.

Shape letters: N sequences, C channels, S steps. `shown_N1S` (bool) tells which steps of a padded batch belong to their
sequence; None where all do.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

MLP_WIDTH = 4
PRIOR = 0.01  # probability of an action that an untrained network gives, else background drowns it (RetinaNet)
PRIOR_LOGIT = -math.log((1 - PRIOR) / PRIOR)
MIN_DEVIATION = 1e-3  # a channel that hardly changes is not blown up


def masked(x_NCS: Tensor, shown_N1S: Tensor | None) -> Tensor:
    """Zero beyond a sequence's end, so that what is padded to a batch answers like what is not."""
    return x_NCS if shown_N1S is None else x_NCS * shown_N1S


class FeatureNorm(nn.Module):
    """Features brought to a common scale: square roots that keep their sign, then mean 0 and deviation 1 by channel.

    Backbones give means of rectified values, a few of them large; the root tames these (power normalisation, Perronnin
    et al., ECCV 2010). The statistics are those of the training videos, given with `fit`.
    """

    mean_C1: Tensor
    deviation_C1: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("mean_C1", torch.zeros(channels, 1))
        self.register_buffer("deviation_C1", torch.ones(channels, 1))

    def fit(self, features_SC: Tensor) -> None:
        roots_SC = _root(features_SC.double())
        self.mean_C1.copy_(roots_SC.mean(0)[:, None])
        self.deviation_C1.copy_(roots_SC.std(0, correction=0)[:, None] + MIN_DEVIATION)

    def forward(self, features_NCS: Tensor, shown_N1S: Tensor | None) -> Tensor:
        return masked((_root(features_NCS) - self.mean_C1) / self.deviation_C1, shown_N1S)


def _root(features: Tensor) -> Tensor:
    return features.sign() * features.abs().sqrt()


class ChannelNorm(nn.LayerNorm):
    """Layer norm over the channels of each step by itself: a step's answer does not depend on how much is seen."""

    def forward(self, x_NCS: Tensor) -> Tensor:
        return super().forward(x_NCS.transpose(1, 2)).transpose(1, 2)


class ConvNormRelu(nn.Module):
    """Convolution over time, as long as what goes in."""

    def __init__(self, in_channels: int, out_channels: int, *, kernel: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(in_channels, out_channels, kernel, padding=kernel // 2, bias=False)
        self.norm = ChannelNorm(out_channels)

    def forward(self, x_NCS: Tensor, shown_N1S: Tensor | None) -> Tensor:
        return masked(functional.relu(self.norm(self.conv(x_NCS))), shown_N1S)


class ConvBlock(nn.Module):
    """A transformer block with a depthwise convolution in the place of attention (MetaFormer, arXiv 2111.11418).

    With stride 2 it halves the steps: output i stands where input 2 i did.
    """

    def __init__(self, channels: int, *, kernel: int, stride: int = 1, drop_path: float = 0.0) -> None:
        super().__init__()
        self.stride = stride
        self.drop_path = drop_path
        self.mix_norm = ChannelNorm(channels)
        self.mix = nn.Conv1d(channels, channels, kernel, stride=stride, padding=kernel // 2, groups=channels)
        self.mixed = nn.Conv1d(channels, channels, 1)
        self.mlp_norm = ChannelNorm(channels)
        self.widen = nn.Conv1d(channels, MLP_WIDTH * channels, 1)
        self.narrow = nn.Conv1d(MLP_WIDTH * channels, channels, 1)

    def forward(self, x_NCS: Tensor, shown_N1S: Tensor | None) -> Tensor:
        """`shown_N1S` is that of the input."""
        skip = x_NCS if self.stride == 1 else functional.max_pool1d(functional.pad(x_NCS, (1, 1)), 3, self.stride)
        mixed = functional.gelu(self.mix(masked(self.mix_norm(x_NCS), shown_N1S)))
        x = skip + self._dropped(self.mixed(mixed))
        x = x + self._dropped(self.narrow(functional.gelu(self.widen(self.mlp_norm(x)))))
        return masked(x, strided(shown_N1S, self.stride))

    def _dropped(self, branch_NCS: Tensor) -> Tensor:
        """Stochastic depth (arXiv 1603.09382), sequence by sequence."""
        if not self.training or not self.drop_path:
            return branch_NCS
        keep = torch.rand(len(branch_NCS), 1, 1, device=branch_NCS.device) >= self.drop_path
        return branch_NCS * keep / (1 - self.drop_path)


def strided(shown_N1S: Tensor | None, stride: int) -> Tensor | None:
    return None if shown_N1S is None else shown_N1S[:, :, ::stride]

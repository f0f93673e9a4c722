"""Attention bottlenecks: two streams of tokens that tell each other only what fits into a few tokens between them.

Nagrani et al., Attention Bottlenecks for Multimodal Fusion, NeurIPS 2021, arXiv 2107.00135.
Shape letters: N clips, P tokens of a stream, B bottleneck tokens, C channels.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

LAYERS, BOTTLENECKS = 4, 4
HEAD_CHANNELS = 64  # of an attention head, or fewer where there are not so many
SPREAD = 0.02  # of tokens and positions at the start


class BottleneckFusion(nn.Module):
    """Streams (N, P, C) each to its class token, and the mean of these (N, C), which is scored as their mean score."""

    def __init__(self, width: int, lengths: Sequence[int], *, layers: int = LAYERS) -> None:
        """`lengths`: tokens of each stream."""
        super().__init__()
        self.class_tokens = nn.ParameterList([_spread(1, 1, width) for _ in lengths])
        self.positions = nn.ParameterList([_spread(1, length, width) for length in lengths])
        self.bottleneck = _spread(1, BOTTLENECKS, width)
        self.layers = nn.ModuleList(nn.ModuleList(Layer(width) for _ in lengths) for _ in range(layers))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in lengths)

    def forward(self, *streams: Tensor) -> Tensor:
        count = len(streams[0])
        tokens = [
            torch.cat([first.expand(count, -1, -1), stream + places], dim=1)
            for first, places, stream in zip(self.class_tokens, self.positions, streams, strict=True)
        ]
        between_NBC = self.bottleneck.expand(count, -1, -1)
        for layers in self.layers:
            assert isinstance(layers, nn.ModuleList)
            tokens, between_NBC = _exchanged(layers, tokens, between_NBC)
        last = [norm(stream[:, 0]) for norm, stream in zip(self.norms, tokens, strict=True)]
        return torch.stack(last).mean(dim=0)


class Layer(nn.Module):
    """A transformer's layer: every token attends to all, then a perceptron for each; norms come first."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.heads = max(1, width // HEAD_CHANNELS)
        self.attention_norm, self.perceptron_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.queries_keys_values, self.mix = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.perceptron = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, tokens_NPC: Tensor) -> Tensor:
        tokens_NPC = tokens_NPC + self._attended(self.attention_norm(tokens_NPC))
        out_NPC: Tensor = tokens_NPC + self.perceptron(self.perceptron_norm(tokens_NPC))
        return out_NPC

    def _attended(self, tokens_NPC: Tensor) -> Tensor:
        parts = self.queries_keys_values(tokens_NPC).chunk(3, dim=-1)
        by_heads = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in parts)
        mixed_NPC: Tensor = self.mix(F.scaled_dot_product_attention(*by_heads).transpose(1, 2).flatten(2))
        return mixed_NPC


def _exchanged(layers: nn.ModuleList, tokens: list[Tensor], between_NBC: Tensor) -> tuple[list[Tensor], Tensor]:
    """One layer on: each stream beside the bottleneck, of which what the streams made of it is averaged."""
    count = between_NBC.shape[1]
    both = [layer(torch.cat([stream, between_NBC], dim=1)) for layer, stream in zip(layers, tokens, strict=True)]
    return [one[:, :-count] for one in both], torch.stack([one[:, -count:] for one in both]).mean(dim=0)


def _spread(*shape: int) -> nn.Parameter:
    return nn.Parameter(torch.randn(shape) * SPREAD)

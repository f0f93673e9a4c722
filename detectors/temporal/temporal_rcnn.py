"""Faster R-CNN turned by 90 degrees: anchors along time, spans of interest, classes (TAL-Net, arXiv 1804.07667).

Shape letters: N sequences, C channels, S steps, A anchor scales, M spans, K classes. Times are in steps: step j covers
[j, j + 1).
"""

import math
from collections.abc import Iterator, Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from detectors.temporal.layers import PRIOR_LOGIT, ChannelNorm, ConvBlock, FeatureNorm, masked
from detectors.temporal.soi_pooling import soi_pool
from detectors.temporal.spans import MAX_LOG_LENGTH


class Tower(nn.Module):
    """Max-pooling and two dilated convolutions that together see just the `scale + 1` steps of one anchor.

    TAL-Net's dilations scale / 6 and scale / 3 come to scale + 1 by themselves, without the pooling of scale / 6 in
    front; that all three come to it, they are a seventh, two sevenths and a seventh of it. Scales are even; one below 4
    sees 5 steps, the least that two convolutions see.
    """

    def __init__(self, channels: int, scale: int) -> None:
        super().__init__()
        if scale % 2:
            raise ValueError(f"an anchor scale must be even, so that its field has a middle, got {scale}")
        first = max(1, (scale + 1) // 7)
        second = max(1, min(2 * first, scale // 2 - first))
        self.window = max(1, scale + 1 - 2 * (first + second))  # never less than `first`: no step between the taps
        self.first = nn.Conv1d(channels, channels, 3, padding=first, dilation=first)
        self.second = nn.Conv1d(channels, channels, 3, padding=second, dilation=second)

    @property
    def receptive_field(self) -> int:
        return self.window + 2 * (self.first.dilation[0] + self.second.dilation[0])

    def forward(self, x_NCS: Tensor, shown_N1S: Tensor | None) -> Tensor:
        """`x_NCS` is never negative, so that zeros beyond the ends change no maximum."""
        x = functional.max_pool1d(x_NCS, self.window, stride=1, padding=self.window // 2)
        x = masked(functional.relu(self.first(masked(x, shown_N1S))), shown_N1S)
        return masked(functional.relu(self.second(x)), shown_N1S)


class AnchorHead(nn.Module):
    """How likely the anchor of one scale holds an action at each step, and where that begins and ends."""

    def __init__(self, channels: int, scale: int, *, context: bool) -> None:
        super().__init__()
        fields = (1, 2) if context else (1,)  # TAL-Net's context: a second tower of twice the field
        self.towers = nn.ModuleList(Tower(channels, scale * wide) for wide in fields)
        self.radius = (max(fields) * max(scale, 4)) // 2  # steps on each side that an answer depends on
        self.last = nn.Conv1d(len(fields) * channels, 3, 1)
        nn.init.normal_(self.last.weight, std=0.01)
        nn.init.zeros_(self.last.bias)  # type: ignore[arg-type]
        nn.init.constant_(self.last.bias[0], PRIOR_LOGIT)  # type: ignore[index]

    def forward(self, x_NCS: Tensor, shown_N1S: Tensor | None) -> Tensor:
        """Logit, centre and log length (N, 3, S)."""
        outputs: Tensor = self.last(torch.cat([tower(x_NCS, shown_N1S) for tower in self.towers], dim=1))
        return outputs


class SpanHead(nn.Module):
    """From pooled spans to classes (background last) and offsets of each class."""

    def __init__(self, channels: int, num_classes: int, *, bins: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.bins = bins
        self.num_classes = num_classes
        self.layers = nn.Sequential(
            nn.Flatten(),
            nn.Linear(channels * bins, hidden),
            nn.LayerNorm(hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, hidden),
            nn.LayerNorm(hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
        )
        self.classes = nn.Linear(hidden, num_classes + 1)
        self.offsets = nn.Linear(hidden, 2 * num_classes)
        nn.init.normal_(self.offsets.weight, std=0.001)
        nn.init.zeros_(self.offsets.bias)

    def forward(self, pooled_MCB: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (M, K + 1) and offsets (M, K, 2)."""
        hidden_MH = self.layers(pooled_MCB)
        return self.classes(hidden_MH), self.offsets(hidden_MH).view(-1, self.num_classes, 2)


class Stream(nn.Module):
    """The two stages over one kind of features. Fully convolutional over a sequence of any length."""

    def __init__(
        self,
        *,
        in_channels: int,
        num_classes: int,
        scales: Sequence[int],
        channels: int,
        context: bool,
        neck_blocks: int,
        neck_kernel: int,
        bins: int,
        hidden: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.feature_norm = FeatureNorm(in_channels)
        self.embed = nn.Conv1d(in_channels, channels, 1, bias=False)
        self.norm = ChannelNorm(channels)
        self.anchor_heads = nn.ModuleList(AnchorHead(channels, scale, context=context) for scale in scales)
        self.neck = nn.ModuleList(ConvBlock(channels, kernel=neck_kernel) for _ in range(neck_blocks))
        self.neck_radius = neck_blocks * (neck_kernel // 2)
        self.span_head = SpanHead(channels, num_classes, bins=bins, hidden=hidden, dropout=dropout)

    def embedded(self, features_NCS: Tensor, shown_N1S: Tensor | None) -> Tensor:
        """Each step by itself."""
        return masked(functional.relu(self.norm(self.embed(self.feature_norm(features_NCS, shown_N1S)))), shown_N1S)

    def anchors(self, embedded_NCS: Tensor, shown_N1S: Tensor | None) -> tuple[Tensor, Tensor]:
        """Logits (N, S, A) and offsets (N, S, A, 2)."""
        outputs_N3SA = torch.stack([head(embedded_NCS, shown_N1S) for head in self.anchor_heads], dim=3)
        return outputs_N3SA[:, 0], outputs_N3SA[:, 1:].permute(0, 2, 3, 1)

    def for_spans(self, embedded_NCS: Tensor, shown_N1S: Tensor | None) -> Tensor:
        """What spans are pooled from."""
        for block in self.neck:
            embedded_NCS = block(embedded_NCS, shown_N1S)
        return embedded_NCS

    def classify(
        self, pooled_from_NCS: Tensor, sequence_M: Tensor, spans_M2: Tensor, num_steps_N: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Pool spans with half their length of context on each side, and name them; see `soi_pool`."""
        halves_M2 = (spans_M2[:, 1:] - spans_M2[:, :1]) / 2
        wide_M2 = torch.cat([spans_M2[:, :1] - halves_M2, spans_M2[:, 1:] + halves_M2], dim=1)
        bins = self.span_head.bins
        pooled_MCB = soi_pool(pooled_from_NCS, sequence_M, wide_M2, bins=bins, num_steps_N=num_steps_N)
        logits_MK, offsets_MK2 = self.span_head(pooled_MCB)
        return logits_MK, offsets_MK2


def anchors_of(num_steps: int, scales: Sequence[int]) -> Tensor:
    """The anchors (S, A, 2) of a sequence: around the middle of each step, one of each scale."""
    middles_S = torch.arange(num_steps, dtype=torch.float64) + 0.5
    halves_A = torch.tensor(scales, dtype=torch.float64) / 2
    return torch.stack([middles_S[:, None] - halves_A, middles_S[:, None] + halves_A], dim=-1)


class TemporalRCNN(nn.Module):
    """One stream, or several that are trained side by side and whose scores are averaged (TAL-Net's late fusion)."""

    def __init__(
        self,
        *,
        stream_channels: Sequence[int],
        num_classes: int,
        scales: Sequence[int],
        channels: int,
        context: bool,
        neck_blocks: int,
        neck_kernel: int,
        bins: int,
        hidden: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.stream_channels = tuple(stream_channels)  # features are these side by side, as (RGB, flow) often are
        self.scales = tuple(scales)
        self.streams = nn.ModuleList(
            Stream(
                in_channels=in_channels,
                num_classes=num_classes,
                scales=scales,
                channels=channels,
                context=context,
                neck_blocks=neck_blocks,
                neck_kernel=neck_kernel,
                bins=bins,
                hidden=hidden,
                dropout=dropout,
            )
            for in_channels in stream_channels
        )

    @property
    def propose_radius(self) -> int:
        """Steps on each side of an anchor's middle that its answer depends on at most."""
        return max(cast(AnchorHead, head).radius for head in self._first.anchor_heads)

    @property
    def classify_radius(self) -> int:
        """Steps on each side of a proposal's middle: as long as a proposal can be, its context with it."""
        return math.ceil(max(self.scales) * math.exp(MAX_LOG_LENGTH)) + 1 + self._first.neck_radius

    @property
    def _first(self) -> Stream:
        return cast(Stream, self.streams[0])

    def by_stream(self, features_NCS: Tensor) -> Iterator[tuple[Stream, Tensor]]:
        """Each stream with its channels."""
        parts = torch.split(features_NCS, list(self.stream_channels), dim=1)
        yield from zip((cast(Stream, stream) for stream in self.streams), parts, strict=True)

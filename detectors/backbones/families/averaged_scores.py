"""The head of networks with several streams: each scores the classes alone, and the scores are averaged.

Shape letters: N clips, C channels of all streams side by side, K classes.
"""

from collections.abc import Mapping
from math import log

import torch
from torch import Tensor, nn

from detectors.backbones.contract import Criterion


class AveragedScores(nn.Module):
    """Features of the streams, one after the other (..., C), to the log of the mean of their softmaxes (..., K)."""

    def __init__(self, channels: Mapping[str, int], num_classes: int) -> None:
        """`channels` of each stream by its name, in the order in which the features stand."""
        super().__init__()
        self.channels = dict(channels)
        self.streams = nn.ModuleDict({name: nn.Linear(width, num_classes) for name, width in channels.items()})

    def forward(self, features: Tensor) -> Tensor:
        logs = torch.stack([logits.log_softmax(dim=-1) for logits in self.logits(features).values()])
        return logs.logsumexp(dim=0) - log(len(logs))

    def logits(self, features: Tensor) -> dict[str, Tensor]:
        """Of each stream (..., K), by its name."""
        parts = torch.split(features, list(self.channels.values()), dim=-1)
        return {name: stream(part) for (name, stream), part in zip(self.streams.items(), parts, strict=True)}

    def losses(self, criterion: Criterion, labels_N: Tensor, features_NC: Tensor) -> dict[str, Tensor]:
        """Each stream's own, by its name: the streams learn apart from each other, in one go."""
        return {name: criterion(logits_NK, labels_N) for name, logits_NK in self.logits(features_NC).items()}

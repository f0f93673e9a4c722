"""Stretches of different lengths side by side, with what is to be found in them.

Shape letters: N stretches, C channels, S steps (of the longest), G ground truths of one stretch.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False, slots=True)
class Example:
    """A stretch of a video with its actions, in steps of it."""

    features_SC: Tensor
    shown_S: Tensor  # bool
    spans_G2: Tensor
    labels_G: Tensor  # int64


@dataclass(frozen=True, eq=False, slots=True)
class Batch:
    """Examples padded to one length."""

    features_NCS: Tensor
    shown_N1S: Tensor  # bool
    num_steps_N: Tensor  # int64, without the padding
    spans: list[Tensor]  # (G, 2) of each stretch
    labels: list[Tensor]  # (G,)

    def to(self, device: str) -> "Batch":
        return Batch(
            self.features_NCS.to(device),
            self.shown_N1S.to(device),
            self.num_steps_N.to(device),
            [one.to(device) for one in self.spans],
            [one.to(device) for one in self.labels],
        )


def collate(examples: Sequence[Example]) -> Batch:
    num_steps = [len(one.features_SC) for one in examples]
    longest, channels = max(num_steps), examples[0].features_SC.shape[1]
    features_NCS = torch.zeros(len(examples), channels, longest)
    shown_N1S = torch.zeros(len(examples), 1, longest, dtype=torch.bool)
    for row, one in enumerate(examples):
        features_NCS[row, :, : len(one.features_SC)] = one.features_SC.T
        shown_N1S[row, 0, : len(one.shown_S)] = one.shown_S
    spans, labels = [one.spans_G2 for one in examples], [one.labels_G for one in examples]
    return Batch(features_NCS, shown_N1S, torch.tensor(num_steps), spans, labels)

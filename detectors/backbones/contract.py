"""What every backbone promises, so that stages can feed any of them without knowing which it is."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from detectors.backbones.carry import Carry


@dataclass(frozen=True, slots=True)
class Contract:
    """How a dense backbone sees time and pixels. Step j owns frames [j * stride, (j + 1) * stride)."""

    stride: int  # frames a step
    halo_before: int  # frames it sees before the first frame a step owns
    halo_after: int  # frames it sees after the last frame a step owns
    size_multiple: int  # height and width should be multiples of this, pixels
    feature_channels: int
    class_names: tuple[str, ...]
    mean: tuple[float, float, float]  # of RGB in 0..1
    std: tuple[float, float, float]

    @property
    def receptive_field(self) -> int:
        """Frames that one step sees."""
        return self.halo_before + self.stride + self.halo_after


@runtime_checkable
class Foldable(Protocol):
    """A layer that has a faster form for inference."""

    def fold(self, dtype: torch.dtype) -> None:
        """Take that form, in place, with weights of `dtype`."""


class Backbone(nn.Module, ABC):
    """A network from normalised frames (N, 3, T, H, W) to features (N, S, C) and logits (N, S, K) of the same steps."""

    contract: Contract

    @abstractmethod
    def forward(self, frames_NCTHW: Tensor, carry: Carry | None = None) -> tuple[Tensor, Tensor]:
        """Without a carry the frames are a whole run; with one, the next chunk of it. T is a multiple of the stride."""

    @abstractmethod
    def load(self, path: Path) -> None:
        """Fill in the weights of a file, before the network is prepared for inference."""

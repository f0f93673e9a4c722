"""What every backbone promises, so that stages can feed any of them without knowing which it is.

Shape letters: N clips or runs, C channels, T frames, H rows, W columns, S steps, h x w cells of a map, K classes,
A samples of sound beside a frame.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from torch import Tensor, nn

Criterion = Callable[[Tensor, Tensor], Tensor]  # logits (N, K) and labels (N,) to a loss


@dataclass(frozen=True, slots=True)
class Contract:
    """How a backbone sees time and pixels. Step j owns frames [j * stride, (j + 1) * stride) of a run."""

    rate: float  # frames a second it was trained with
    short_side: int  # pixels of the shorter side, likewise
    clip_frames: int  # frames of a training clip, and of a window
    stride: int  # frames a step
    dense: bool  # runs along a whole recording, each frame computed once; else clip by clip, each step its window
    halo_before: int  # frames it sees before the first frame that a step owns
    halo_after: int  # frames it sees after the last frame that a step owns; below 0 if it does not see all it owns
    square: bool  # takes pictures of short_side x short_side only
    size_multiple: int  # height and width should be multiples of this, pixels
    map_stride: int | None  # pixels from one cell of the feature map to the next; None: its map is no picture
    feature_channels: int
    class_names: tuple[str, ...] = field(repr=False)
    mean: tuple[float, float, float]  # of RGB in 0..1
    std: tuple[float, float, float]
    sound_per_frame: int = 0  # samples of sound that it hears beside each frame; 0: it is deaf

    @property
    def receptive_field(self) -> int:
        """Frames that one step sees."""
        return self.halo_before + self.stride + self.halo_after

    def on_key_frames(self, every: int) -> "Contract":
        """Of a network for boxes: clip by clip, a step for each key frame, which is the first frame that it owns.

        A clip begins half its length before the key frame, as in PySlowFast (slowfast.datasets.utils.get_sequence).
        """
        before = self.clip_frames // 2
        return replace(
            self, dense=False, stride=every, halo_before=before, halo_after=self.clip_frames - before - every
        )


class Encoded(NamedTuple):
    """What a backbone makes of clips."""

    features_NC: Tensor
    map_NCSHW: Tensor


class Backbone(nn.Module, ABC):
    """A network from normalised clips (N, 3, T, H, W) to class logits (N, K), by way of features and a map.

    `trunk`, where there is one, is plain torch from frames (N, 3, T, H, W) to a map (N, C, T / stride, h, w) whose mean
    over the picture is a step's feature; `head` takes features (..., C) to logits (..., K). A network that classifies
    boxes only has no `head`. One that hears takes sound (N, T, A), -1..1, as a second input wherever clips go in.
    """

    contract: Contract
    trunk: nn.Module | None
    head: nn.Module | None

    @abstractmethod
    def encode(self, clips_NCTHW: Tensor) -> Encoded:
        """Features and feature map of whole clips, as the network was trained."""

    @abstractmethod
    def load(self, path: Path) -> None:
        """Fill in the weights of a file. Raises WeightsError if it is not this network's."""

    def blocks(self) -> list[nn.Module]:
        """Its parts that have weights, from the frames on; the head is none of them."""
        assert self.trunk is not None
        return [part for part in self.trunk.children() if next(part.parameters(), None) is not None]

    def key_in(self, layout: str, key: str) -> str:
        """Where a checkpoint of that layout keeps what our state dict calls `key`. Raises ValueError, KeyError."""
        if layout != "native":
            raise ValueError(f"{type(self).__name__} has no layout {layout!r}, only 'native'")
        return key

    def forward(self, *inputs: Tensor) -> Tensor:
        """Class logits (N, K) of whole clips: the published function."""
        if self.head is None:
            raise ValueError(f"{type(self).__name__} classifies boxes, not whole pictures")
        logits_NK: Tensor = self.head(self.encode(*inputs).features_NC)
        return logits_NK

    def losses(self, criterion: Criterion, labels_N: Tensor, *inputs: Tensor) -> dict[str, Tensor]:
        """What a training of the network on labelled clips minimises, by name; their sum counts."""
        return {"class": criterion(self(*inputs), labels_N)}


def mean_of_steps(map_NCSHW: Tensor, pooled_steps: int = 1) -> Tensor:
    """Features (N, C) of a clip: the mean over the picture and over all means of so many neighbouring steps."""
    features_NCS = map_NCSHW.mean(dim=(3, 4))
    if 1 < pooled_steps <= features_NCS.shape[2]:
        features_NCS = features_NCS.unfold(2, pooled_steps, 1).mean(-1)
    return features_NCS.mean(2)

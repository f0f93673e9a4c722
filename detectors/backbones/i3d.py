"""I3D: Inception-v1 inflated to three dimensions (CVPR 2017, arXiv 1705.07750), run densely over time.

Padding in time is that of a run whose length is a multiple of 8, so that step j always sees frames 8j - 44 .. 8j + 54.
Shape letters: N runs, C channels, T frames, H rows, W columns, S steps, K classes.
"""

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from detectors.backbones.carry import Carry
from detectors.backbones.contract import Backbone, Contract
from detectors.backbones.i3d_weights import load_flax
from detectors.backbones.inception import MaxPool, Mixed, Stem, Unit, Widths
from detectors.numpy_pickle import load_numpy_pickle

MIXED: dict[str, Widths] = {
    "3b": (64, 96, 128, 16, 32, 32),
    "3c": (128, 128, 192, 32, 96, 64),
    "4b": (192, 96, 208, 16, 48, 64),
    "4c": (160, 112, 224, 24, 64, 64),
    "4d": (128, 128, 256, 24, 64, 64),
    "4e": (112, 144, 288, 32, 64, 64),
    "4f": (256, 160, 320, 32, 128, 128),
    "5b": (256, 160, 320, 32, 128, 128),
    "5c": (384, 192, 384, 48, 128, 128),
}


class I3D(Backbone):
    """Frames in -1..1 to one feature and one row of class logits every 8 frames."""

    def __init__(self, class_names: tuple[str, ...] | None = None) -> None:
        super().__init__()
        names = class_names or kinetics400()
        self.contract = Contract(
            stride=8,
            halo_before=44,
            halo_after=47,
            size_multiple=32,
            feature_channels=1024,
            class_names=names,
            mean=(0.5, 0.5, 0.5),
            std=(0.5, 0.5, 0.5),
        )
        self.layers = nn.ModuleDict(dict(_layers()))
        self.head = nn.Linear(1024, len(names))

    def forward(self, frames_NCTHW: Tensor, carry: Carry | None = None) -> tuple[Tensor, Tensor]:
        """Features (N, S, C) and logits (N, S, K); without a carry the frames are a whole run, T a multiple of 8."""
        carry = carry or Carry(last=True)
        x_NCTHW = frames_NCTHW
        for layer in self.layers.values():
            x_NCTHW = layer(x_NCTHW, carry)
        features_NSC = x_NCTHW.mean(dim=(3, 4), dtype=torch.float32).transpose(1, 2)
        return features_NSC, self.head(features_NSC)

    def load(self, path: Path) -> None:
        """Raises WeightsError or ValueError if the file is not the published one's kind."""
        load_flax(self.layers, self.head, load_numpy_pickle(path))


def kinetics400() -> tuple[str, ...]:
    """The class names in the order of the weights; a file of ours, since importing torchvision takes seconds."""
    return tuple(Path(__file__).with_name("kinetics400.txt").read_text(encoding="utf-8").splitlines())


def _layers() -> Iterator[tuple[str, nn.Module]]:
    yield "Conv3d_1a_7x7", Stem(64)
    yield "MaxPool3d_2a_3x3", MaxPool((1, 3, 3), (1, 2, 2))
    yield "Conv3d_2b_1x1", Unit(64, 64)
    yield "Conv3d_2c_3x3", Unit(64, 192, 3)
    yield "MaxPool3d_3a_3x3", MaxPool((1, 3, 3), (1, 2, 2))
    channels = 192
    for name, widths in MIXED.items():
        if name == "4b":
            yield "MaxPool3d_4a_3x3", MaxPool((3, 3, 3), (2, 2, 2))
        if name == "5b":
            yield "MaxPool3d_5a_2x2", MaxPool((2, 2, 2), (2, 2, 2))
        block = Mixed(channels, widths)
        channels = block.channels_out
        yield f"Mixed_{name}", block

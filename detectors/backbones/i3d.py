"""I3D: Inception-v1 inflated to three dimensions (CVPR 2017, arXiv 1705.07750).

Padding in time is that of a run whose length is a multiple of 8, so that step j always sees frames 8j - 44 .. 8j + 54.
"""

import zipfile
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path

from torch import Tensor, nn

from detectors import checkpoints
from detectors.backbones.class_names import kinetics400
from detectors.backbones.contract import Backbone, Contract, Encoded, mean_of_steps
from detectors.backbones.i3d_weights import load_flax
from detectors.backbones.inception import Mixed, Unit, Widths
from detectors.dense.form import view_of
from detectors.dense.layers import SameMaxPool3d
from detectors.errors import WeightsError
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

    trunk: nn.Sequential
    head: nn.Linear

    def __init__(self, class_names: tuple[str, ...] | None = None) -> None:
        super().__init__()
        names = class_names or kinetics400()
        self.trunk = nn.Sequential(OrderedDict(_layers()))
        self.head = nn.Linear(1024, len(names))
        view = view_of(self.trunk)
        self.contract = Contract(
            rate=25.0,
            short_side=224,
            clip_frames=64,
            stride=view.stride,
            dense=True,
            halo_before=view.halo_before,
            halo_after=view.halo_after,
            square=False,
            size_multiple=32,
            map_stride=32,
            feature_channels=1024,
            class_names=names,
            mean=(0.5, 0.5, 0.5),
            std=(0.5, 0.5, 0.5),
        )

    def encode(self, clips_NCTHW: Tensor) -> Encoded:
        """Of clips whose length is a multiple of 8; features are averaged over pairs of steps, as published."""
        map_NCSHW = self.trunk(clips_NCTHW)
        return Encoded(mean_of_steps(map_NCSHW, pooled_steps=2), map_NCSHW)

    def load(self, path: Path) -> None:
        """Of the published kind, or as torch saves this network. Raises WeightsError if it is neither."""
        if zipfile.is_zipfile(path):
            checkpoints.load_file(self, path)
            return
        try:
            load_flax(self.trunk, self.head, load_numpy_pickle(path))
        except ValueError as error:
            raise WeightsError(f"{path}: {error}") from None


def _layers() -> Iterator[tuple[str, nn.Module]]:
    yield "Conv3d_1a_7x7", Unit(3, 64, 7, 2)
    yield "MaxPool3d_2a_3x3", SameMaxPool3d((1, 3, 3), (1, 2, 2))
    yield "Conv3d_2b_1x1", Unit(64, 64)
    yield "Conv3d_2c_3x3", Unit(64, 192, 3)
    yield "MaxPool3d_3a_3x3", SameMaxPool3d((1, 3, 3), (1, 2, 2))
    channels = 192
    for name, widths in MIXED.items():
        if name == "4b":
            yield "MaxPool3d_4a_3x3", SameMaxPool3d((3, 3, 3), (2, 2, 2))
        if name == "5b":
            yield "MaxPool3d_5a_2x2", SameMaxPool3d((2, 2, 2), (2, 2, 2))
        block = Mixed(channels, widths)
        channels = block.channels_out
        yield f"Mixed_{name}", block

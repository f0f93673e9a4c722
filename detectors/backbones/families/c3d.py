"""C3D: eight 3x3x3 convolutions with pools between them, then two wide layers (Tran et al., arXiv 1412.0767).

Shape letters: N clips, C channels, T frames, H rows, W columns, K classes.
"""

from collections.abc import Mapping
from types import MappingProxyType

from torch import Tensor, nn

from detectors.backbones.contract import Encoded
from detectors.backbones.families.family import CLIP_FRAMES, SHORT_SIDE, Family, family_contract, names_or_kinetics

WIDTH = 64  # channels of the first convolution, of which all others are multiples
CONVOLUTIONS: Mapping[str, int] = MappingProxyType(
    {"conv1": 1, "conv2": 2, "conv3a": 4, "conv3b": 4, "conv4a": 8, "conv4b": 8, "conv5a": 8, "conv5b": 8}
)
FULLY_CONNECTED = 64
TIME_REDUCTION, PICTURE_REDUCTION = 16, 32  # of all pools: halves, rounded down; the first leaves time as it is
DROPOUT = 0.5


class C3D(Family):
    """Clips of one length and pictures of one size, since fully connected layers take all that is left of both."""

    def __init__(
        self,
        *,
        class_names: tuple[str, ...] | None = None,
        clip_frames: int = CLIP_FRAMES,
        short_side: int = SHORT_SIDE,
        width: int = WIDTH,
    ) -> None:
        """Raises ValueError for clips or pictures of which the pools leave nothing."""
        super().__init__()
        for name, given, least in (
            ("clip_frames", clip_frames, TIME_REDUCTION),
            ("short_side", short_side, PICTURE_REDUCTION),
        ):
            if given < least:
                raise ValueError(f"{name} of c3d must be at least {least}, of which its pools leave 1, got {given}")
        names = names_or_kinetics(class_names)
        channels, wide = CONVOLUTIONS["conv5b"] * width, FULLY_CONNECTED * width
        cells = clip_frames // TIME_REDUCTION * (short_side // PICTURE_REDUCTION) ** 2
        self.convolutions = _convolutions(width)
        self.fc6 = _fully_connected(channels * cells, wide)
        self.fc7 = _fully_connected(wide, wide)
        self.head = nn.Linear(wide, len(names))
        self.contract = family_contract(
            names, channels=wide, map_stride=None, clip_frames=clip_frames, square=True, short_side=short_side
        )

    def encode(self, clips_NCTHW: Tensor) -> Encoded:
        """Clips of the contract's length and size only; the map is one cell, since what is where is mixed."""
        features_NC = self.fc7(self.fc6(self.convolutions(clips_NCTHW).flatten(1)))
        return Encoded(features_NC, features_NC[:, :, None, None, None])

    def blocks(self) -> list[nn.Module]:
        """Every layer that has weights."""
        return [*(layer for layer in self.convolutions if isinstance(layer, nn.Conv3d)), self.fc6, self.fc7]


def _convolutions(width: int) -> nn.Sequential:
    """Groups of convolutions, named by their numbers, and a pool after each group."""
    layers, channels, names = nn.Sequential(), 3, list(CONVOLUTIONS)
    for name, following in zip(names, [*names[1:], ""], strict=True):
        conv = nn.Conv3d(channels, channels := CONVOLUTIONS[name] * width, 3, padding=1)
        layers.add_module(name, _begun(conv))
        layers.add_module(name.replace("conv", "relu"), nn.ReLU(inplace=True))
        group = name[4]
        if following[4:5] != group:
            deep = 1 if group == "1" else 2
            layers.add_module(f"pool{group}", nn.MaxPool3d((deep, 2, 2)))
    return layers


def _fully_connected(channels_in: int, channels_out: int) -> nn.Sequential:
    return nn.Sequential(_begun(nn.Linear(channels_in, channels_out)), nn.ReLU(inplace=True), nn.Dropout(DROPOUT))


def _begun(layer: nn.Conv3d | nn.Linear) -> nn.Module:
    """With weights by which signals neither grow nor die on their way through ten layers without norms."""
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)
    return layer

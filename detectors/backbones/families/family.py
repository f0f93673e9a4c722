"""What the families have in common: how they are fed, and where their weights lie."""

from pathlib import Path

from torch import nn

from detectors import checkpoints
from detectors.backbones.class_names import kinetics400
from detectors.backbones.contract import Backbone, Contract
from detectors.backbones.families.image_network import ImageNetwork
from detectors.dense.carry import View, window_view

RATE, SHORT_SIDE = 12.5, 112
CLIP_FRAMES, STRIDE = 16, 4
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, which image networks are trained on


class Family(Backbone):
    """A network over an image network, `images`, with a linear head; run clip by clip unless it says otherwise."""

    head: nn.Module

    def __init__(self) -> None:
        super().__init__()
        self.trunk = None

    def load(self, path: Path) -> None:
        """Raises WeightsError if the file holds another network."""
        checkpoints.load_file(self, path)

    def blocks(self) -> list[nn.Module]:
        """The stages of every image network in it, in the order of its parts; the head is none of them."""
        found: list[nn.Module] = []
        for part in (part for name, part in self.named_children() if name != "head"):
            found += part.stages if isinstance(part, ImageNetwork) else [part]
        return [part for part in found if next(part.parameters(), None) is not None]


def names_or_kinetics(class_names: tuple[str, ...] | None) -> tuple[str, ...]:
    """The classes asked for, or those of Kinetics-400, of which our own features are spoken."""
    return class_names or kinetics400()


def family_contract(
    class_names: tuple[str, ...],
    *,
    channels: int,
    map_stride: int | None,
    clip_frames: int,
    view: View | None = None,
    stride: int = STRIDE,
    square: bool = False,
    short_side: int = SHORT_SIDE,
    size_multiple: int | None = None,
    sound_per_frame: int = 0,
) -> Contract:
    """Of a network that runs densely with that `view`, or else on a clip around every `stride` frames."""
    seen = view or window_view(clip_frames, min(stride, clip_frames))
    return Contract(
        rate=RATE,
        short_side=short_side,
        clip_frames=clip_frames,
        stride=seen.stride,
        dense=view is not None,
        halo_before=seen.halo_before,
        halo_after=seen.halo_after,
        square=square,
        size_multiple=size_multiple or map_stride or 1,
        map_stride=map_stride,
        feature_channels=channels,
        class_names=class_names,
        mean=MEAN,
        std=STD,
        sound_per_frame=sound_per_frame,
    )

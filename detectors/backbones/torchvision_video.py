"""torchvision's video networks under our contract, with their own weights' sizes, rates and normalisation.

Convolutional ones run densely, attention ones clip by clip. torchvision is imported when one is made: it takes seconds.
Shape letters: N clips, C channels, T frames, H rows, W columns, S steps.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from detectors import checkpoints
from detectors.backbones.class_names import kinetics400
from detectors.backbones.contract import Backbone, Contract, Encoded, mean_of_steps
from detectors.dense.carry import View, window_view
from detectors.dense.form import view_of
from detectors.dense.layers import LastLinear

Colour = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a network's published weights were trained and tested (torchvision's meta data and transforms)."""

    rate: float
    clip_frames: int
    short_side: int
    channels: int
    map_stride: int
    mean: Colour
    std: Colour


OWN_COLOURS: tuple[Colour, Colour] = (0.43216, 0.394666, 0.37645), (0.22803, 0.22145, 0.216989)
IMAGENET: tuple[Colour, Colour] = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
GREY: tuple[Colour, Colour] = (0.45, 0.45, 0.45), (0.225, 0.225, 0.225)

RESNETS = {name: Recipe(15.0, 16, 128, 512, 16, *OWN_COLOURS) for name in ("r3d_18", "mc3_18", "r2plus1d_18")}
RESNET_PARTS = ("stem", "layer1", "layer2", "layer3", "layer4")
RESNET_STRIDE = 8
S3DS = {"s3d": Recipe(15.0, 128, 256, 1024, 32, *OWN_COLOURS)}
MVITS = {name: Recipe(7.5, 16, 224, 768, 32, *GREY) for name in ("mvit_v1_b", "mvit_v2_s")}
SWINS = {
    name: Recipe(15.0, 32, 224, channels, 32, *IMAGENET)
    for name, channels in (("swin3d_t", 768), ("swin3d_s", 768), ("swin3d_b", 1024))
}


class TorchvisionBackbone(Backbone):
    """What all of them share: a torchvision network parted into its body and its head."""

    def __init__(self, recipe: Recipe, names: tuple[str, ...], view: View, *, dense: bool) -> None:
        super().__init__()
        self.contract = Contract(
            rate=recipe.rate,
            short_side=recipe.short_side,
            clip_frames=recipe.clip_frames,
            stride=view.stride,
            dense=dense,
            halo_before=view.halo_before,
            halo_after=view.halo_after,
            square=not dense,
            size_multiple=recipe.map_stride,
            map_stride=recipe.map_stride,
            feature_channels=recipe.channels,
            class_names=names,
            mean=recipe.mean,
            std=recipe.std,
        )

    def load(self, path: Path) -> None:
        """Raises WeightsError if the file holds another network."""
        checkpoints.load_file(self, path)


class VideoResNet(TorchvisionBackbone):
    """R3D-18, MC3-18 and R(2+1)D-18 (CVPR 2018, arXiv 1711.11248)."""

    trunk: nn.Module

    def __init__(self, name: str, class_names: tuple[str, ...] | None = None) -> None:
        names = class_names or kinetics400()
        network = _make(name, len(names))
        trunk = nn.Sequential(OrderedDict((part, getattr(network, part)) for part in RESNET_PARTS))
        if view_of(trunk).stride == 1:  # MC3 never strides in time; its step is a mean of as many frames as the others'
            trunk.add_module("mean", nn.AvgPool3d((RESNET_STRIDE, 1, 1)))
        super().__init__(RESNETS[name], names, view_of(trunk), dense=True)
        self.trunk, self.head = trunk, network.fc

    def encode(self, clips_NCTHW: Tensor) -> Encoded:
        map_NCSHW = self.trunk(clips_NCTHW)
        return Encoded(mean_of_steps(map_NCSHW), map_NCSHW)

    def key_in(self, layout: str, key: str) -> str:
        """torchvision keeps the trunk's parts at the top and calls the head fc."""
        if layout == "torchvision":
            return key.removeprefix("trunk.").replace("head.", "fc.")
        return super().key_in(layout, key)


class S3D(TorchvisionBackbone):
    """S3D (ECCV 2018, arXiv 1712.04851)."""

    trunk: nn.Module

    def __init__(self, name: str = "s3d", class_names: tuple[str, ...] | None = None) -> None:
        names = class_names or kinetics400()
        network = _make(name, len(names))
        super().__init__(S3DS[name], names, view_of(network.features), dense=True)
        self.trunk, self.head = network.features, LastLinear(S3DS[name].channels, len(names))

    def encode(self, clips_NCTHW: Tensor) -> Encoded:
        """Features are averaged over pairs of steps, as published."""
        map_NCSHW = self.trunk(clips_NCTHW)
        return Encoded(mean_of_steps(map_NCSHW, pooled_steps=2), map_NCSHW)

    def key_in(self, layout: str, key: str) -> str:
        """torchvision calls the trunk features and the head classifier.1."""
        if layout == "torchvision":
            return key.replace("trunk.", "features.", 1).replace("head.", "classifier.1.", 1)
        return super().key_in(layout, key)


class WindowedBackbone(TorchvisionBackbone):
    """An attention network, whose every step sees a clip of its own."""

    network: Any

    def __init__(self, recipe: Recipe, name: str, class_names: tuple[str, ...] | None) -> None:
        names = class_names or kinetics400()
        network = _make(name, len(names))
        super().__init__(recipe, names, window_view(recipe.clip_frames, recipe.clip_frames // 4), dense=False)
        self.trunk = None
        self.head, network.head = network.head, nn.Identity()
        self.network = network

    def key_in(self, layout: str, key: str) -> str:
        """torchvision keeps all but the head at the top."""
        if layout == "torchvision":
            return key.removeprefix("network.")
        return super().key_in(layout, key)


class Swin3D(WindowedBackbone):
    """Video Swin transformers (CVPR 2022, arXiv 2106.13230)."""

    def __init__(self, name: str, class_names: tuple[str, ...] | None = None) -> None:
        super().__init__(SWINS[name], name, class_names)

    def blocks(self) -> list[nn.Module]:
        """The patches, stages and what merges patches between them, the last norm with the last stage."""
        *inner, last = self.network.features
        return [self.network.patch_embed, *inner, nn.ModuleList([last, self.network.norm])]

    def encode(self, clips_NCTHW: Tensor) -> Encoded:
        network = self.network
        tokens_NTHWC = network.pos_drop(network.patch_embed(clips_NCTHW))
        map_NCSHW = network.norm(network.features(tokens_NTHWC)).movedim(-1, 1)
        return Encoded(mean_of_steps(map_NCSHW), map_NCSHW)


class MViT(WindowedBackbone):
    """Multiscale vision transformers (arXiv 2104.11227 and 2112.01526); features are those of the class token."""

    def __init__(self, name: str, class_names: tuple[str, ...] | None = None) -> None:
        super().__init__(MVITS[name], name, class_names)

    def blocks(self) -> list[nn.Module]:
        """The patches with their positions, then blocks, the last norm with the last one."""
        network = self.network
        *inner, last = network.blocks
        patches = nn.ModuleList([network.conv_proj, network.pos_encoding])
        return [patches, *inner, nn.ModuleList([last, network.norm])]

    def encode(self, clips_NCTHW: Tensor) -> Encoded:
        network = self.network
        tokens_NPC = network.conv_proj(clips_NCTHW).flatten(2).transpose(1, 2)
        tokens_NPC, size = network.pos_encoding(tokens_NPC), network.pos_encoding.temporal_size
        sizes = (size, *network.pos_encoding.spatial_size)
        for block in network.blocks:
            tokens_NPC, sizes = block(tokens_NPC, sizes)
        tokens_NPC = network.norm(tokens_NPC)
        return Encoded(tokens_NPC[:, 0], tokens_NPC[:, 1:].transpose(1, 2).unflatten(2, sizes))


MAKERS: dict[str, Callable[..., Backbone]] = {
    **dict.fromkeys(RESNETS, VideoResNet),
    **dict.fromkeys(S3DS, S3D),
    **dict.fromkeys(MVITS, MViT),
    **dict.fromkeys(SWINS, Swin3D),
}


def _make(name: str, num_classes: int) -> Any:
    from torchvision.models import video

    return getattr(video, name)(num_classes=num_classes)

"""Early fusion: all frames enter the first layer at once, as so many channels (Karpathy et al., CVPR 2014).

One layer sees time, and for it frame 3 is another thing than frame 4: what happens later must be learned anew.
Shape letters: N clips, C channels, T frames, H rows, W columns.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from detectors.backbones.contract import Encoded, mean_of_steps
from detectors.backbones.families.family import CLIP_FRAMES, Family, family_contract, names_or_kinetics
from detectors.backbones.families.image_network import ImageNetwork
from detectors.backbones.families.image_network import image_network as make_images


class EarlyFusion(Family):
    """An image network whose first convolution takes 3 T channels."""

    def __init__(
        self,
        *,
        class_names: tuple[str, ...] | None = None,
        image_network: str = "resnet18",
        image_state: Mapping[str, Tensor] | None = None,
        clip_frames: int = CLIP_FRAMES,
    ) -> None:
        super().__init__()
        names = names_or_kinetics(class_names)
        self.images = make_images(image_network, image_state)
        widen(self.images, 3 * clip_frames, keep=image_state is not None)
        self.head = nn.Linear(self.images.channels, len(names))
        self.contract = family_contract(
            names, channels=self.images.channels, map_stride=self.images.stride, clip_frames=clip_frames
        )

    def encode(self, clips_NCTHW: Tensor) -> Encoded:
        """Clips of the contract's length only."""
        map_NCHW = self.images(clips_NCTHW.transpose(1, 2).flatten(1, 2))
        return Encoded(mean_of_steps(map_NCHW[:, :, None]), map_NCHW[:, :, None])


def widen(images: ImageNetwork, channels: int, *, keep: bool) -> None:
    """Let the first convolution take so many channels instead of 3.

    `keep`: each of the new ones has the mean of the weights that there are, so that nothing learned is lost (temporal
    segment networks, ECCV 2016, arXiv 1608.00859, section 3.2); else they begin at random.
    """
    parent, name, first = first_convolution(images)
    wide = nn.Conv2d(
        channels,
        first.out_channels,
        first.kernel_size,  # type: ignore[arg-type]
        first.stride,  # type: ignore[arg-type]
        first.padding,  # type: ignore[arg-type]
        bias=first.bias is not None,
        device=first.weight.device,
    )
    if keep:
        with torch.no_grad():
            mean = first.weight.mean(dim=1, keepdim=True) * (first.in_channels / channels)
            wide.weight.copy_(mean.expand_as(wide.weight))
            if first.bias is not None and wide.bias is not None:
                wide.bias.copy_(first.bias)
    setattr(parent, name, wide)


def first_convolution(images: ImageNetwork) -> tuple[nn.Module, str, nn.Conv2d]:
    """The layer that takes the picture, with the module that holds it and the name it has there."""
    return next(
        (parent, name, child)
        for parent in images.modules()
        for name, child in parent.named_children()
        if isinstance(child, nn.Conv2d)
    )

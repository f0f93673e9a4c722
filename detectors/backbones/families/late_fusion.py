"""Late fusion: frames are seen alone, and what was seen is put together at the end (Karpathy et al., CVPR 2014).

Shape letters: N clips, C channels, T frames, H rows, W columns.
"""

from collections.abc import Mapping

from torch import Tensor, nn

from detectors.backbones.contract import Encoded, mean_of_steps
from detectors.backbones.families.family import CLIP_FRAMES, Family, family_contract, names_or_kinetics
from detectors.backbones.families.image_network import image_network as make_images


class LateFusionPooling(Family):
    """Features averaged over picture and time, then one classifier: order is lost, little can be learned by heart."""

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
        self.head = nn.Linear(self.images.channels, len(names))
        self.contract = family_contract(
            names, channels=self.images.channels, map_stride=self.images.stride, clip_frames=clip_frames
        )

    def encode(self, clips_NCTHW: Tensor) -> Encoded:
        map_NCTHW = self.images.of_frames(clips_NCTHW)
        return Encoded(mean_of_steps(map_NCTHW), map_NCTHW)


GRID = 4  # cells a side that each frame's map is brought to, whatever the picture's size


class LateFusionFC(Family):
    """Maps of all frames side by side into a fully connected layer, which knows what was where in which frame."""

    def __init__(
        self,
        *,
        class_names: tuple[str, ...] | None = None,
        image_network: str = "resnet18",
        image_state: Mapping[str, Tensor] | None = None,
        clip_frames: int = CLIP_FRAMES,
        width: int = 512,
    ) -> None:
        super().__init__()
        names = names_or_kinetics(class_names)
        self.images = make_images(image_network, image_state)
        self.fusion = nn.Sequential(
            nn.AdaptiveAvgPool3d((None, GRID, GRID)),
            nn.Flatten(),
            nn.Linear(clip_frames * GRID**2 * self.images.channels, width, bias=False),
            nn.BatchNorm1d(width),
            nn.ReLU(inplace=True),
        )
        self.head = nn.Linear(width, len(names))
        self.contract = family_contract(
            names, channels=width, map_stride=None, clip_frames=clip_frames, size_multiple=self.images.stride
        )

    def encode(self, clips_NCTHW: Tensor) -> Encoded:
        """Clips of the contract's length only; the map is one cell, since what is where is mixed."""
        features_NC = self.fusion(self.images.of_frames(clips_NCTHW))
        return Encoded(features_NC, features_NC[:, :, None, None, None])

"""3-D networks made of 2-D ones: the slow-fusion 3-D CNN, from nothing, and I3D's way, from the picture's weights.

Both fuse time a little in every layer, so what is learned about a movement holds whenever it happens (Karpathy et al.,
CVPR 2014; Carreira and Zisserman, CVPR 2017, arXiv 1705.07750). Shape letters: N clips, C channels, T frames, S steps.
"""

from collections.abc import Mapping

from torch import Tensor, nn

from detectors.backbones.contract import Encoded, mean_of_steps
from detectors.backbones.families.family import CLIP_FRAMES, Family, family_contract, names_or_kinetics
from detectors.backbones.families.fresh_weights import begin_afresh
from detectors.backbones.families.image_network import image_network as make_images
from detectors.backbones.families.inflate import inflate
from detectors.dense.carry import View
from detectors.dense.form import view_of


class Inflated(Family):
    """An image network inflated with its weights; run densely where all its layers have a dense form."""

    trunk: nn.Sequential

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
        images = make_images(image_network, image_state)
        self.trunk = inflate(images)
        self.head = nn.Linear(images.channels, len(names))
        self.contract = family_contract(
            names,
            channels=images.channels,
            map_stride=images.stride,
            clip_frames=clip_frames,
            view=dense_view(self.trunk),
        )

    def encode(self, clips_NCTHW: Tensor) -> Encoded:
        map_NCSHW = self.trunk(clips_NCTHW)
        return Encoded(mean_of_steps(map_NCSHW), map_NCSHW)

    def blocks(self) -> list[nn.Module]:
        """The stages."""
        return [stage for stage in self.trunk if next(stage.parameters(), None) is not None]


class SlowFusion(Inflated):
    """The same network with weights of its own from the start: a 3-D CNN trained on nothing else."""

    def __init__(
        self,
        *,
        class_names: tuple[str, ...] | None = None,
        image_network: str = "resnet18",
        clip_frames: int = CLIP_FRAMES,
    ) -> None:
        super().__init__(class_names=class_names, image_network=image_network, clip_frames=clip_frames)
        begin_afresh(self.trunk)


def dense_view(trunk: nn.Module) -> View | None:
    """What a step sees in time, None for a network of which a layer has no dense form."""
    try:
        return view_of(trunk)
    except ValueError:
        return None

"""Single frame: an image network looks at each frame alone, and a clip's scores are the mean of its frames'.

What it cannot see is order. Always try it first (Karpathy et al., CVPR 2014).
Shape letters: N clips, C channels, T frames, H rows, W columns, K classes.
"""

from collections.abc import Mapping

from torch import Tensor, nn

from detectors.backbones.contract import Criterion, Encoded, mean_of_steps
from detectors.backbones.families.family import STRIDE, Family, family_contract, names_or_kinetics
from detectors.backbones.families.image_network import image_network as make_images


class SingleFrame(Family):
    """Trained on frames as if each were a picture of its own."""

    def __init__(
        self,
        *,
        class_names: tuple[str, ...] | None = None,
        image_network: str = "resnet18",
        image_state: Mapping[str, Tensor] | None = None,
        clip_frames: int = STRIDE,
    ) -> None:
        super().__init__()
        names = names_or_kinetics(class_names)
        self.images = make_images(image_network, image_state)
        self.head = nn.Linear(self.images.channels, len(names))
        self.contract = family_contract(
            names, channels=self.images.channels, map_stride=self.images.stride, clip_frames=clip_frames
        )

    def encode(self, clips_NCTHW: Tensor) -> Encoded:
        """The head is linear, so the score of mean features is the mean of the frames' scores."""
        map_NCTHW = self.images.of_frames(clips_NCTHW)
        return Encoded(mean_of_steps(map_NCTHW), map_NCTHW)

    def losses(self, criterion: Criterion, labels_N: Tensor, *inputs: Tensor) -> dict[str, Tensor]:
        """Every frame must tell the class alone."""
        features_NTC = self.images.of_frames(*inputs).mean(dim=(3, 4)).transpose(1, 2)
        logits_MK = self.head(features_NTC.flatten(0, 1))
        return {"class": criterion(logits_MK, labels_N.repeat_interleave(features_NTC.shape[1]))}

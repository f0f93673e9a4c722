"""Networks that see and hear: fused late, by averaging scores, or through attention bottlenecks.

What happens out of sight may be heard. Shape letters: N clips, C channels, T frames, H rows, W columns, A samples of
sound beside a frame.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from detectors.backbones.contract import Criterion, Encoded, mean_of_steps
from detectors.backbones.families.averaged_scores import AveragedScores
from detectors.backbones.families.bottleneck_fusion import BottleneckFusion
from detectors.backbones.families.family import CLIP_FRAMES, Family, family_contract, names_or_kinetics
from detectors.backbones.families.frame_vector import FrameVector
from detectors.backbones.families.image_network import image_network as make_images
from detectors.backbones.families.sound_network import SoundNetwork, vectors_of

SOUND_PER_FRAME = 1280  # at 12.5 frames a second 16 kHz
WIDTH = 256


class AudioVisualLate(Family):
    """An image network on every frame, averaged, and a small network on the sound; each scores alone."""

    head: AveragedScores

    def __init__(
        self,
        *,
        class_names: tuple[str, ...] | None = None,
        image_network: str = "resnet18",
        image_state: Mapping[str, Tensor] | None = None,
        clip_frames: int = CLIP_FRAMES,
        width: int = WIDTH,
    ) -> None:
        super().__init__()
        names = names_or_kinetics(class_names)
        self.images = make_images(image_network, image_state)
        self.sound = SoundNetwork(width)
        self.head = AveragedScores({"image": self.images.channels, "sound": width}, len(names))
        self.contract = family_contract(
            names,
            channels=self.images.channels + width,
            map_stride=None,
            clip_frames=clip_frames,
            size_multiple=self.images.stride,
            sound_per_frame=SOUND_PER_FRAME,
        )

    def encode(self, *inputs: Tensor) -> Encoded:
        """The map is one cell: what is heard is in no place."""
        clips_NCTHW, sound_NTA = inputs
        seen_NC = mean_of_steps(self.images.of_frames(clips_NCTHW))
        features_NC = torch.cat([seen_NC, self.sound(sound_NTA).mean(dim=1)], dim=1)
        return Encoded(features_NC, features_NC[:, :, None, None, None])

    def losses(self, criterion: Criterion, labels_N: Tensor, *inputs: Tensor) -> dict[str, Tensor]:
        """Each stream must tell the class alone."""
        return self.head.losses(criterion, labels_N, self.encode(*inputs).features_NC)


class AudioVisualBottleneck(Family):
    """A token for every frame and for every 0.16 s of sound, fused through attention bottlenecks."""

    def __init__(
        self,
        *,
        class_names: tuple[str, ...] | None = None,
        image_network: str = "resnet18",
        image_state: Mapping[str, Tensor] | None = None,
        clip_frames: int = CLIP_FRAMES,
        width: int = WIDTH,
    ) -> None:
        super().__init__()
        names = names_or_kinetics(class_names)
        self.images = make_images(image_network, image_state)
        self.frame_vector = FrameVector(self.images.channels, width)
        self.sound = SoundNetwork(width)
        self.fusion = BottleneckFusion(width, (clip_frames, vectors_of(clip_frames * SOUND_PER_FRAME)))
        self.head = nn.Linear(width, len(names))
        self.contract = family_contract(
            names,
            channels=width,
            map_stride=None,
            clip_frames=clip_frames,
            size_multiple=self.images.stride,
            sound_per_frame=SOUND_PER_FRAME,
        )

    def encode(self, *inputs: Tensor) -> Encoded:
        """Clips of the contract's length only; the map is one cell."""
        clips_NCTHW, sound_NTA = inputs
        seen_NTC = self.frame_vector(self.images.of_frames(clips_NCTHW))
        features_NC = self.fusion(seen_NTC, self.sound(sound_NTA))
        return Encoded(features_NC, features_NC[:, :, None, None, None])

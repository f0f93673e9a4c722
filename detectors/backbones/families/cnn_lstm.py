"""CNN and LSTM, many to many: an image network sees each frame, an LSTM what came before (LRCN, arXiv 1411.4389).

Scores are given at every frame, and a clip's are their mean. Shape letters: N clips, C channels, T frames, K classes.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from detectors.backbones.contract import Criterion, Encoded
from detectors.backbones.families.family import CLIP_FRAMES, Family, family_contract, names_or_kinetics
from detectors.backbones.families.frame_vector import FrameVector
from detectors.backbones.families.image_network import image_network as make_images

WIDTH = 256


class CnnLstm(Family):
    """As in LRCN the LSTM takes a fully connected layer of each frame, which knows what is where in the picture."""

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
        self.lstm = remembering(nn.LSTM(width, width, batch_first=True))
        self.head = nn.Linear(width, len(names))
        self.contract = family_contract(
            names, channels=width, map_stride=None, clip_frames=clip_frames, size_multiple=self.images.stride
        )

    def states(self, clips_NCTHW: Tensor) -> Tensor:
        """What is known after each frame (N, T, C)."""
        states_NTC: Tensor = self.lstm(self.frame_vector(self.images.of_frames(clips_NCTHW)))[0]
        return states_NTC

    def encode(self, clips_NCTHW: Tensor) -> Encoded:
        """The head is linear, so the score of mean states is the mean of the frames'. The map is one cell."""
        features_NC = self.states(clips_NCTHW).mean(dim=1)
        return Encoded(features_NC, features_NC[:, :, None, None, None])

    def losses(self, criterion: Criterion, labels_N: Tensor, *inputs: Tensor) -> dict[str, Tensor]:
        """Every frame must tell the class by what came before it."""
        logits_NTK = self.head(self.states(*inputs))
        return {"class": criterion(logits_NTK.flatten(0, 1), labels_N.repeat_interleave(logits_NTK.shape[1]))}


def remembering(lstm: nn.LSTM) -> nn.LSTM:
    """The same, begun so that what is in memory stays: forget gates open, states turned but neither grown nor lost."""
    with torch.no_grad():
        for name, parameter in lstm.named_parameters():
            if name.startswith("weight_hh"):
                for gate in parameter.chunk(4):
                    nn.init.orthogonal_(gate)
            elif name.startswith("bias"):
                parameter.zero_()
                if name.startswith("bias_ih"):
                    parameter.chunk(4)[1].fill_(1.0)  # gates: input, forget, cell, output
    return lstm

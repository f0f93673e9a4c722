"""3-D features, then a recurrent network over them: scores step by step, for finding actions in time.

The inflated network sees movement, the GRU what came before and after it, up to half a clip away (Donahue et al., CVPR
2015; Montes et al., arXiv 1608.08128). Shape letters: N clips, C channels, T frames, S steps, K classes.
"""

from collections.abc import Mapping
from math import prod

import torch
from torch import Tensor, nn

from detectors.backbones.contract import Criterion, Encoded
from detectors.backbones.families.family import Family, family_contract, names_or_kinetics
from detectors.backbones.families.fresh_weights import begin_afresh
from detectors.backbones.families.image_network import image_network as make_images
from detectors.backbones.families.inflate import inflate, time_strides

TIME_STRIDE = 4  # frames a step at most: less than other inflated networks have, so that there are steps to go through
STEPS = 9  # of a clip, unless another length is asked for
WIDTH = 128  # channels of a GRU's state, in each direction


class Cnn3dRnn(Family):
    """Run clip by clip: a clip is an odd number of steps, and stands for the one in its middle."""

    def __init__(
        self,
        *,
        class_names: tuple[str, ...] | None = None,
        image_network: str = "resnet18",
        image_state: Mapping[str, Tensor] | None = None,
        clip_frames: int | None = None,
        width: int = WIDTH,
    ) -> None:
        """`clip_frames` is brought down to an odd number of steps."""
        super().__init__()
        names = names_or_kinetics(class_names)
        images = make_images(image_network, image_state)
        self.steps = inflate(images, most_time_stride=TIME_STRIDE)
        if image_state is None:
            begin_afresh(self.steps)
        self.gru = nn.GRU(images.channels, width, batch_first=True, bidirectional=True)
        channels = images.channels + 2 * width
        self.head = nn.Linear(channels, len(names))
        stride = prod(time_strides(images, TIME_STRIDE).values())
        steps = STEPS if clip_frames is None else max(1, clip_frames // stride)
        self.middle = (steps - 1) // 2
        self.contract = family_contract(
            names,
            channels=channels,
            map_stride=None,
            clip_frames=(2 * self.middle + 1) * stride,
            stride=stride,
            size_multiple=images.stride,
        )

    def states(self, clips_NCTHW: Tensor) -> Tensor:
        """Of each step (N, S, C) what it shows and what the GRU knows: by the GRU alone learning hardly begins."""
        seen_NSC = self.steps(clips_NCTHW).mean(dim=(3, 4)).transpose(1, 2)
        return torch.cat([seen_NSC, self.gru(seen_NSC)[0]], dim=2)

    def encode(self, clips_NCTHW: Tensor) -> Encoded:
        """Of the step in the middle; the map is one cell."""
        features_NC = self.states(clips_NCTHW)[:, self.middle]
        return Encoded(features_NC, features_NC[:, :, None, None, None])

    def losses(self, criterion: Criterion, labels_N: Tensor, *inputs: Tensor) -> dict[str, Tensor]:
        """Every step must tell the class."""
        logits_NSK = self.head(self.states(*inputs))
        return {"class": criterion(logits_NSK.flatten(0, 1), labels_N.repeat_interleave(logits_NSK.shape[1]))}

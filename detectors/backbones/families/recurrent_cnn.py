"""Recurrent convolutional network: every layer sees the one below it, and itself a frame ago (arXiv 1511.06432).

After each stage of an image network a convolutional GRU carries that stage's map over time.
Shape letters: N clips, C channels, T frames, H rows, W columns, K classes.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from detectors.backbones.contract import Criterion, Encoded, mean_of_steps
from detectors.backbones.families.family import CLIP_FRAMES, Family, family_contract, names_or_kinetics
from detectors.backbones.families.image_network import image_network as make_images

MEMORY = -1.0  # bias of the update gates at first: the state changes slowly, so that gradients reach back


class ConvGru(nn.Module):
    """Maps (N, T, C, H, W) to states of that shape; gates and candidate are 3x3 convolutions of map and last state."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.of_map = nn.Conv2d(channels, 3 * channels, 3, padding=1)
        self.of_state = nn.Conv2d(channels, 2 * channels, 3, padding=1, bias=False)
        self.of_rest = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        assert self.of_map.bias is not None
        nn.init.zeros_(self.of_map.bias)
        nn.init.constant_(self.of_map.bias[:channels], MEMORY)

    def forward(self, map_NTCHW: Tensor) -> Tensor:
        from_map = _apart(self.of_map(map_NTCHW.flatten(0, 1)), map_NTCHW)
        state_NCHW = torch.zeros_like(map_NTCHW[:, 0])
        states = []
        for from_map_NCHW in from_map.unbind(1):
            update, reset, candidate = from_map_NCHW.chunk(3, dim=1)
            of_update, of_reset = self.of_state(state_NCHW).chunk(2, dim=1)
            update, reset = (update + of_update).sigmoid(), (reset + of_reset).sigmoid()
            candidate = (candidate + self.of_rest(reset * state_NCHW)).tanh()
            state_NCHW = (1 - update) * state_NCHW + update * candidate
            states.append(state_NCHW)
        return torch.stack(states, dim=1)


class RecurrentLayer(nn.Module):
    """A stage of an image network, and beside what it sees, added to it, what is remembered of frames before."""

    def __init__(self, stage: nn.Module, channels: int) -> None:
        super().__init__()
        self.stage, self.memory = stage, ConvGru(channels)

    def forward(self, map_NTCHW: Tensor) -> Tensor:
        seen_NTCHW = _apart(self.stage(map_NTCHW.flatten(0, 1)), map_NTCHW)
        remembered_NTCHW: Tensor = self.memory(seen_NTCHW)
        return seen_NTCHW + remembered_NTCHW


class RecurrentCnn(Family):
    """Scores are given at every frame, and a clip's are their mean."""

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
        self.layers = nn.ModuleList(
            RecurrentLayer(stage, channels)
            for stage, channels in zip(images.stages, images.stage_channels, strict=True)
        )
        self.head = nn.Linear(images.channels, len(names))
        self.contract = family_contract(
            names, channels=images.channels, map_stride=images.stride, clip_frames=clip_frames
        )

    def encode(self, clips_NCTHW: Tensor) -> Encoded:
        map_NTCHW = clips_NCTHW.transpose(1, 2)
        for layer in self.layers:
            map_NTCHW = layer(map_NTCHW)
        map_NCTHW = map_NTCHW.transpose(1, 2)
        return Encoded(mean_of_steps(map_NCTHW), map_NCTHW)

    def losses(self, criterion: Criterion, labels_N: Tensor, *inputs: Tensor) -> dict[str, Tensor]:
        """Every frame must tell the class by what came before it."""
        features_NTC = self.encode(*inputs).map_NCSHW.mean(dim=(3, 4)).transpose(1, 2)
        logits_MK = self.head(features_NTC.flatten(0, 1))
        return {"class": criterion(logits_MK, labels_N.repeat_interleave(features_NTC.shape[1]))}

    def blocks(self) -> list[nn.Module]:
        """The stages, each with its memory."""
        return list(self.layers)


def _apart(frames_MCHW: Tensor, like_NTCHW: Tensor) -> Tensor:
    """Frames in a row as those of so many clips."""
    return frames_MCHW.reshape(*like_NTCHW.shape[:2], *frames_MCHW.shape[1:])

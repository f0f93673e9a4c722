"""Skip RNN: a recurrent network that decides, frame by frame, whether to look (ICLR 2018, arXiv 1708.06834).

Where it does not look its state stays, and the frame is not computed. Shape letters: N clips, C channels, T frames,
P feature points, K classes.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from detectors.backbones.contract import Criterion, Encoded
from detectors.backbones.families.family import CLIP_FRAMES, Family, family_contract, names_or_kinetics
from detectors.backbones.families.frame_vector import FrameVector
from detectors.backbones.families.image_network import image_network as make_images

WIDTH = 256
BUDGET = 0.05  # what looking at every frame costs, beside the loss of the class
EAGER = 1.0  # the gate's bias at first: it looks at most frames, and learns which to leave out


class Run(NamedTuple):
    """What is known after each frame (N, T, C), and at which it looked (N, T): 0 or 1."""

    states_NTC: Tensor
    looks_NT: Tensor


class Rounded(torch.autograd.Function):
    """0 or 1, with the gradient of the number that was rounded (straight-through)."""

    @staticmethod
    def forward(_: Any, wish: Tensor) -> Tensor:
        return (wish > 0.5).to(wish.dtype)

    @staticmethod
    def backward(_: Any, gradient: Tensor) -> Tensor:
        return gradient


class SkipRnn(Family):
    """An image network, a GRU, and a gate that sums up how much more it wishes to look until it does."""

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
        self.budget = BUDGET
        self.images = make_images(image_network, image_state)
        self.frame_vector = FrameVector(self.images.channels, width)
        self.cell = nn.GRUCell(width, width)
        self.gate = nn.Linear(width, 1)
        nn.init.constant_(self.gate.bias, EAGER)
        self.head = nn.Linear(width, len(names))
        self.contract = family_contract(
            names, channels=width, map_stride=None, clip_frames=clip_frames, size_multiple=self.images.stride
        )

    def run(self, clips_NCTHW: Tensor) -> Run:
        """In training every frame is computed, so that the gate learns what looking would have told."""
        every_NTP = self._points(clips_NCTHW) if self.training or clips_NCTHW.is_meta else None
        state_NC = clips_NCTHW.new_zeros(len(clips_NCTHW), self.cell.hidden_size)
        wish_N1 = clips_NCTHW.new_ones(len(clips_NCTHW), 1)  # the first frame is always looked at
        last_NP = None  # points of the frames last looked at
        states, looks = [], []
        for frame in range(clips_NCTHW.shape[2]):
            look_N1 = Rounded.apply(wish_N1)
            if every_NTP is None:
                points_NP = self._points_where(look_N1[:, 0] > 0, clips_NCTHW[:, :, frame : frame + 1], last_NP)
            else:
                points_NP = every_NTP[:, frame]
            last_NP = points_NP if last_NP is None else last_NP
            seen_NC = self.cell(self.frame_vector.of_points(points_NP, last_NP), state_NC).to(state_NC.dtype)
            state_NC = look_N1 * seen_NC + (1 - look_N1) * state_NC
            last_NP = look_N1 * points_NP + (1 - look_N1) * last_NP
            wish_N1 = next_wish(wish_N1, look_N1, self.gate(state_NC).sigmoid().to(wish_N1.dtype))
            states.append(state_NC)
            looks.append(look_N1)
        return Run(torch.stack(states, dim=1), torch.cat(looks, dim=1))

    def encode(self, clips_NCTHW: Tensor) -> Encoded:
        """The mean state; the map is one cell."""
        features_NC = self.run(clips_NCTHW).states_NTC.mean(dim=1)
        return Encoded(features_NC, features_NC[:, :, None, None, None])

    def losses(self, criterion: Criterion, labels_N: Tensor, *inputs: Tensor) -> dict[str, Tensor]:
        """Every state must tell the class, and every look has its price."""
        states_NTC, looks_NT = self.run(*inputs)
        logits_MK = self.head(states_NTC.flatten(0, 1))
        return {
            "class": criterion(logits_MK, labels_N.repeat_interleave(states_NTC.shape[1])),
            "looks": self.budget * looks_NT.mean(),
        }

    @torch.no_grad()
    def share_of_frames(self, clips_NCTHW: Tensor) -> float:
        """At which it looks, of all."""
        return float(self.run(clips_NCTHW).looks_NT.mean())

    def _points(self, clips_NCTHW: Tensor) -> Tensor:
        points_NTP: Tensor = self.frame_vector.points(self.images.of_frames(clips_NCTHW))
        return points_NTP

    def _points_where(self, rows_N: Tensor, frame_NC1HW: Tensor, last_NP: Tensor | None) -> Tensor:
        """Of a frame that only some clips look at: for the others nothing is computed, and the last stand."""
        if last_NP is None or bool(rows_N.all()):
            return self._points(frame_NC1HW)[:, 0]
        if not rows_N.any():
            return last_NP
        return last_NP.index_put((rows_N,), self._points(frame_NC1HW[rows_N])[:, 0])


def next_wish(wish: Tensor, look: Tensor, more: Tensor) -> Tensor:
    """How much the next frame is wished for, 0 to 1: after a look it begins anew, else it grows by `more`."""
    return look * more + (1 - look) * (wish + torch.minimum(more, 1 - wish))

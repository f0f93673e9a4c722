"""Convolutions over time score an event the same whenever it happens; networks that know the time do not."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from detectors import backbones
from detectors.backbones.contract import Encoded, mean_of_steps
from detectors.backbones.families.single_frame import SingleFrame
from detectors.inference.receptive_field import receptive_field
from detectors.inference.shift import SAME, change_by_shift
from detectors.random_weights import made_the_same

pytestmark = pytest.mark.usefixtures("one_thread")


def change(name: str, **design: Any) -> float:
    backbone = backbones.load(name, None, image_network="small", **design)
    return change_by_shift(backbone, receptive_field(backbone))


@pytest.mark.parametrize("name", ["single_frame", "late_fusion_pooling", "slow_fusion", "inflated"])
def test_scores_stay_when_the_event_comes_later(name: str) -> None:
    assert change(name) < SAME / 10


@pytest.mark.parametrize("name", ["early_fusion", "late_fusion_fc"])
def test_layers_that_have_weights_for_every_frame_score_it_anew(name: str) -> None:
    assert change(name) > 10 * SAME


def test_a_map_of_a_3d_convolution_moves_with_the_event_and_that_of_early_fusion_does_not() -> None:
    torch.manual_seed(0)
    clip_NCTHW = torch.zeros(1, 3, 16, 8, 8)
    clip_NCTHW[:, :, 4:6] = torch.rand(3, 2, 8, 8)
    later_NCTHW = clip_NCTHW.roll(4, dims=2)
    conv, early = nn.Conv3d(3, 4, 3, padding=1), nn.Conv2d(48, 4, 3, padding=1)
    assert torch.allclose(conv(later_NCTHW), conv(clip_NCTHW).roll(4, dims=2), atol=1e-6)
    one, other = (early(clip.flatten(1, 2)) for clip in (clip_NCTHW, later_NCTHW))
    assert not torch.allclose(one, other, atol=1e-2)


class Dated(SingleFrame):
    """Frames weigh by when they are, as attention does with embedded times; at first all alike."""

    def __init__(self) -> None:
        super().__init__(image_network="small", clip_frames=16)
        self.weights_T = nn.Parameter(torch.zeros(16))

    def encode(self, clips_NCTHW: Tensor) -> Encoded:
        map_NCTHW = super().encode(clips_NCTHW).map_NCSHW * (1 + self.weights_T).view(1, 1, -1, 1, 1)
        return Encoded(mean_of_steps(map_NCTHW), map_NCTHW)


def test_what_begins_at_zero_is_asked_as_if_it_had_learned() -> None:
    backbone = made_the_same(Dated)
    assert change_by_shift(backbone, receptive_field(backbone)) > 10 * SAME
    assert not backbone.weights_T.any()  # itself it stays as it is

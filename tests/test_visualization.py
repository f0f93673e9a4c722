"""Claims about gradient ascent on a clip: scores rise, penalties smooth, a seed decides all."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from detectors import backbones, weights
from detectors.backbones.contract import Backbone, Contract, Encoded, mean_of_steps
from detectors.visualization import SPEEDS, Smoothness, ascend, change, lead, levelled, natural_scale, total_variation

pytestmark = pytest.mark.usefixtures("one_thread")

FREE = Smoothness(space=0.0, time=0.0)
SMALL = {"frames": 8, "side": 24, "steps": 25}


class Tiny(Backbone):
    """Two convolutions in time and space, with random weights that are always the same; a channel is a class."""

    def __init__(self, *, sound_per_frame: int = 0, scale: float = 100.0) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(3)
            self.trunk = nn.Sequential(nn.Conv3d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv3d(8, 5, 3, 2))
            self.head = nn.Linear(5, 5, bias=False)
        with torch.no_grad():
            self.head.weight.copy_(scale * torch.eye(5))
        self.heard: list[Tensor] = []
        self.contract = Contract(
            rate=10.0,
            short_side=24,
            clip_frames=8,
            stride=2,
            dense=True,
            halo_before=2,
            halo_after=2,
            square=False,
            size_multiple=2,
            map_stride=2,
            feature_channels=5,
            class_names=tuple("abcde"),
            mean=(0.2, 0.4, 0.6),
            std=(0.25, 0.25, 0.25),
            sound_per_frame=sound_per_frame,
        )

    def encode(self, clips_NCTHW: Tensor, *sound: Tensor) -> Encoded:
        self.heard += sound
        map_NCSHW = self.trunk(clips_NCTHW)
        return Encoded(mean_of_steps(map_NCSHW), map_NCSHW)

    def load(self, path: Path) -> None:
        raise NotImplementedError


climb = partial(ascend, class_id=2, **SMALL)


def in_floats(frames_THWC: np.ndarray) -> Tensor:
    return torch.from_numpy(frames_THWC).permute(3, 0, 1, 2) / 255


# What comes of it


@pytest.mark.parametrize("class_id", range(5))
def test_score_rises_for_every_class(class_id: int) -> None:
    ascent = ascend(Tiny(), class_id, smoothness=SPEEDS["fast"], **SMALL)
    odds = [score / (1 - score) for score in (ascent.score_before, ascent.score_after)]
    assert odds[1] > 1.3 * odds[0]


def test_score_is_the_backbone_s_own_for_the_frames_that_are_given() -> None:
    backbone, ascent = Tiny(), climb(Tiny(), smoothness=SPEEDS["slow"])
    mean, std = (torch.tensor(one)[:, None, None, None] for one in (backbone.contract.mean, backbone.contract.std))
    clips_NCTHW = ((in_floats(ascent.frames_THWC) - mean) / std)[None]
    assert ascent.score_after == pytest.approx(backbone(clips_NCTHW).softmax(1)[0, 2].item(), abs=1e-6)


def test_frames_are_colours_of_the_size_asked_for() -> None:
    frames_THWC = climb(Tiny(), smoothness=FREE).frames_THWC
    assert frames_THWC.shape == (8, 24, 24, 3) and frames_THWC.dtype == np.uint8


def test_it_begins_near_the_mean_colour() -> None:
    frames_THWC = climb(Tiny(), smoothness=FREE, steps=0).frames_THWC
    mean_C = 255 * np.array(Tiny().contract.mean)
    assert np.abs(frames_THWC - mean_C).max() < 12 and frames_THWC.std(axis=(0, 1, 2)).min() > 0.1


def test_same_seed_gives_the_same_clip_and_another_seed_another() -> None:
    one, again, other = (climb(Tiny(), smoothness=SPEEDS["fast"], seed=seed).frames_THWC for seed in (1, 1, 2))
    assert (one == again).all() and (one != other).any()


def test_a_seed_disturbs_no_other_random_numbers() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    climb(Tiny(), smoothness=FREE, steps=2)
    assert torch.equal(torch.rand(3), expected)


def test_steps_are_told() -> None:
    told: list[int] = []
    climb(Tiny(), smoothness=FREE, steps=3, told=told.append)
    assert told == [1, 2, 3]


# Smoothness


def test_clip_is_the_smoother_in_time_the_more_change_costs() -> None:
    clips = [climb(Tiny(), smoothness=replace(FREE, time=time)).frames_THWC for time in (0.0, 1.0, 10.0)]
    changes = [change(in_floats(frames_THWC)).item() for frames_THWC in clips]
    assert changes[0] > 1.2 * changes[1] > 1.2**2 * changes[2]


def test_clip_is_the_smoother_in_space_the_more_variation_costs() -> None:
    clips = [climb(Tiny(), smoothness=replace(FREE, space=space)).frames_THWC for space in (0.0, 0.1, 1.0)]
    variations = [total_variation(in_floats(frames_THWC)).item() for frames_THWC in clips]
    assert variations[0] > 1.2 * variations[1] > 1.2**2 * variations[2]


def test_slow_changes_less_than_fast() -> None:
    slow, fast = (change(in_floats(climb(Tiny(), smoothness=SPEEDS[one]).frames_THWC)) for one in ("slow", "fast"))
    assert 2 * slow < fast


def test_penalties_weigh_the_same_however_large_scores_are() -> None:
    """A head of twice the weights has twice the gradient, and the same clip."""
    one, other = (climb(Tiny(scale=scale), smoothness=SPEEDS["slow"]).frames_THWC for scale in (100.0, 200.0))
    assert np.abs(one.astype(int) - other).max() <= 1


def test_total_variation_and_change_of_hand_made_clips() -> None:
    clip_CTHW = torch.zeros(1, 2, 3, 3)
    clip_CTHW[:, 1] = 0.5
    assert total_variation(clip_CTHW).item() == pytest.approx(1e-4)  # flat pictures
    assert change(clip_CTHW).item() == pytest.approx(0.25)
    ramp_CTHW = torch.arange(3.0).expand(1, 2, 3, 3)
    assert total_variation(ramp_CTHW).item() == pytest.approx(1.0)
    assert change(ramp_CTHW).item() == 0.0


def test_what_is_maximised_does_not_depend_on_what_all_logits_share() -> None:
    logits_K = torch.tensor([1.0, 2.0, 6.0])
    assert lead(logits_K, 2).item() == pytest.approx(3.0) == lead(logits_K + 100, 2).item()


def test_gradient_is_equally_strong_in_all_frames_but_those_of_next_to_none() -> None:
    strengths_T = torch.tensor([1.0, 0.5, 0.01, 0.0])
    gradient_CTHW = strengths_T[None, :, None, None] * torch.ones(3, 4, 2, 2)
    assert levelled(gradient_CTHW)[0, :, 0, 0].tolist() == pytest.approx([1.0, 1.0, 0.1, 0.0])


def test_gradient_of_nothing_stays_nothing() -> None:
    assert not levelled(torch.zeros(3, 2, 2, 2)).any()


def test_low_frequencies_are_strong_and_the_mean_strength_is_one() -> None:
    scale_THW = natural_scale((8, 16, 16))
    assert scale_THW.shape == (8, 16, 9) and scale_THW.square().mean().item() == pytest.approx(1.0)
    assert scale_THW[1, 1, 0] == pytest.approx(4 * scale_THW[4, 1, 0].item())  # 1/8 and 1/2 in time
    assert scale_THW[1, 1, 0] > 2 * scale_THW[1, 4, 0]


# Networks of all kinds


def test_weights_are_left_as_they_were() -> None:
    backbone = Tiny()
    before = {name: one.clone() for name, one in backbone.state_dict().items()}
    climb(backbone, smoothness=FREE, steps=2)
    assert all(torch.equal(one, before[name]) for name, one in backbone.state_dict().items())


def test_backbone_that_hears_hears_silence() -> None:
    backbone = Tiny(sound_per_frame=7)
    climb(backbone, smoothness=FREE, steps=1)
    assert len(backbone.heard) == 3
    assert all(sound.shape == (1, 8, 7) and not sound.any() for sound in backbone.heard)


@pytest.mark.network
def test_i3d_takes_a_clip_made_for_a_class_for_that_class() -> None:
    backbone = backbones.load("i3d", weights.fetch("i3d_kinetics400"))
    class_id = backbone.contract.class_names.index("riding a bike")
    ascent = ascend(backbone, class_id, frames=8, side=64, steps=30, smoothness=SPEEDS["slow"])
    assert ascent.score_before < 0.1 and ascent.score_after > 0.5

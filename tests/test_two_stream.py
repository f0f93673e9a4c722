"""Two streams: the flow's layer is as wide as it must be, and movement is learned by one stream alone."""

from pathlib import Path

import pytest
import torch
from left_or_right import CLASSES, held_out, share_right, train

from detectors.backbones.families.early_fusion import first_convolution
from detectors.backbones.families.two_stream import TwoStream, stacked_flow

pytestmark = pytest.mark.usefixtures("one_thread")


def made(clip_frames: int = 16) -> TwoStream:
    torch.manual_seed(0)
    return TwoStream(class_names=CLASSES, image_network="small", clip_frames=clip_frames)


@pytest.mark.parametrize("frames", [2, 7, 16])
def test_flow_comes_in_twice_a_frame_but_one(frames: int) -> None:
    network = made(frames)
    assert first_convolution(network.temporal)[2].in_channels == 2 * (frames - 1)
    assert first_convolution(network.spatial)[2].in_channels == 3
    stacked = stacked_flow("dis", torch.zeros(2, 3, frames, 32, 40), network.contract)
    assert stacked.shape == (2, 2 * (frames - 1), 32, 40)


def test_what_the_camera_does_is_taken_out_and_x_and_y_take_turns() -> None:
    """A square goes right once, then stays."""
    network = made(3)
    clip = torch.zeros(1, 3, 3, 48, 48)
    ramp = torch.linspace(-1, 1, 16)
    clip[..., 16:32, 16:32] = ramp + ramp[:, None]
    clip[:, :, 1:] = clip[:, :, :1].roll(2, dims=-1)
    stacked = stacked_flow("dis", clip, network.contract)
    torch.testing.assert_close(stacked.mean(dim=(2, 3)), torch.zeros(1, 4), rtol=0, atol=1e-6)
    x_of_first, y_of_first, *of_second = stacked[0, :, 18:30, 18:30].mean(dim=(1, 2)).tolist()
    assert x_of_first > 0.03 > 3 * abs(y_of_first) and of_second == [0, 0]


def test_a_saved_network_gives_the_same_scores(tmp_path: Path) -> None:
    network, clip = made(4).eval(), torch.randn(1, 3, 4, 32, 32)
    torch.save(network.state_dict(), tmp_path / "two.pth")
    torch.manual_seed(9)
    other = TwoStream(class_names=CLASSES, image_network="small", clip_frames=4).eval()
    other.load(tmp_path / "two.pth")
    with torch.inference_mode():
        torch.testing.assert_close(other(clip), network(clip), rtol=0, atol=0)


def test_left_and_right_are_learned_by_the_flow_and_not_by_the_frames() -> None:
    network = made()
    train(network, count=128, epochs=4)
    features_NC, labels_N = held_out(network)
    with torch.inference_mode():
        alone = {name: share_right(logits_NK, labels_N) for name, logits_NK in network.head.logits(features_NC).items()}
        together = share_right(network.head(features_NC), labels_N)
    assert together >= 0.9 and alone["temporal"] >= 0.9
    assert 0.3 < alone["spatial"] < 0.7

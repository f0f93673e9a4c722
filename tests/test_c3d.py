"""C3D has the sizes and the work that the course gives for it."""

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from detectors.backbones.families.c3d import C3D

pytestmark = pytest.mark.usefixtures("one_thread")

SPORTS_1M = tuple(f"sport {number}" for number in range(487))
# Channels, frames, rows and columns behind each convolution and pool, for 3x16x112x112.
SIZES = [
    *[(64, 16, 112, 112), (64, 16, 56, 56), (128, 16, 56, 56), (128, 8, 28, 28), (256, 8, 28, 28), (256, 8, 28, 28)],
    *[(256, 4, 14, 14), (512, 4, 14, 14), (512, 4, 14, 14), (512, 2, 7, 7), (512, 2, 7, 7), (512, 2, 7, 7)],
    (512, 1, 3, 3),
]
LECTURE_G = {  # multiply-adds, 10^9
    **{"conv1": 1.04, "conv2": 11.10, "conv3a": 5.55, "conv3b": 11.10, "conv4a": 2.77, "conv4b": 5.55},
    **{"conv5a": 0.69, "conv5b": 0.69, "fc6": 0.51, "fc7": 0.45, "fc8": 0.05},
}


def outline() -> C3D:
    with torch.device("meta"):
        return C3D(class_names=SPORTS_1M).eval()


def multiply_adds(part: nn.Module, *shape: int) -> float:
    """10^9 of one input."""
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        part(torch.empty(1, *shape, device="meta"))
    return counter.get_total_flops() / 2 / 1e9


def test_every_layer_has_the_size_of_the_lecture() -> None:
    x, found = torch.empty(1, 3, 16, 112, 112, device="meta"), []
    for layer in outline().convolutions:
        x = layer(x)
        if not isinstance(layer, nn.ReLU):
            found.append(tuple(x.shape[1:]))
    assert found == SIZES


def test_every_convolution_does_the_work_of_the_lecture() -> None:
    shape, found = (3, 16, 112, 112), []
    for layer in outline().convolutions:
        if isinstance(layer, nn.Conv3d):
            found.append(multiply_adds(layer, *shape))
        shape = tuple(layer(torch.empty(1, *shape, device="meta")).shape[1:])
    expected = [one for name, one in LECTURE_G.items() if name.startswith("conv")]
    assert found == pytest.approx(expected, abs=0.006)
    assert sum(found) == pytest.approx(38.5, abs=0.05)


def test_the_lecture_counts_its_wide_layers_as_if_they_were_convolutions_of_3x3x3() -> None:
    """That is what makes its 39.5: truly they do 0.04, one in 27 of what it says, and the network 38.5 in all."""
    network = outline()
    wide = [multiply_adds(network.fc6, 4608), multiply_adds(network.fc7, 4096), multiply_adds(network.head, 4096)]
    assert [27 * one for one in wide] == pytest.approx([LECTURE_G[f"fc{number}"] for number in (6, 7, 8)], abs=0.006)
    total = multiply_adds(network, 3, 16, 112, 112)
    assert total == pytest.approx(38.53, abs=0.02)
    assert total + 26 * sum(wide) == pytest.approx(39.5, abs=0.05) == pytest.approx(sum(LECTURE_G.values()), abs=0.05)


def test_a_narrower_one_has_all_layers_narrower() -> None:
    network = C3D(class_names=("left", "right"), width=4, short_side=64).eval()
    with torch.inference_mode():
        assert network(torch.zeros(2, 3, 16, 64, 64)).shape == (2, 2)
    assert network.contract.feature_channels == 256 and network.contract.short_side == 64 and network.contract.square


@pytest.mark.parametrize("settings", [{"clip_frames": 15}, {"short_side": 31}])
def test_clips_of_which_nothing_would_be_left_are_refused(settings: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"of c3d must be at least (16|32), of which its pools leave 1, got"):
        C3D(**settings)

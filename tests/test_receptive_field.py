"""What outputs see is measured exactly: layers by hand, the three toy networks of the lecture, backbones by contract.

Shape letters: N clips, C channels, T frames, H rows, W columns.
"""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from detectors import backbones
from detectors.inference.receptive_field import COLUMNS, ROWS, TIME, Seen, receptive_field, seen

pytestmark = pytest.mark.usefixtures("one_thread")

FRAMES, SIDE = 20, 64  # of the lecture's clips
Layers = list[nn.Module]


def conv(kernel: int, *, stride: int = 1, dilation: int = 1, weight: float = 1.0) -> nn.Conv3d:
    """Along time alone, padded so that lengths stay."""
    around = (kernel - 1) * dilation // 2
    layer = nn.Conv3d(3, 3, (kernel, 1, 1), (stride, 1, 1), (around, 0, 0), (dilation, 1, 1))
    nn.init.constant_(layer.weight, weight)
    return layer


@pytest.mark.parametrize(
    ("layers", "size"),
    [
        ([conv(1)], 1),
        ([conv(3)], 3),
        ([conv(3), conv(5)], 7),
        ([conv(3, stride=2), conv(3)], 7),
        ([conv(3, dilation=4)], 9),
        ([conv(3, weight=0.0)], 3),  # a weight of 0 is one that may become another
        ([conv(3), nn.ReLU(), nn.MaxPool3d((2, 1, 1)), nn.BatchNorm3d(3).eval(), nn.GELU(), conv(3)], 8),
        ([conv(3), nn.AvgPool3d((4, 1, 1)), conv(1)], 6),
    ],
)
def test_rows_of_layers_see_what_is_reckoned_by_hand(layers: Layers, size: int) -> None:
    assert seen(nn.Sequential(*layers), (48, 2, 2), TIME) == Seen(size)


def test_axes_are_told_apart() -> None:
    layer = nn.Conv3d(3, 1, (1, 3, 5), padding=(0, 1, 2))
    assert [seen(layer, (8, 16, 16), axis).size for axis in (TIME, ROWS, COLUMNS)] == [1, 3, 5]


class Gate(nn.Module):
    """Channels weighed by what is in the whole clip."""

    def forward(self, x_NCTHW: Tensor) -> Tensor:
        return x_NCTHW * x_NCTHW.mean(dim=(2, 3, 4), keepdim=True).sigmoid()


class Attention(nn.Module):
    """Of every frame to all."""

    def forward(self, x_NCTHW: Tensor) -> Tensor:
        frames_NTC = x_NCTHW.mean(dim=(3, 4)).transpose(1, 2)
        out_NTC = nn.functional.scaled_dot_product_attention(frames_NTC, frames_NTC, frames_NTC)
        return out_NTC.transpose(1, 2)[..., None, None]


class Memory(nn.Module):
    def __init__(self, *, both_ways: bool) -> None:
        super().__init__()
        self.gru = nn.GRU(3, 2, batch_first=True, bidirectional=both_ways)

    def forward(self, x_NCTHW: Tensor) -> Tensor:
        return self.gru(x_NCTHW.mean(dim=(3, 4)).transpose(1, 2))[0].transpose(1, 2)[..., None, None]


@pytest.mark.parametrize(
    ("network", "text"),
    [
        (Gate(), "all"),
        (Attention(), "all"),
        (nn.AdaptiveAvgPool3d(1), "all"),
        (Memory(both_ways=False), "all before"),
        (Memory(both_ways=True), "all"),
    ],
)
def test_what_sees_everything_is_said_to(network: nn.Module, text: str) -> None:
    found = seen(network, (16, 4, 4), TIME)
    assert found.size is None and str(found) == text


def late() -> tuple[Layers, Callable[[Tensor], Tensor]]:
    images = backbones.create("late_fusion_pooling", image_network="toy", clip_frames=FRAMES).images
    return [layer for stage in images.stages for layer in stage], lambda clips: clips


def early() -> tuple[Layers, Callable[[Tensor], Tensor]]:
    images = backbones.create("early_fusion", image_network="toy", clip_frames=FRAMES).images
    return [layer for stage in images.stages for layer in stage], lambda clips: clips.flatten(1, 2)[:, :, None]


def slow() -> tuple[Layers, Callable[[Tensor], Tensor]]:
    trunk = backbones.create("slow_fusion", image_network="toy", clip_frames=FRAMES).trunk
    return [layer for stage in trunk for layer in stage], lambda clips: clips


def applied(layers: Layers, clips_NCTHW: Tensor) -> Tensor:
    """Layers for pictures to each frame alone."""
    for layer in layers:
        if isinstance(layer, nn.Conv2d | nn.MaxPool2d):
            frames = layer(clips_NCTHW.transpose(1, 2).flatten(0, 1))
            clips_NCTHW = frames.unflatten(0, (len(clips_NCTHW), -1)).transpose(1, 2)
        else:
            clips_NCTHW = layer(clips_NCTHW)
    return clips_NCTHW


# EECS 498-007, lecture on videos: after each layer its channels, then what it sees, time first; None is all there is.
LECTURE = {
    "late": (late, [(12, 20, 64, 64), (12, 20, 16, 16), (24, 20, 16, 16), (24, 1, 1, 1)], [1, 1, 1, None]),
    "early": (early, [(12, 1, 64, 64), (12, 1, 16, 16), (24, 1, 16, 16), (24, 1, 1, 1)], [None] * 4),
    "3-D": (slow, [(12, 20, 64, 64), (12, 5, 16, 16), (24, 5, 16, 16), (24, 1, 1, 1)], [3, 6, 14, None]),
}


@pytest.mark.parametrize("name", LECTURE)
def test_toy_networks_have_the_sizes_and_receptive_fields_of_the_lecture(name: str) -> None:
    make, sizes, in_time = LECTURE[name]
    layers, begin = make()
    layers.append(nn.AdaptiveAvgPool3d(1))
    for count, size, frames in zip((1, 2, 3, 4), sizes, in_time, strict=True):

        def network(clips_NCTHW: Tensor, count: int = count) -> Tensor:
            return applied(layers[:count], begin(clips_NCTHW))

        assert network(torch.zeros(1, 3, FRAMES, SIDE, SIDE)).shape[1:] == size
        found = [seen(network, (FRAMES, SIDE, SIDE), axis).size for axis in (TIME, ROWS, COLUMNS)]
        pixels = (3, 6, 14, None)[count - 1]
        assert found == [frames, pixels, pixels]


@pytest.mark.parametrize("image_network", ["toy", "small"])
def test_what_is_measured_is_what_the_dense_form_knows(image_network: str) -> None:
    backbone = backbones.create("slow_fusion", image_network=image_network).eval()
    assert backbone.contract.dense
    measured = seen(backbone.trunk, (64, 32, 32), TIME)
    assert measured.size == backbone.contract.receptive_field == receptive_field(backbone).frames.size


def test_resnet_18_sees_435_pixels() -> None:
    """As reckoned layer by layer (Araujo et al., Distill 2019)."""
    found = receptive_field(backbones.create("single_frame"))
    assert (str(found.pixels), str(found.frames)) == ("435", "1")


@pytest.mark.parametrize(
    ("name", "pixels", "frames"),
    [("late_fusion_pooling", "31", "1"), ("late_fusion_fc", "all", "all"), ("early_fusion", "31", "all")],
)
def test_families_see_what_their_fusion_lets_them(name: str, pixels: str, frames: str) -> None:
    found = receptive_field(backbones.create(name, image_network="small"))
    assert (str(found.pixels), str(found.frames)) == (pixels, frames)

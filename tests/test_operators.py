"""Fast forms of layers: packed stems and pooling by neighbours compute what the plain ones do."""

from typing import Any

import pytest
import torch
from torch import nn

from detectors.dense import kernels
from detectors.dense.carry import Carry
from detectors.dense.layers import SameConv3d, SameMaxPool3d
from detectors.dense.operators import Convolution, MaxPool

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize(
    "conv",
    [nn.Conv3d(4, 8, 3, (1, 2, 2), 1, groups=2), nn.Conv3d(4, 8, 3, (1, 2, 2), 2, dilation=2)],
    ids=["groups", "dilation"],
)
def test_a_stem_that_cannot_be_packed_is_left_as_it_is(conv: nn.Conv3d) -> None:
    x_NCTHW = torch.randn(1, 4, 8, 16, 16)
    made = Convolution("stem", conv, None, relu=False, dtype=torch.bfloat16, crop=0, other_crop=None)
    with torch.inference_mode():
        found = made(Carry(last=True), x_NCTHW.bfloat16()).float()
        assert found.shape == conv(x_NCTHW).shape
        assert float((found - conv(x_NCTHW)).norm() / conv(x_NCTHW).norm()) < 1e-2


@pytest.mark.parametrize(
    ("kernel", "stride"),
    [
        ((3, 3, 3), (1, 1, 1)),
        ((1, 3, 3), (1, 2, 2)),
        ((3, 3, 3), (2, 2, 2)),
        ((2, 2, 2), (2, 2, 2)),
        ((2, 2, 4), (1, 1, 1)),
    ],
)
@pytest.mark.parametrize(("height", "width"), [(8, 10), (7, 5), (1, 2)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("has_onednn", [True, False])
def test_pooling_is_max_pooling(
    kernel: Any,
    stride: Any,
    height: int,
    width: int,
    dtype: torch.dtype,
    has_onednn: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(kernels, "HAS_ONEDNN", has_onednn)
    layer = SameMaxPool3d(kernel, stride)
    x_NCTHW = torch.rand(2, 3, 8, height, width).to(dtype)
    found = MaxPool("pool", layer, nonnegative=True, crop=0)(Carry(last=True), x_NCTHW)
    torch.testing.assert_close(found, layer(x_NCTHW), rtol=0, atol=0)


@pytest.mark.parametrize(("height", "width"), [(32, 48), (45, 33)])
@pytest.mark.parametrize(
    "conv",
    [SameConv3d(3, 16, 7, 2), nn.Conv3d(3, 16, (5, 7, 7), (1, 2, 2), (2, 3, 3)), nn.Conv3d(3, 9, (1, 3, 3), (1, 2, 2))],
    ids=["i3d", "slowfast", "bare"],
)
def test_a_stem_packed_for_bfloat16_computes_the_same(conv: nn.Conv3d, height: int, width: int) -> None:
    torch.manual_seed(11)
    x_NCTHW = torch.randn(1, 3, 16, height, width)
    packed = Convolution("stem", conv, None, relu=False, dtype=torch.bfloat16, crop=0, other_crop=None)
    assert packed.packs
    with torch.inference_mode():
        expected = conv(x_NCTHW)
        found = packed(Carry(last=True), x_NCTHW.bfloat16()).float()
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-2 * float(expected.abs().max()))

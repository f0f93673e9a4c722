"""Layers that plain torch lacks, in plain torch: for whole runs and for training; operators.py has their dense form.

Shape letters: N clips, C channels, T frames, H rows, W columns.
"""

from typing import Any

import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from detectors.dense.carry import Window

Triple = tuple[int, int, int]


def same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """What TensorFlow's SAME pads before and after one dimension."""
    total = max(kernel - (size % stride or stride), 0)
    return total // 2, total - total // 2


def same_window(kernel: int, stride: int) -> Window:
    """SAME in time, for a run whose length is a multiple of the stride."""
    before, after = same_padding(stride, kernel, stride)
    return Window(kernel, stride, before, after)


def same_picture(x_NCTHW: Tensor, kernel: Triple, stride: Triple) -> Tensor:
    """Zeros around the picture, as SAME pads it."""
    (top, bottom), (left, right) = (
        same_padding(*line) for line in zip(x_NCTHW.shape[3:], kernel[1:], stride[1:], strict=True)
    )
    return F.pad(x_NCTHW, (left, right, top, bottom))


class SameConv3d(nn.Conv3d):
    """A convolution with SAME padding, without bias."""

    def __init__(self, channels_in: int, channels_out: int, kernel: int, stride: int) -> None:
        super().__init__(channels_in, channels_out, kernel, stride, bias=False)
        self.window = same_window(kernel, stride)

    def forward(self, input: Tensor) -> Tensor:
        x_NCTHW = same_picture(input, self.kernel_size, self.stride)  # type: ignore[arg-type]
        x_NCTHW = F.pad(x_NCTHW, (0, 0, 0, 0, self.window.before, self.window.after))
        return F.conv3d(x_NCTHW, self.weight, self.bias, self.stride)


class InflatedConv3d(nn.Conv3d):
    """A convolution padded with zeros around the picture, and in time by its first and last frame.

    So a still video is still after it too, up to its ends.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        """As nn.Conv3d; `padding` is (time, rows, columns)."""
        super().__init__(*args, **options)
        kernel, stride, pad = self.kernel_size[0], self.stride[0], int(self.padding[0])
        if self.dilation[0] != 1:
            raise ValueError(f"inflated convolutions are not dilated in time, got {self.dilation[0]}")
        self.window = Window(kernel, stride, pad, pad, repeats=pad > 0)

    def forward(self, input: Tensor) -> Tensor:
        if self.window.repeats:
            input = F.pad(input, (0, 0, 0, 0, self.window.before, self.window.after), mode="replicate")
        return F.conv3d(input, self.weight, self.bias, self.stride, (0, *self.padding[1:]), self.dilation, self.groups)


class SameMaxPool3d(nn.Module):
    """Max-pooling with SAME padding, of what has no negative values (zeros pad)."""

    def __init__(self, kernel: Triple, stride: Triple) -> None:
        super().__init__()
        self.kernel_size, self.stride = kernel, stride
        self.window = same_window(kernel[0], stride[0])

    def forward(self, x_NCTHW: Tensor) -> Tensor:
        x_NCTHW = same_picture(x_NCTHW, self.kernel_size, self.stride)
        x_NCTHW = F.pad(x_NCTHW, (0, 0, 0, 0, self.window.before, self.window.after))
        return F.max_pool3d(x_NCTHW, self.kernel_size, self.stride)


class Subsample(nn.Module):
    """Every `stride`-th frame, the first included."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, x_NCTHW: Tensor) -> Tensor:
        return x_NCTHW[:, :, :: self.stride]


class LastLinear(nn.Conv3d):
    """A 1x1x1 convolution kept as such in checkpoints, applied to features (..., C)."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__(channels, classes, 1)

    def forward(self, input: Tensor) -> Tensor:
        return F.linear(input, self.weight.flatten(1), self.bias)

"""The layers of an inflated Inception network with TensorFlow's SAME padding, run along a carried run of frames.

Once prepared (see stream.py) a layer takes the fast path of the CPU where there is one; the plain one can be trained.
Shape letters: N runs, C channels, T frames, H rows, W columns, M frames of all runs.
"""

from functools import reduce

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from detectors.backbones.carry import Carry, Window, align, over_time

Triple = tuple[int, int, int]
Widths = tuple[int, int, int, int, int, int]  # channels of branch 0, of 1 and 2 before and after their 3x3x3, of 3


def same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """What TensorFlow's SAME pads before and after one dimension."""
    total = max(kernel - (size % stride or stride), 0)
    return total // 2, total - total // 2


def same_window(kernel: int, stride: int) -> Window:
    """SAME in time, for a run whose length is a multiple of the stride."""
    before, after = same_padding(stride, kernel, stride)
    return Window(kernel, stride, before, after)


class Unit(nn.Module):
    """Convolution, batch norm, ReLU."""

    def __init__(self, channels_in: int, channels_out: int, kernel: int = 1, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv3d(channels_in, channels_out, kernel, stride, bias=False)
        self.norm: nn.Module = nn.BatchNorm3d(channels_out, eps=1e-3)
        self.window = same_window(kernel, stride)
        self.folded = False

    def forward(self, x_NCTHW: Tensor, carry: Carry) -> Tensor:
        return over_time(self._convolve, x_NCTHW, window=self.window, carry=carry, key=self)

    def fold(self) -> None:
        """Put the batch norm into the convolution, for inference."""
        if not self.folded:
            self.conv = nn.utils.fuse_conv_bn_eval(self.conv.eval(), self.norm.eval())
            self.norm = nn.Identity()
            self.folded = True

    def _convolve(self, x_NCTHW: Tensor) -> Tensor:
        kernel, stride = self.window.kernel, self.window.stride
        (top, bottom), (left, right) = (same_padding(size, kernel, stride) for size in x_NCTHW.shape[3:])
        padding = (0, top, left)
        if (top, left) != (bottom, right):
            x_NCTHW, padding = F.pad(x_NCTHW, (left, right, top, bottom)), (0, 0, 0)
        weight, bias = self.conv.weight, self.conv.bias
        if self.folded and x_NCTHW.device.type == "cpu" and torch.backends.mkldnn.is_available():
            # oneDNN with its ReLU. F.conv3d would not use it for small inputs, and be ten times slower there.
            return torch.ops.mkldnn._convolution_pointwise(
                x_NCTHW, weight, bias, padding, (stride,) * 3, (1, 1, 1), 1, "relu", [], ""
            )
        return F.relu_(self.norm(F.conv3d(x_NCTHW, weight, bias, stride, padding)))


class MaxPool(nn.Module):
    """Max-pooling, in time and then in space, of what has no negative values (zeros pad)."""

    def __init__(self, kernel: Triple, stride: Triple) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride
        self.window = same_window(kernel[0], stride[0])

    def forward(self, x_NCTHW: Tensor, carry: Carry) -> Tensor:
        x_NCTHW = self._pool_space(x_NCTHW)  # first, since it leaves less to carry
        return over_time(self._pool_time, x_NCTHW, window=self.window, carry=carry, key=self)

    def _pool_time(self, x_NCTHW: Tensor) -> Tensor:
        kernel, stride = self.kernel[0], self.stride[0]
        if x_NCTHW.requires_grad:
            return F.max_pool3d(x_NCTHW, (kernel, 1, 1), (stride, 1, 1))
        count = (x_NCTHW.shape[2] - kernel) // stride + 1
        return slide_max(x_NCTHW, 2, kernel, stride, before=0, count=count)

    def _pool_space(self, x_NCTHW: Tensor) -> Tensor:
        sizes, kernel, stride = x_NCTHW.shape[3:], self.kernel[1:], self.stride[1:]
        before = [same_padding(*line)[0] for line in zip(sizes, kernel, stride, strict=True)]
        if x_NCTHW.is_cuda or x_NCTHW.requires_grad:
            frames_MCHW = x_NCTHW.transpose(1, 2).flatten(0, 1)
            frames_MCHW = F.max_pool2d(frames_MCHW, kernel, stride, before, ceil_mode=True)
            return frames_MCHW.unflatten(0, (len(x_NCTHW), -1)).transpose(1, 2)
        for line in (0, 1):
            count = -(-sizes[line] // stride[line])
            x_NCTHW = slide_max(x_NCTHW, 3 + line, kernel[line], stride[line], before=before[line], count=count)
        return x_NCTHW


def slide_max(x_NCTHW: Tensor, dim: int, kernel: int, stride: int, *, before: int, count: int) -> Tensor:
    """`count` maxima along one dimension: number i is that of `kernel` neighbours from i * stride - before on."""
    size = x_NCTHW.shape[dim]
    if kernel == stride == 1:
        return x_NCTHW
    if x_NCTHW.dtype is torch.bfloat16 and not x_NCTHW.requires_grad:
        # The bits of floats that are not negative compare as integers do, and those compare faster.
        return slide_max(x_NCTHW.view(torch.int16), dim, kernel, stride, before=before, count=count).view(x_NCTHW.dtype)

    def neighbours(shift: int, first: int, stop: int) -> Tensor:
        index = slice(first * stride + shift, (stop - 1) * stride + shift + 1, stride)
        return x_NCTHW[(slice(None),) * dim + (index,)]

    everywhere = [shift for shift in range(kernel - before) if (count - 1) * stride + shift < size]
    maxima = neighbours(0, 0, count)
    maxima = maxima.clone() if len(everywhere) == 1 else torch.maximum(maxima, neighbours(1, 0, count))
    for shift in set(range(-before, kernel - before)) - set(everywhere[:2]):
        first, stop = max(0, -(shift // stride)), min(count, (size - 1 - shift) // stride + 1)
        if first < stop:
            part = maxima.narrow(dim, first, stop - first)
            torch.maximum(part, neighbours(shift, first, stop), out=part)
    return maxima


class Mixed(nn.Module):
    """An Inception block: four branches, side by side in the channels."""

    def __init__(self, channels_in: int, widths: Widths) -> None:
        super().__init__()
        self.channels_out = widths[0] + widths[2] + widths[4] + widths[5]
        self.branch_0 = Unit(channels_in, widths[0])
        self.branch_1 = nn.ModuleList([Unit(channels_in, widths[1]), Unit(widths[1], widths[2], 3)])
        self.branch_2 = nn.ModuleList([Unit(channels_in, widths[3]), Unit(widths[3], widths[4], 3)])
        self.branch_3 = nn.ModuleList([MaxPool((3, 3, 3), (1, 1, 1)), Unit(channels_in, widths[5])])

    def forward(self, x_NCTHW: Tensor, carry: Carry) -> Tensor:
        branches = [self.branch_0(x_NCTHW, carry)]
        for first, second in (self.branch_1, self.branch_2, self.branch_3):
            branches.append(second(first(x_NCTHW, carry), carry))
        return torch.cat(align(branches, carry=carry, key=self), dim=1)

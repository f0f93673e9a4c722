"""The layers of an inflated Inception network with TensorFlow's SAME padding, run along a carried run of frames.

Once prepared (see stream.py) a layer takes the fast path of the CPU where there is one; the plain one can be trained.
Shape letters: N runs, C channels, T frames, H rows, W columns, M frames of all runs.
"""

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
        self.norm: nn.BatchNorm3d | None = nn.BatchNorm3d(channels_out, eps=1e-3)
        self.window = same_window(kernel, stride)

    def forward(self, x_NCTHW: Tensor, carry: Carry) -> Tensor:
        return over_time(self._convolve, x_NCTHW, window=self.window, carry=carry, key=self)

    def fold(self, dtype: torch.dtype) -> None:
        """Put the batch norm into the convolution, for inference in `dtype`."""
        if self.norm is not None:
            self.conv = nn.utils.fuse_conv_bn_eval(self.conv.eval(), self.norm.eval())
            self.norm = None
        self.conv.to(dtype).to(memory_format=torch.channels_last_3d)

    def _convolve(self, x_NCTHW: Tensor) -> Tensor:
        kernel, stride = self.window.kernel, self.window.stride
        (top, bottom), (left, right) = (same_padding(size, kernel, stride) for size in x_NCTHW.shape[3:])
        padding = (0, top, left)
        if (top, left) != (bottom, right):
            x_NCTHW, padding = F.pad(x_NCTHW, (left, right, top, bottom)), (0, 0, 0)
        weight, bias = self.conv.weight, self.conv.bias
        if self.norm is not None:
            return F.relu_(self.norm(F.conv3d(x_NCTHW, weight, bias, stride, padding)))
        return convolve_relu(x_NCTHW, weight, bias, stride, padding)


class Stem(Unit):
    """The first convolution: 7 wide, stride 2, on 3 channels, which matrix units of bfloat16 are bad at.

    For them pixels and frames are packed by twos: 4 wide, stride 1, on 24 channels, with zeros for the eighth weight.
    """

    def __init__(self, channels_out: int) -> None:
        super().__init__(3, channels_out, 7, 2)

    def fold(self, dtype: torch.dtype) -> None:
        if self.norm is not None and dtype is torch.bfloat16:
            super().fold(torch.float32)
            weight, bias = F.pad(self.conv.weight, (0, 1) * 3), self.conv.bias
            self.conv = nn.Conv3d(24, len(weight), 4)
            self.conv.weight, self.conv.bias = nn.Parameter(pack_twos(weight), requires_grad=False), bias
            self.window = Window(8, 2, self.window.before, self.window.after + 1)
        super().fold(dtype)

    def _convolve(self, x_NCTHW: Tensor) -> Tensor:
        if self.window.kernel == 7:
            return super()._convolve(x_NCTHW)
        (left, right), (top, bottom) = (same_padding(size, 7, 2) for size in (x_NCTHW.shape[4], x_NCTHW.shape[3]))
        x_NCTHW = F.pad(x_NCTHW, (left, right + 1, top, bottom + 1))
        return convolve_relu(pack_twos(x_NCTHW), self.conv.weight, self.conv.bias, 1, (0, 0, 0))


def pack_twos(x_NCTHW: Tensor) -> Tensor:
    """Every 2 x 2 x 2 neighbours side by side in the channels; channels last in memory."""
    n, c, t, h, w = x_NCTHW.shape
    twos = x_NCTHW.movedim(1, -1).reshape(n, t // 2, 2, h // 2, 2, w // 2, 2 * c).permute(0, 1, 3, 5, 2, 4, 6)
    return twos.reshape(n, t // 2, h // 2, w // 2, 8 * c).movedim(-1, 1)


def convolve_relu(x_NCTHW: Tensor, weight: Tensor, bias: Tensor | None, stride: int, padding: Triple) -> Tensor:
    """Convolution and ReLU, for inference."""
    if x_NCTHW.device.type != "cpu" or not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return F.relu_(F.conv3d(x_NCTHW, weight, bias, stride, padding))
    # oneDNN with its own ReLU; F.conv3d shuns oneDNN for small float32 inputs and is ten times slower there.
    result: Tensor = torch.ops.mkldnn._convolution_pointwise(
        x_NCTHW, weight, bias, padding, (stride,) * 3, (1, 1, 1), 1, "relu", [], ""
    )
    return result


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
            return frames_MCHW.view(len(x_NCTHW), -1, *frames_MCHW.shape[1:]).transpose(1, 2)
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

"""The layers of a network in their dense form: along a carried run of frames, made for inference.

Shape letters: N runs, C channels, T frames, H rows, W columns.
"""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from detectors.dense.carry import Carry, View, Window, align, complete, over_time
from detectors.dense.kernels import convolve, is_plain, max_picture, max_time, pack, slide_max
from detectors.dense.layers import (
    InflatedConv3d,
    SameConv3d,
    SameMaxPool3d,
    Subsample,
    Triple,
    same_padding,
    same_picture,
)

FEW_CHANNELS = 4  # as many or fewer leave the matrix units for bfloat16 idle


def window_of(layer: nn.Module) -> Window | None:
    """How a layer looks along time, None if it has no dense form. Raises ValueError for options that have none."""
    if isinstance(layer, SameConv3d | SameMaxPool3d | InflatedConv3d):
        return layer.window
    if isinstance(layer, Subsample):
        return Window(1, layer.stride)
    if isinstance(layer, nn.Conv3d):
        if layer.padding_mode != "zeros" or isinstance(layer.padding, str):
            raise ValueError(f"padding {layer.padding!r} of mode {layer.padding_mode!r} has no dense form")
        reach = (layer.kernel_size[0] - 1) * layer.dilation[0] + 1
        return Window(reach, layer.stride[0], layer.padding[0], layer.padding[0])
    if isinstance(layer, nn.MaxPool3d | nn.AvgPool3d):
        return _pool_window(layer)
    if isinstance(layer, nn.BatchNorm3d) and layer.running_mean is None:
        raise ValueError("a batch norm without running statistics has no dense form")
    return Window() if isinstance(layer, nn.BatchNorm3d | nn.ReLU) else None


def _pool_window(layer: nn.MaxPool3d | nn.AvgPool3d) -> Window:
    kernel, stride, padding = (triple(value) for value in (layer.kernel_size, layer.stride, layer.padding))
    averages = isinstance(layer, nn.AvgPool3d)
    pads_too_much = any(padding) if averages else any(2 * p >= k for p, k in zip(padding, kernel, strict=True))
    is_odd = not averages and (triple(layer.dilation) != (1, 1, 1) or layer.return_indices)
    if layer.ceil_mode or pads_too_much or is_odd:
        raise ValueError(f"{layer} has no dense form")
    return Window(kernel[0], stride[0], padding[0], padding[0], 0.0 if averages else -torch.inf)


def triple(value: Any) -> Triple:
    """One number for all three dimensions, or three."""
    return (value, value, value) if isinstance(value, int) else tuple(value)


class Convolution(nn.Module):
    """A convolution with all that follows it at once: batch norm, the addition of another branch, ReLU."""

    def __init__(
        self,
        key: str,
        conv: nn.Conv3d,
        norm: nn.BatchNorm3d | None,
        *,
        relu: bool,
        dtype: torch.dtype,
        crop: int,
        other_crop: int | None,
    ) -> None:
        """`other_crop`: what another branch is cropped by in a run that is cut; None where it comes in step."""
        super().__init__()
        self.key = key
        weight, bias = folded(conv, norm)
        self.same = isinstance(conv, SameConv3d)
        self.stride, self.dilation, self.groups = triple(conv.stride), triple(conv.dilation), conv.groups
        self.kernel: Triple = triple(conv.kernel_size)
        self.padding: Triple = (0, 0, 0) if self.same else (0, *triple(conv.padding)[1:])
        window = window_of(conv)
        assert window is not None
        self.window, self.relu, self.crop, self.other_crop = window, relu, crop, other_crop
        is_stem = conv.in_channels <= FEW_CHANNELS and self.stride[1:] == (2, 2)
        self.packs = dtype is torch.bfloat16 and is_stem and self.groups == 1 and self.dilation == (1, 1, 1)
        if self.packs:
            weight = pack(_filled(weight, self.stride), self.stride)
        weight = weight.to(dtype).to(memory_format=torch.channels_last_3d)
        self.weight = nn.Parameter(weight, requires_grad=False)
        self.bias = nn.Parameter(bias.to(dtype), requires_grad=False)

    def forward(self, carry: Carry, x_NCTHW: Tensor, other_NCTHW: Tensor | None = None) -> Tensor:
        ready_NCTHW = complete(x_NCTHW, window=self.window, carry=carry, key=self.key, crop=self.crop)
        count = self.window.count(ready_NCTHW.shape[2])
        if other_NCTHW is not None and self.other_crop is not None:
            other_NCTHW = carry.take(f"{self.key}.other", other_NCTHW, count, self.other_crop)
        shape = (len(x_NCTHW), len(self.weight), count, *(self._size(dim, x_NCTHW.shape[2 + dim]) for dim in (1, 2)))
        if not count:
            return x_NCTHW.new_empty(shape)
        if other_NCTHW is None or other_NCTHW.shape == shape:
            return self._convolve(ready_NCTHW, other_NCTHW, relu=self.relu)
        sum_NCTHW = self._convolve(ready_NCTHW, None, relu=False) + other_NCTHW  # one of them is spread over the other
        return F.relu_(sum_NCTHW) if self.relu else sum_NCTHW

    def _size(self, dim: int, size: int) -> int:
        """Rows or columns of the result, or frames of it from inputs complete for so many windows."""
        if self.same and dim:
            return -(-size // self.stride[dim])
        reach = self.dilation[dim] * (self.kernel[dim] - 1) + 1
        return (size + 2 * self.padding[dim] - reach) // self.stride[dim] + 1

    def _convolve(self, x_NCTHW: Tensor, other_NCTHW: Tensor | None, *, relu: bool) -> Tensor:
        padding = self.padding
        stride, dilation = self.stride, self.dilation
        if self.packs:
            x_NCTHW = pack(self._framed(x_NCTHW), self.stride)
            padding, stride = (0, 0, 0), (1, 1, 1)
        elif self.same:
            lines = [
                same_padding(*line) for line in zip(x_NCTHW.shape[3:], self.kernel[1:], self.stride[1:], strict=True)
            ]
            if all(before == after for before, after in lines):
                padding = (0, lines[0][0], lines[1][0])
            else:
                x_NCTHW = F.pad(x_NCTHW, (*lines[1], *lines[0]))
        return convolve(
            x_NCTHW,
            self.weight,
            self.bias,
            stride=stride,
            padding=padding,
            dilation=dilation,
            groups=self.groups,
            relu=relu,
            added_NCTHW=other_NCTHW,
        )

    def _framed(self, x_NCTHW: Tensor) -> Tensor:
        """Padded so that it is whole blocks and every output finds its own."""
        pads: list[int] = []
        for dim in (2, 1, 0):
            size, kernel, stride = x_NCTHW.shape[2 + dim], self.kernel[dim], self.stride[dim]
            before = same_padding(size, kernel, stride)[0] if self.same and dim else self.padding[dim]
            pads += [before, stride * (self._size(dim, size) - 1 - (-kernel // stride)) - size - before]
        return F.pad(x_NCTHW, pads)


def _filled(weight: Tensor, block: Triple) -> Tensor:
    """Zeros behind a kernel up to whole blocks."""
    missing = [-size % side for size, side in zip(weight.shape[2:], block, strict=True)]
    return F.pad(weight, [pad for side in reversed(missing) for pad in (0, side)])


def folded(conv: nn.Conv3d, norm: nn.BatchNorm3d | None) -> tuple[Tensor, Tensor]:
    """Weight and bias of a convolution with the batch norm behind it put in, float32."""
    weight, bias = conv.weight.detach(), conv.bias.detach() if conv.bias is not None else None
    if norm is not None:
        assert norm.running_mean is not None and norm.running_var is not None
        fused = nn.utils.fusion.fuse_conv_bn_weights(
            weight, bias, norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias
        )
        weight, bias = (parameter.detach() for parameter in fused)
    return weight, weight.new_zeros(len(weight)) if bias is None else bias


class MaxPool(nn.Module):
    """Max-pooling, in the picture first, since that leaves less to carry, and then in time."""

    def __init__(self, key: str, layer: nn.MaxPool3d | SameMaxPool3d, *, nonnegative: bool, crop: int) -> None:
        super().__init__()
        window = window_of(layer)
        assert window is not None
        self.key, self.nonnegative, self.crop = key, nonnegative, crop
        self.window = replace(window, fill=0.0) if nonnegative else window
        self.kernel, self.stride = triple(layer.kernel_size), triple(layer.stride)
        self.padding = None if isinstance(layer, SameMaxPool3d) else triple(layer.padding)

    def forward(self, carry: Carry, x_NCTHW: Tensor) -> Tensor:
        x_NCTHW = self._pool_picture(x_NCTHW)
        return over_time(self._pool_time, x_NCTHW, window=self.window, carry=carry, key=self.key, crop=self.crop)

    def _pool_time(self, x_NCTHW: Tensor) -> Tensor:
        count = self.window.count(x_NCTHW.shape[2])
        if is_plain(x_NCTHW):
            return max_time(x_NCTHW, self.kernel[0], self.stride[0], count)
        return self._slide(x_NCTHW, 0, 0, count)

    def _pool_picture(self, x_NCTHW: Tensor) -> Tensor:
        if self.kernel[1:] == self.stride[1:] == (1, 1):
            return x_NCTHW
        if is_plain(x_NCTHW):
            if self.padding is None:
                x_NCTHW = same_picture(x_NCTHW, self.kernel, self.stride)
            return max_picture(x_NCTHW, self.kernel[1:], self.stride[1:], self.padding[1:] if self.padding else (0, 0))
        for dim in (1, 2):
            x_NCTHW = self._slide(x_NCTHW, dim, *self._line(dim, x_NCTHW.shape[2 + dim]))
        return x_NCTHW

    def _line(self, dim: int, size: int) -> tuple[int, int]:
        """Padding before, and outputs."""
        kernel, stride = self.kernel[dim], self.stride[dim]
        if self.padding is None:
            return same_padding(size, kernel, stride)[0], -(-size // stride)
        return self.padding[dim], (size + 2 * self.padding[dim] - kernel) // stride + 1

    def _slide(self, x_NCTHW: Tensor, dim: int, before: int, count: int) -> Tensor:
        kernel, stride = self.kernel[dim], self.stride[dim]
        return slide_max(x_NCTHW, 2 + dim, kernel, stride, before=before, count=count, nonnegative=self.nonnegative)


class AvgPool(nn.Module):
    """Average-pooling without padding."""

    def __init__(self, key: str, layer: nn.AvgPool3d, *, crop: int) -> None:
        super().__init__()
        window = window_of(layer)
        assert window is not None
        self.key, self.window, self.crop, self.layer = key, window, crop, layer

    def forward(self, carry: Carry, x_NCTHW: Tensor) -> Tensor:
        return over_time(self._pool, x_NCTHW, window=self.window, carry=carry, key=self.key, crop=self.crop)

    def _pool(self, x_NCTHW: Tensor) -> Tensor:
        pooled_NCTHW: Tensor = self.layer(x_NCTHW.float())  # CPUs have no other kind
        return pooled_NCTHW.to(x_NCTHW.dtype)


class Skip(nn.Module):
    """Every so-manieth frame."""

    def __init__(self, key: str, layer: Subsample, *, crop: int) -> None:
        super().__init__()
        self.key, self.layer, self.window, self.crop = key, layer, Window(1, layer.stride), crop

    def forward(self, carry: Carry, x_NCTHW: Tensor) -> Tensor:
        return over_time(self.layer, x_NCTHW, window=self.window, carry=carry, key=self.key, crop=self.crop)


class Combination(nn.Module):
    """Branches that come at different times, waited for and combined."""

    def __init__(self, key: str, combine: Callable[[list[Tensor]], Tensor], views: list[View], first: int) -> None:
        super().__init__()
        self.key, self.combine = key, combine
        self.crops = [first - view.first for view in views]
        self.waits = any(one != other for one, other in pairwise(views))

    def forward(self, carry: Carry, *branches_NCTHW: Tensor) -> Tensor:
        if not self.waits:
            return self.combine(list(branches_NCTHW))
        return self.combine(align(branches_NCTHW, carry=carry, key=self.key, crops=self.crops))

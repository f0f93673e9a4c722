"""Convolution and max-pooling for inference, as fast as the processor at hand allows.

Shape letters: N runs, C channels, T frames, H rows, W columns, M frames of all runs.
"""

from functools import reduce

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from detectors.dense.layers import Triple

HAS_ONEDNN: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]


def is_plain(x_NCTHW: Tensor) -> bool:
    """Whether torch's own operators serve best: on a GPU, and for torch.compile, which fuses them itself."""
    return x_NCTHW.device.type != "cpu" or not HAS_ONEDNN or torch.compiler.is_compiling()


def convolve(
    x_NCTHW: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    *,
    stride: Triple,
    padding: Triple,
    dilation: Triple,
    groups: int,
    relu: bool,
    added_NCTHW: Tensor | None = None,
) -> Tensor:
    """Convolution, then the addition of another tensor, then ReLU."""
    if not is_plain(x_NCTHW):
        # oneDNN does all of it in one pass; F.conv3d shuns it for small float32 inputs and is ten times slower there.
        how = weight, bias, padding, stride, dilation, groups
        result: Tensor
        if added_NCTHW is None:
            result = torch.ops.mkldnn._convolution_pointwise(x_NCTHW, *how, "relu" if relu else "none", [], "")
        else:
            unary = "relu" if relu else None
            result = torch.ops.mkldnn._convolution_pointwise.binary(
                x_NCTHW, added_NCTHW, *how, "add", 1.0, unary, [], ""
            )
        return result
    result = F.conv3d(x_NCTHW, weight, bias, stride, padding, dilation, groups)
    if added_NCTHW is not None:
        result += added_NCTHW
    return F.relu_(result) if relu else result


def pack(x_NCTHW: Tensor, block: Triple) -> Tensor:
    """Every block of neighbours side by side in the channels; channels last in memory. Sides are whole blocks."""
    n, c, t, h, w = x_NCTHW.shape
    a, b, d = block
    blocks = x_NCTHW.movedim(1, -1).reshape(n, t // a, a, h // b, b, w // d, d * c).permute(0, 1, 3, 5, 2, 4, 6)
    return blocks.reshape(n, t // a, h // b, w // d, a * b * d * c).movedim(-1, 1)


def slide_max(
    x_NCTHW: Tensor, dim: int, kernel: int, stride: int, *, before: int, count: int, nonnegative: bool
) -> Tensor:
    """`count` maxima along one dimension: number i is that of `kernel` neighbours from i * stride - before on."""
    if kernel == stride == 1:
        return x_NCTHW
    if x_NCTHW.dtype is torch.bfloat16 and nonnegative:
        # The bits of such floats compare as integers do, and those compare faster.
        return _slide_max(x_NCTHW.view(torch.int16), dim, kernel, stride, before, count).view(x_NCTHW.dtype)
    return _slide_max(x_NCTHW, dim, kernel, stride, before, count)


def _slide_max(x_NCTHW: Tensor, dim: int, kernel: int, stride: int, before: int, count: int) -> Tensor:
    size = x_NCTHW.shape[dim]

    def neighbours(shift: int, first: int, stop: int) -> Tensor:
        index = slice(first * stride + shift, (stop - 1) * stride + shift + 1, stride)
        return x_NCTHW[(slice(None),) * dim + (index,)]

    everywhere = [
        shift for shift in range(-before, kernel - before) if shift >= 0 and (count - 1) * stride + shift < size
    ]
    maxima = neighbours(everywhere[0], 0, count)
    maxima = maxima.clone() if len(everywhere) == 1 else torch.maximum(maxima, neighbours(everywhere[1], 0, count))
    for shift in set(range(-before, kernel - before)) - set(everywhere[:2]):
        first, stop = max(0, -(shift // stride)), min(count, (size - 1 - shift) // stride + 1)
        if first < stop:
            part = maxima.narrow(dim, first, stop - first)
            torch.maximum(part, neighbours(shift, first, stop), out=part)
    return maxima


def max_time(x_NCTHW: Tensor, kernel: int, stride: int, count: int) -> Tensor:
    """`count` maxima along time, each of `kernel` frames, one every `stride`."""
    reach = (count - 1) * stride + 1
    return reduce(torch.maximum, [x_NCTHW[:, :, shift : shift + reach : stride] for shift in range(kernel)])


def max_picture(x_NCTHW: Tensor, kernel: tuple[int, int], stride: tuple[int, int], padding: tuple[int, int]) -> Tensor:
    """Max-pooling of each picture."""
    frames_MCHW = F.max_pool2d(x_NCTHW.transpose(1, 2).flatten(0, 1), kernel, stride, padding)
    return frames_MCHW.view(len(x_NCTHW), x_NCTHW.shape[2], *frames_MCHW.shape[1:]).transpose(1, 2)

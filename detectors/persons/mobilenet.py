"""MobileNet-v2 (CVPR 2018, arXiv 1801.04381) and the smaller maps that SSDLite adds, for pictures of one size.

Batch norms are part of the convolutions before them: it is for inference only.
Shape letters: N pictures, C channels, H rows, W columns.
"""

from typing import Any

from torch import Tensor, nn
from torch.nn import functional

EXPANSION = 6  # of the channels within a block
BLOCKS = (  # channels, stride
    *((16, 1), (24, 2), (24, 1), (32, 2), (32, 1), (32, 1), (64, 2), (64, 1), (64, 1), (64, 1)),
    *((96, 1), (96, 1), (96, 1), (160, 2), (160, 1), (160, 1), (320, 1)),
)
SEEN_INSIDE = 13  # the block whose expanded input is the first map
STEM, LAST = 32, 1280  # channels
EXTRAS = ((256, 512), (128, 256), (128, 256), (64, 128))  # channels within, channels out


class Convolution(nn.Conv2d):
    """1x1, or 3x3 with zeros around as TensorFlow pads them ("SAME"), then ReLU6 unless it is unbounded.

    For a stride of 2, `side` tells the size of what comes in. If that is even, TensorFlow has zeros after the last row
    and column only: here the kernel is 4x4, its first row and column zero, which is faster than to pad in a step apart.
    """

    def __init__(
        self,
        channels: int,
        out: int,
        kernel: int = 1,
        *,
        side: int = 1,
        stride: int = 1,
        depthwise: bool = False,
        bounded: bool = True,
    ) -> None:
        self.unshifted = kernel
        self.shifted = stride == 2 and side % 2 == 0
        settings: dict[str, Any] = {"stride": stride, "padding": kernel // 2, "groups": channels if depthwise else 1}
        super().__init__(channels, out, kernel + self.shifted, **settings)
        self.depthwise = depthwise
        self.bounded = bounded

    def forward(self, x_NCHW: Tensor) -> Tensor:
        y_NCHW = super().forward(x_NCHW)
        return functional.relu6(y_NCHW, inplace=True) if self.bounded else y_NCHW


class Block(nn.Module):
    """An inverted residual: to more channels, each filtered by itself, to few channels again."""

    def __init__(self, channels: int, out: int, *, side: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = channels * expansion
        self.expand = Convolution(channels, inner) if expansion > 1 else nn.Identity()
        self.depthwise = Convolution(inner, inner, 3, side=side, stride=stride, depthwise=True)
        self.project = Convolution(inner, out, bounded=False)
        self.residual = stride == 1 and channels == out

    def forward(self, x_NCHW: Tensor) -> tuple[Tensor, Tensor]:
        """The expanded input, and what becomes of it."""
        expanded_NCHW = self.expand(x_NCHW)
        y_NCHW = self.project(self.depthwise(expanded_NCHW))
        return expanded_NCHW, y_NCHW.add_(x_NCHW) if self.residual else y_NCHW


class MobileNet(nn.Module):
    """From pictures (N, 3, side, side) in -1..1 to six maps, each about half as large as the one before."""

    def __init__(self, side: int) -> None:
        super().__init__()
        self.stem = Convolution(3, STEM, 3, side=side, stride=2)
        side, channels = half(side), STEM
        self.maps: list[tuple[int, int]] = []  # channels and cells of a side, of each
        self.blocks = nn.ModuleList()
        for place, (out, stride) in enumerate(BLOCKS):
            if place == SEEN_INSIDE:
                self.maps.append((EXPANSION * channels, side))
            expansion = EXPANSION if place else 1
            self.blocks.append(Block(channels, out, side=side, stride=stride, expansion=expansion))
            side, channels = half(side) if stride == 2 else side, out
        self.last = Convolution(channels, LAST)
        self.maps.append((LAST, side))
        self.extras = nn.ModuleList()
        for inner, out in EXTRAS:
            channels = self.maps[-1][0]
            depthwise = Convolution(inner, inner, 3, side=side, stride=2, depthwise=True)
            self.extras.append(nn.Sequential(Convolution(channels, inner), depthwise, Convolution(inner, out)))
            side = half(side)
            self.maps.append((out, side))

    def forward(self, x_NCHW: Tensor) -> list[Tensor]:
        x_NCHW, maps = self.stem(x_NCHW), []
        for place, block in enumerate(self.blocks):
            expanded_NCHW, x_NCHW = block(x_NCHW)
            if place == SEEN_INSIDE:
                maps.append(expanded_NCHW)
        maps.append(self.last(x_NCHW))
        for extra in self.extras:
            maps.append(extra(maps[-1]))
        return maps


def half(side: int) -> int:
    """Of the size after a stride of 2."""
    return (side + 1) // 2

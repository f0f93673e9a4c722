"""SSDLite on MobileNet-v2 for one class, people, as TensorFlow's object detection has it: the network alone.

Shape letters: N pictures, C channels, H rows, W columns, A anchors.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn

from detectors.persons.mobilenet import Convolution, MobileNet

SIDE = 300  # pixels of the pictures it sees
CLASSES = 2  # background, person
COLOUR_SCALE, COLOUR_SHIFT = 2 / 255, 1.0
FIRST_SCALES, FIRST_RATIOS = (0.1, 0.2, 0.2), (1.0, 2.0, 0.5)
SCALES = (0.35, 0.5, 0.65, 0.8, 0.95, 1.0)  # of the second map and on, and one beyond the last
RATIOS = (1.0, 2.0, 0.5, 3.0, 0.3333, 1.0)


def cell_anchors() -> list[tuple[tuple[float, ...], tuple[float, ...]]]:
    """Scales and ratios of the anchors in a cell of each map; the last lies between this map's scale and the next's."""
    later = [((*(scale,) * 5, (scale * following) ** 0.5), RATIOS) for scale, following in pairwise(SCALES)]
    return [(FIRST_SCALES, FIRST_RATIOS), *later]


class Predictor(nn.Module):
    """Of one map: the code of a box and class logits for every anchor."""

    def __init__(self, channels: int, anchors: int) -> None:
        super().__init__()
        self.code_depthwise = Convolution(channels, channels, 3, depthwise=True)
        self.code = Convolution(channels, 4 * anchors, bounded=False)
        self.logits_depthwise = Convolution(channels, channels, 3, depthwise=True)
        self.logits = Convolution(channels, CLASSES * anchors, bounded=False)

    def forward(self, map_NCHW: Tensor) -> tuple[Tensor, Tensor]:
        codes_NCHW = self.code(self.code_depthwise(map_NCHW))
        logits_NCHW = self.logits(self.logits_depthwise(map_NCHW))
        return _by_anchor(codes_NCHW, 4), _by_anchor(logits_NCHW, CLASSES)


class SsdLite(nn.Module):
    """From pictures (N, H, W, 3) of RGB in 0..255 to codes (N, A, 4) and logits (N, A, 2)."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = MobileNet(SIDE)
        levels = zip(self.trunk.maps, cell_anchors(), strict=True)
        self.predictors = nn.ModuleList(Predictor(channels, len(scales)) for (channels, _), (scales, _) in levels)

    def forward(self, pictures_NHWC: Tensor) -> tuple[Tensor, Tensor]:
        pictures_NHWC = squashed(pictures_NHWC, SIDE) * COLOUR_SCALE - COLOUR_SHIFT
        maps = self.trunk(pictures_NHWC.permute(0, 3, 1, 2))
        found = [predictor(map_NCHW) for predictor, map_NCHW in zip(self.predictors, maps, strict=True)]
        codes, logits = zip(*found, strict=True)
        return torch.cat(codes, dim=1), torch.cat(logits, dim=1)


def squashed(pictures_NHWC: Tensor, side: int) -> Tensor:
    """As side x side float32: pixel i is read at i * size / side, between its neighbours, as ResizeBilinear does."""
    height, width = pictures_NHWC.shape[1:3]
    if height == width == side:
        return pictures_NHWC.float()
    y, x = (torch.arange(side, device=pictures_NHWC.device) * (size / side) for size in (height, width))
    top, left = y.long(), x.long()
    above_NHWC, below_NHWC = pictures_NHWC[:, top].float(), pictures_NHWC[:, (top + 1).clamp(max=height - 1)].float()
    rows_NHWC = torch.lerp(above_NHWC, below_NHWC, (y - top)[:, None, None])
    return torch.lerp(rows_NHWC[:, :, left], rows_NHWC[:, :, (left + 1).clamp(max=width - 1)], (x - left)[:, None])


def _by_anchor(map_NCHW: Tensor, numbers: int) -> Tensor:
    return map_NCHW.permute(0, 2, 3, 1).reshape(len(map_NCHW), -1, numbers)

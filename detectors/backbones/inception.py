"""The layers of an inflated Inception network, in plain torch."""

import torch
from torch import Tensor, nn

from detectors.dense.layers import SameConv3d, SameMaxPool3d

Widths = tuple[int, int, int, int, int, int]  # channels of branch 0, of 1 and 2 before and after their 3x3x3, of 3


class Unit(nn.Module):
    """Convolution, batch norm, ReLU."""

    def __init__(self, channels_in: int, channels_out: int, kernel: int = 1, stride: int = 1) -> None:
        super().__init__()
        self.conv = SameConv3d(channels_in, channels_out, kernel, stride)
        self.norm = nn.BatchNorm3d(channels_out, eps=1e-3)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x_NCTHW: Tensor) -> Tensor:
        result_NCTHW: Tensor = self.relu(self.norm(self.conv(x_NCTHW)))
        return result_NCTHW


class Mixed(nn.Module):
    """An Inception block: four branches, side by side in the channels."""

    def __init__(self, channels_in: int, widths: Widths) -> None:
        super().__init__()
        self.channels_out = widths[0] + widths[2] + widths[4] + widths[5]
        self.branch_0 = Unit(channels_in, widths[0])
        self.branch_1 = nn.Sequential(Unit(channels_in, widths[1]), Unit(widths[1], widths[2], 3))
        self.branch_2 = nn.Sequential(Unit(channels_in, widths[3]), Unit(widths[3], widths[4], 3))
        self.branch_3 = nn.Sequential(SameMaxPool3d((3, 3, 3), (1, 1, 1)), Unit(channels_in, widths[5]))

    def forward(self, x_NCTHW: Tensor) -> Tensor:
        branches = [branch(x_NCTHW) for branch in (self.branch_0, self.branch_1, self.branch_2, self.branch_3)]
        return torch.cat(branches, dim=1)

"""Non-local blocks (CVPR 2018, arXiv 1711.07971): every place of a clip sees every other one, at any time."""

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn


class NonLocal(nn.Module):
    """The embedded dot-product form, on keys and values pooled by 2x2x2; at first it changes nothing.

    Shape letters: N clips, C channels, D inner channels, T frames, H rows, W columns, P places, Q pooled places.
    """

    def __init__(self, channels: int, inner: int) -> None:
        super().__init__()
        self.conv_theta = nn.Conv3d(channels, inner, 1)
        self.conv_phi = nn.Conv3d(channels, inner, 1)
        self.conv_g = nn.Conv3d(channels, inner, 1)
        self.conv_out = nn.Conv3d(inner, channels, 1)
        self.bn = nn.BatchNorm3d(channels)
        self.pool = MaxPoolByTwo()
        nn.init.zeros_(self.bn.weight)

    def forward(self, x_NCTHW: Tensor) -> Tensor:
        pooled_NCTHW = self.pool(x_NCTHW)
        theta_NDP = self.conv_theta(x_NCTHW).flatten(2)
        phi_NDQ = self.conv_phi(pooled_NCTHW).flatten(2)
        g_NDQ = self.conv_g(pooled_NCTHW).flatten(2)
        seen_NDP = seen(theta_NDP, phi_NDQ, g_NDQ)
        added_NCTHW: Tensor = self.bn(self.conv_out(seen_NDP.view(*seen_NDP.shape[:2], *x_NCTHW.shape[2:])))
        return torch.add(x_NCTHW, added_NCTHW)


class MaxPoolByTwo(nn.Module):
    """Of time, rows and columns, as far as there are two."""

    def forward(self, x_NCTHW: Tensor) -> Tensor:
        return F.max_pool3d(x_NCTHW, [min(2, size) for size in x_NCTHW.shape[2:]])


def seen(theta_NDP: Tensor, phi_NDQ: Tensor, g_NDQ: Tensor) -> Tensor:
    """(N, D, P): for each place the mean over all pooled places of what they say, times how well they go together.

    No softmax is between the two products, so where there are more places than channels the second comes first.
    """
    inner, pooled = phi_NDQ.shape[1:]
    if inner < pooled:
        said_NDD = g_NDQ @ phi_NDQ.transpose(1, 2) / pooled
        return said_NDD @ theta_NDP
    affinity_NPQ = theta_NDP.transpose(1, 2) @ phi_NDQ / pooled
    return g_NDQ @ affinity_NPQ.transpose(1, 2)

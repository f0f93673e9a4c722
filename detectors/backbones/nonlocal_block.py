"""Non-local blocks (CVPR 2018, arXiv 1711.07971): every place of a clip sees every other one, at any time."""

import torch
from torch import Tensor, nn


class NonLocal(nn.Module):
    """The embedded dot-product form, on keys and values pooled by 2x2x2; at first it changes nothing.

    Shape letters: N clips, C channels, T frames, H rows, W columns, P places, Q pooled places.
    """

    def __init__(self, channels: int, inner: int) -> None:
        super().__init__()
        self.conv_theta = nn.Conv3d(channels, inner, 1)
        self.conv_phi = nn.Conv3d(channels, inner, 1)
        self.conv_g = nn.Conv3d(channels, inner, 1)
        self.conv_out = nn.Conv3d(inner, channels, 1)
        self.bn = nn.BatchNorm3d(channels)
        self.pool = nn.MaxPool3d(2)
        nn.init.zeros_(self.bn.weight)

    def forward(self, x_NCTHW: Tensor) -> Tensor:
        """The clip has at least 2 frames of 2x2 places."""
        pooled_NCTHW = self.pool(x_NCTHW)
        theta_NCP = self.conv_theta(x_NCTHW).flatten(2)
        phi_NCQ = self.conv_phi(pooled_NCTHW).flatten(2)
        g_NCQ = self.conv_g(pooled_NCTHW).flatten(2)
        affinity_NPQ = theta_NCP.transpose(1, 2) @ phi_NCQ / phi_NCQ.shape[2]
        seen_NCP = g_NCQ @ affinity_NPQ.transpose(1, 2)
        seen_NCTHW = seen_NCP.unflatten(2, tuple(x_NCTHW.shape[2:]))
        added_NCTHW: Tensor = self.bn(self.conv_out(seen_NCTHW))
        return torch.add(x_NCTHW, added_NCTHW)

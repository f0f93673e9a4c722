"""Weights for 3-D networks that begin at random: over time as well, since repeated ones cannot tell its direction."""

from torch import nn


def begin_afresh(network: nn.Module) -> None:
    """Draw all of its 3-D convolutions anew, by torch's seed (He et al., ICCV 2015)."""
    for module in network.modules():
        if isinstance(module, nn.Conv3d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

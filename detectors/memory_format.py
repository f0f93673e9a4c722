"""Weights laid out with channels last, which convolutions are fastest with, in networks for pictures and for clips."""

from typing import TypeVar

import torch
from torch import nn

Network = TypeVar("Network", bound=nn.Module)
FORMATS = {4: torch.channels_last, 5: torch.channels_last_3d}  # by how many dimensions weights have


def channels_last(network: Network) -> Network:
    """The same network, its weights moved in place."""
    for parameter in network.parameters():
        if parameter.ndim in FORMATS:
            parameter.data = parameter.data.contiguous(memory_format=FORMATS[parameter.ndim])
    return network

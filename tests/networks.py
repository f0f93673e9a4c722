"""Networks for tests: with random weights whose signals neither die nor explode, or with none, or with numbers."""

from functools import cache
from typing import TypeVar

import torch
from torch import Tensor, nn

from detectors import backbones
from detectors.backbones.contract import Backbone
from detectors.checkpoints import state_in

NetworkT = TypeVar("NetworkT", bound=nn.Module)

CONVOLUTIONAL = ("i3d", "slowfast_r50_8x8", "slowfast_r50_4x16", "r3d_18", "mc3_18", "r2plus1d_18", "s3d")


def lively(name: str, seed: int = 7) -> Backbone:
    """A backbone in eval mode with weights and statistics that all make a difference."""
    backbone = backbones.create(name).eval()
    enliven(backbone, seed)
    return backbone


def enliven(network: nn.Module, seed: int = 7) -> None:
    """Random weights and batch norm statistics, in place."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.Conv3d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu", generator=generator)
            if isinstance(module, nn.BatchNorm3d) and module.running_mean is not None:
                assert module.running_var is not None
                module.running_mean.normal_(0, 0.1, generator=generator)
                module.running_var.uniform_(0.8, 1.2, generator=generator)
                module.weight.uniform_(0.4, 0.8, generator=generator)
                module.bias.normal_(0, 0.1, generator=generator)


def settled(network: NetworkT, seed: int = 7) -> NetworkT:
    """A network of any kind in eval mode whose batch norms have statistics that make a difference."""
    torch.manual_seed(seed)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d | nn.BatchNorm3d) and module.running_mean is not None:
            assert module.running_var is not None
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    return network.eval()


def small() -> nn.Module:
    """Known by its own keys alone."""
    return nn.Sequential(nn.Conv3d(3, 4, 1), nn.BatchNorm3d(4))


@cache
def outline(name: str) -> nn.Module:
    """A backbone without memory for its weights."""
    return backbones.outline(name)


def unfilled(name: str) -> nn.Module:
    """A backbone with -1 everywhere, which no checkpoint here holds."""
    network = backbones.outline(name)
    network.to_empty(device="cpu")
    for tensor in network.state_dict().values():
        tensor.fill_(-1)
    return network


def numbered(module: nn.Module, layout: str = "native") -> dict[str, Tensor]:
    """A state dict whose every tensor holds a number of its own; a file of it is small."""
    return {
        key: torch.tensor(number, dtype=like.dtype).expand(like.shape)
        for number, (key, like) in enumerate(state_in(module, layout).items())
    }


def assert_numbered(module: nn.Module) -> None:
    for number, (key, tensor) in enumerate(module.state_dict().items()):
        assert bool((tensor == number).all()), key


def assert_unfilled(module: nn.Module) -> None:
    assert all(bool((tensor == -1).all()) for tensor in module.state_dict().values())

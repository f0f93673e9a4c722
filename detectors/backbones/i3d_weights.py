"""The published weights of I3D (nested dicts as flax stores them) into our network; every tensor is accounted for."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from detectors.backbones.inception import Unit

BRANCHES = {
    "branch_0": "Branch_0/Conv3d_0a_1x1",
    "branch_1.0": "Branch_1/Conv3d_0a_1x1",
    "branch_1.1": "Branch_1/Conv3d_0b_3x3",
    "branch_2.0": "Branch_2/Conv3d_0a_1x1",
    "branch_2.1": "Branch_2/Conv3d_0b_3x3",
    "branch_3.1": "Branch_3/Conv3d_0b_1x1",
}
HEAD = "params/Logits/Conv3d_0c_1x1/Conv_0"


def load_flax(layers: nn.Sequential, head: nn.Linear, content: Mapping[str, Any]) -> None:
    """Fill a network not prepared yet. Raises ValueError naming what is missing, left over or of another shape."""
    stored = dict(_leaves(content))
    targets = dict(_targets(layers, head))
    if stored.keys() != targets.keys():
        missing, extra = sorted(targets.keys() - stored.keys()), sorted(stored.keys() - targets.keys())
        raise ValueError(f"not the weights of this I3D: missing {missing[:5]}, unknown {extra[:5]}")
    values = {path: _as_ours(path, stored[path], target.shape) for path, target in targets.items()}
    with torch.no_grad():
        for path, target in targets.items():
            target.copy_(values[path])


def _leaves(node: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, np.ndarray]]:
    for name, child in node.items():
        if isinstance(child, Mapping):
            yield from _leaves(child, f"{prefix}{name}/")
        else:
            yield f"{prefix}{name}", child


def _targets(layers: nn.Sequential, head: nn.Linear) -> Iterator[tuple[str, Tensor]]:
    """Every tensor of ours under its path in the file."""
    for name, unit in layers.named_modules():
        if isinstance(unit, Unit):
            layer, _, branch = name.partition(".")
            path = f"{layer}/{BRANCHES[branch]}" if branch else layer
            yield f"params/{path}/Conv_0/kernel", unit.conv.weight
            yield f"params/{path}/BatchNorm_0/bias", unit.norm.get_parameter("bias")
            yield f"batch_stats/{path}/BatchNorm_0/mean", unit.norm.get_buffer("running_mean")
            yield f"batch_stats/{path}/BatchNorm_0/var", unit.norm.get_buffer("running_var")
    yield f"{HEAD}/kernel", head.weight
    yield f"{HEAD}/bias", head.bias


def _as_ours(path: str, array: np.ndarray, shape: torch.Size) -> Tensor:
    """Kernels lie as (t, h, w, in, out), batch statistics as (1, 1, 1, 1, C)."""
    if path.endswith("/kernel") and array.ndim == 5:
        array = array.transpose(4, 3, 0, 1, 2)
    if path.endswith(("/mean", "/var")) or path == f"{HEAD}/kernel":
        array = array.reshape([size for size in array.shape if size != 1])
    if array.shape != tuple(shape):
        raise ValueError(f"{path} has shape {array.shape}, expected {tuple(shape)}")
    return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))

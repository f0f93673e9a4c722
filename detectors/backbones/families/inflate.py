"""Inflation: a 2-D network becomes a 3-D one, its weights spread over time (I3D, CVPR 2017, arXiv 1705.07750).

Every k x k becomes k x k x k; weights are repeated k times and divided by k, so that a still video is seen as its
picture was. Shape letters: N clips, T frames, H rows, W columns.
"""

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from detectors.backbones.families.image_network import PROBE_SIDE, ImageNetwork
from detectors.dense.layers import InflatedConv3d

MOST_TIME_STRIDE = 8  # frames a step at most: where the picture shrinks further, time does not
PROBE_FRAMES = 32
KEPT = (nn.ReLU, nn.ReLU6, nn.SiLU, nn.GELU, nn.Hardswish, nn.Sigmoid, nn.Hardsigmoid, nn.Identity, nn.Dropout)
KEPT_BY_NAME = ("StochasticDepth",)  # torchvision's, which is not imported for it


def inflate(images: ImageNetwork, *, most_time_stride: int = MOST_TIME_STRIDE) -> nn.Sequential:
    """A network from clips (N, 3, T, H, W) to a map (N, C, T / stride, h, w), with the image network's stages.

    Raises ValueError, naming the layer, for a network that has no such form.
    """
    strides, stages = time_strides(images, most_time_stride), []
    for stage in images.stages:
        layers = nn.Sequential()
        for name, layer in stage.named_children():
            layers.add_module(name, inflated(layer, in_time=strides[name] > 1))
        stages.append(layers)
    network = nn.Sequential(*stages)
    _try(network)
    return network


def time_strides(images: ImageNetwork, most_time_stride: int = MOST_TIME_STRIDE) -> dict[str, int]:
    """By how much each layer, inflated, shrinks time: as much as the picture, while there is some left of the most."""
    strides, left = {}, most_time_stride
    for name, reduction in images.reductions.items():
        strides[name] = reduction if reduction <= left else 1
        left //= strides[name]
    return strides


def inflated(layer: nn.Module, *, in_time: bool) -> nn.Module:
    """One layer, or all in it; `in_time`: what strides in the picture strides in time as well."""
    for kind, maker in MAKERS.items():
        if isinstance(layer, kind):
            return maker(layer, in_time)
    is_kept = isinstance(layer, KEPT) or type(layer).__name__ in KEPT_BY_NAME
    if next(layer.children(), None) is None and not is_kept:
        raise ValueError(f"{type(layer).__name__} cannot be inflated; choose another image network")
    made = copy.copy(layer)
    made._modules = {name: child and inflated(child, in_time=in_time) for name, child in layer._modules.items()}
    return made


def _conv(layer: nn.Conv2d, in_time: bool) -> nn.Module:
    (rows, columns), stride = layer.kernel_size, layer.stride[0]
    if isinstance(layer.padding, str) or layer.padding_mode != "zeros":
        raise ValueError(f"a convolution padded by {layer.padding_mode!r} cannot be inflated")
    deep = max(rows, columns)
    made = InflatedConv3d(
        layer.in_channels,
        layer.out_channels,
        (deep, rows, columns),
        (stride if in_time else 1, *layer.stride),
        ((deep - 1) // 2, *layer.padding),
        (1, *layer.dilation),
        layer.groups,
        layer.bias is not None,
        device=layer.weight.device,
    )
    with torch.no_grad():
        made.weight.copy_(layer.weight[:, :, None].expand_as(made.weight) / deep)
        if layer.bias is not None and made.bias is not None:
            made.bias.copy_(layer.bias)
    return made


def _norm(layer: nn.BatchNorm2d, _: bool) -> nn.Module:
    device = layer.running_mean.device if layer.running_mean is not None else None
    made = nn.BatchNorm3d(layer.num_features, layer.eps, layer.momentum, layer.affine, device=device)
    made.load_state_dict(layer.state_dict())
    return made


def _max_pool(layer: nn.MaxPool2d, in_time: bool) -> nn.Module:
    """Over time only where time shrinks too, as in I3D."""
    kernel, stride, padding = (_pair(one) for one in (layer.kernel_size, layer.stride, layer.padding))
    k, s, p = (kernel[0], stride[0], padding[0]) if in_time and stride[0] > 1 else (1, 1, 0)
    return nn.MaxPool3d((k, *kernel), (s, *stride), (p, *padding), ceil_mode=bool(layer.ceil_mode))


def _avg_pool(layer: nn.AvgPool2d, in_time: bool) -> nn.Module:
    kernel, stride, padding = (_pair(one) for one in (layer.kernel_size, layer.stride, layer.padding))
    k = stride[0] if in_time else 1
    ceil, include = bool(layer.ceil_mode), bool(layer.count_include_pad)
    return nn.AvgPool3d((k, *kernel), (k, *stride), (0, *padding), ceil_mode=ceil, count_include_pad=include)


def _adaptive_pool(layer: nn.AdaptiveAvgPool2d, _: bool) -> nn.Module:
    return nn.AdaptiveAvgPool3d((None, *_pair(layer.output_size)))


def _dropout(layer: nn.Dropout2d, _: bool) -> nn.Module:
    return nn.Dropout3d(layer.p)


MAKERS: dict[type[nn.Module], Callable[..., nn.Module]] = {
    nn.Conv2d: _conv,
    nn.BatchNorm2d: _norm,
    nn.MaxPool2d: _max_pool,
    nn.AvgPool2d: _avg_pool,
    nn.AdaptiveAvgPool2d: _adaptive_pool,
    nn.Dropout2d: _dropout,
}


def _pair(value: Any) -> tuple[int, int]:
    return value if isinstance(value, tuple) else (value, value)


def _try(network: nn.Module) -> None:
    """Raises ValueError where a layer counts on pictures, not clips."""
    device = next(network.parameters()).device
    training = network.training
    try:
        with torch.no_grad():
            network.eval()(torch.zeros(1, 3, PROBE_FRAMES, PROBE_SIDE, PROBE_SIDE, device=device))
    except (RuntimeError, ValueError, IndexError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"this image network cannot be inflated ({reason}); choose another") from None
    network.train(training)

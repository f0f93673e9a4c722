"""Image networks: 2-D classifiers without their heads, parted into stages, for video networks to build on.

torchvision's by name, and two small ones of our own. torchvision is imported when one of its is made: it takes seconds.
Shape letters: N pictures, C channels, H rows, W columns, h x w cells of a map.
"""

from collections.abc import Iterator, Mapping
from math import log2
from typing import Any

import torch
from torch import Tensor, nn

TAIL = ("avgpool", "dropout", "flatten", "fc", "classifier", "head", "AuxLogits", "aux1", "aux2")
WITH_AUXILIARIES = ("googlenet", "inception_v3")
OF_ONE_SIZE = ("vit", "maxvit")  # they take pictures of one size only, which video is rarely of
WITHOUT_MAPS_BETWEEN = ("swin",)  # channels last inside, so nothing can be put between their stages
PROBE_SIDE = 128


class ImageNetwork(nn.Module):
    """Pictures (N, 3, H, W) to a map (N, C, h, w), stage by stage; a stage ends where the next layer is coarser."""

    def __init__(self, layers: Mapping[str, nn.Module], *, parted: bool = True) -> None:
        super().__init__()
        shapes = _shapes(layers)
        self.reductions = {_key(name): round(before[2] / after[2]) for name, before, after in shapes}  # of each layer
        stages: list[nn.Sequential] = []
        self.stage_channels: list[int] = []
        for name, _, after in shapes:
            if not stages or (parted and self.reductions[_key(name)] > 1 and _has_weights(stages[-1])):
                stages.append(nn.Sequential())
                self.stage_channels.append(0)
            stages[-1].add_module(_key(name), layers[name])
            self.stage_channels[-1] = after[1]
        self.stages = nn.ModuleList(stages)
        self.channels = self.stage_channels[-1]
        self.stride = 2 ** round(log2(PROBE_SIDE / shapes[-1][2][2]))

    def forward(self, pictures_NCHW: Tensor) -> Tensor:
        for stage in self.stages:
            pictures_NCHW = stage(pictures_NCHW)
        return pictures_NCHW

    def of_frames(self, clips_NCTHW: Tensor) -> Tensor:
        """The maps (N, C, T, h, w) of every frame of clips, each seen alone."""
        frames = clips_NCTHW.transpose(1, 2)
        map_MCHW: Tensor = self(frames.flatten(0, 1))
        return map_MCHW.reshape(*frames.shape[:2], *map_MCHW.shape[1:]).transpose(1, 2)


def image_network(name: str, state: Mapping[str, Tensor] | None = None) -> ImageNetwork:
    """By the name of torchvision's, or `toy` or `small`; `state`: its published weights, the head's aside.

    Raises ValueError for a name that there is not or that is not possible, and for a state of another network.
    """
    if name in OWN:
        network, layers = None, OWN[name]()
    else:
        network = _torchvisions(name)
        layers = dict(_layers_of(network))
        if name.startswith("densenet"):
            layers["relu"] = nn.ReLU(inplace=True)  # which it applies without having it as a layer
    if state is not None:
        _fill(network or nn.ModuleDict(layers), state, name)
    return ImageNetwork(layers, parted=not name.startswith(WITHOUT_MAPS_BETWEEN))


def toy() -> dict[str, nn.Module]:
    """The network of the lecture that the families are taught with (EECS 498-007, videos): 12 channels, then 24."""
    return {"conv1": nn.Conv2d(3, 12, 3, padding=1), "pool": nn.MaxPool2d(4), "conv2": nn.Conv2d(12, 24, 3, padding=1)}


def small() -> dict[str, nn.Module]:
    """Four convolutions and a stride of 8: trained from nothing within minutes on a CPU."""
    widths = (3, 16, 32, 64, 64)
    units = enumerate(zip(widths, widths[1:], (2, 2, 2, 1), strict=False))
    return {f"unit{number}": _unit(*sizes) for number, sizes in units}


OWN = {"toy": toy, "small": small}


def _unit(channels_in: int, channels_out: int, stride: int) -> nn.Sequential:
    conv = nn.Conv2d(channels_in, channels_out, 3, stride, padding=1, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(channels_out), nn.ReLU(inplace=True))


def _torchvisions(name: str) -> Any:
    from torchvision import models

    known = models.list_models(module=models)
    if name not in known:
        raise ValueError(f"unknown image network {name!r}; one of: {', '.join([*OWN, *known])}")
    if name.startswith(OF_ONE_SIZE):
        raise ValueError(f"{name} takes pictures of one size only, so no video network is built on it; choose another")
    extras = {"aux_logits": False, "init_weights": False} if name in WITH_AUXILIARIES else {}
    return models.get_model(name, weights=None, **extras)


def _layers_of(network: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """All before the head, in the order in which they are applied; what is a row of layers by these."""
    for name, child in network.named_children():
        if name in TAIL:
            continue
        if type(child) is nn.Sequential:
            yield from ((f"{name}.{inner}", layer) for inner, layer in child.named_children())
        else:
            yield name, child


def _shapes(layers: Mapping[str, nn.Module]) -> list[tuple[str, torch.Size, torch.Size]]:
    """Of what goes into each layer and comes out of it."""
    parameter = next(one for layer in layers.values() for one in layer.parameters())
    x = torch.zeros(1, 3, PROBE_SIDE, PROBE_SIDE, device=parameter.device)
    found = []
    for name, layer in layers.items():
        was_training = layer.training
        with torch.no_grad():
            y = layer.eval()(x)
        layer.train(was_training)
        found.append((name, x.shape, y.shape))
        x = y
    return found


def _key(name: str) -> str:
    """A layer's name in its stage, where dots cannot be."""
    return name.replace(".", "_")


def _has_weights(module: nn.Module) -> bool:
    return next(module.parameters(), None) is not None


def _fill(network: nn.Module, state: Mapping[str, Tensor], name: str) -> None:
    """Every tensor but the head's must be there."""
    own = {key: tensor for key, tensor in network.state_dict().items() if key.split(".")[0] not in TAIL}
    given = {key: tensor for key, tensor in state.items() if key.split(".")[0] not in TAIL}
    other = [key for key in own.keys() | given.keys() if key not in own or key not in given]
    other += [key for key in own.keys() & given.keys() if own[key].shape != given[key].shape]
    other = sorted(key for key in other if not key.endswith("num_batches_tracked"))
    if other:
        raise ValueError(f"not the weights of {name}: {len(other)} tensors do not fit, {other[0]} among them")
    with torch.no_grad():
        for key in own.keys() & given.keys():
            own[key].copy_(given[key])

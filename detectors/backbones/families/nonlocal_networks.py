"""Non-local blocks put into any 3-D network, and the family that has them: an inflated network (arXiv 1711.07971).

Layers see a little more of a clip each; behind a non-local block every place has seen all of it.
Shape letters: N clips, C channels, T frames, H rows, W columns.
"""

import copy
from collections.abc import Mapping, Sequence
from functools import partial

import torch
from torch import Tensor, nn

from detectors.backbones.families.family import CLIP_FRAMES, family_contract
from detectors.backbones.families.fresh_weights import begin_afresh
from detectors.backbones.families.inflated import Inflated
from detectors.backbones.nonlocal_block import NonLocal

PROBE_FRAMES, PROBE_SIDE = 32, 64


class InflatedNonlocal(Inflated):
    """With a block at the end of the last stage but one, and of the one before; run clip by clip, as it sees all."""

    def __init__(
        self,
        *,
        class_names: tuple[str, ...] | None = None,
        image_network: str = "resnet18",
        image_state: Mapping[str, Tensor] | None = None,
        clip_frames: int = CLIP_FRAMES,
    ) -> None:
        super().__init__(
            class_names=class_names, image_network=image_network, image_state=image_state, clip_frames=clip_frames
        )
        if image_state is None:
            begin_afresh(self.trunk)
        stages = [name for name, stage in self.trunk.named_children() if next(stage.parameters(), None) is not None]
        insert_nonlocal(self.trunk, [stages[index] for index in behind(len(stages))])
        self.contract = family_contract(
            self.contract.class_names,
            channels=self.contract.feature_channels,
            map_stride=self.contract.map_stride,
            clip_frames=clip_frames,
        )


def behind(stages: int) -> list[int]:
    """Which stages of so many have a block: the last but one and the one before, as far as there are such."""
    return list(range(stages))[:-1][-2:] or [0]


def insert_nonlocal(network: nn.Module, names: Sequence[str]) -> None:
    """Put a block behind each of the named parts of a network of clips; at first it changes nothing.

    All other keys of its state stay as they are. A part is an nn.Sequential, whose last layer the block becomes, or in
    one; ValueError for any other, or one that there is not. Put into a trunk that ran densely, it no longer can.
    """
    channels = _channels_behind(network, names)
    place = next(network.parameters()).device
    for name in names:
        parent, child = _in_sequence(network, name)
        block = NonLocal(channels[name], max(1, channels[name] // 2)).to(place).train(network.training)
        layers = list(parent.named_children())
        for other, _ in layers:
            delattr(parent, other)
        for other, layer in layers:
            parent.add_module(other, layer)
            if other == child:
                parent.add_module(f"nonlocal_{child}", block)


def _in_sequence(network: nn.Module, name: str) -> tuple[nn.Sequential, str]:
    """The sequence in which a block is to be put, and the layer there behind which."""
    part = network.get_submodule(name)
    if isinstance(part, nn.Sequential):
        return part, [child for child, _ in part.named_children()][-1]
    above, _, child = name.rpartition(".")
    parent = network.get_submodule(above)
    if not isinstance(parent, nn.Sequential):
        raise ValueError(f"{name} is no nn.Sequential and in none, so no block can be put behind it")
    return parent, child


def _channels_behind(network: nn.Module, names: Sequence[str]) -> dict[str, int]:
    """Of what comes out of the named parts, seen on a copy that computes nothing. Raises ValueError."""
    copied = copy.deepcopy(network).to("meta").eval()
    found: dict[str, int] = {}
    for name in names:
        try:
            part = copied.get_submodule(name)
        except AttributeError:
            raise ValueError(f"the network has no part {name!r}") from None
        part.register_forward_hook(partial(_note, found, name))
    first = next(module for module in copied.modules() if isinstance(module, nn.Conv3d))
    with torch.no_grad():
        copied(torch.empty(1, first.in_channels, PROBE_FRAMES, PROBE_SIDE, PROBE_SIDE, device="meta"))
    if odd := [name for name in names if name not in found]:
        raise ValueError(f"{odd[0]} gives no map of a clip (N, C, T, H, W), so no block can be put behind it")
    return found


def _note(found: dict[str, int], name: str, _part: nn.Module, _inputs: object, output: object) -> None:
    if isinstance(output, Tensor) and output.ndim == 5:
        found[name] = output.shape[1]

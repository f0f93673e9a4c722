"""Backbones by name. A new one is a file, a line here and a config."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch

from detectors.backbones import torchvision_video
from detectors.backbones.contract import Backbone
from detectors.backbones.i3d import I3D
from detectors.backbones.slowfast import DESIGNS, SlowFast, SlowFastDetection
from detectors.random_weights import made_the_same

BACKBONES: dict[str, Callable[..., Backbone]] = {
    "i3d": I3D,
    **{name: partial(SlowFastDetection if one.detection else SlowFast, one) for name, one in DESIGNS.items()},
    **{name: partial(maker, name) for name, maker in torchvision_video.MAKERS.items()},
}

# The weights published for each backbone; the first are taken unless others are asked for.
PUBLISHED: dict[str, tuple[str, ...]] = {
    **{name: (f"{name}_kinetics400",) for name in BACKBONES},
    "slowfast_r50_8x8_detection": ("slowfast_r50_8x8_ava",),
    "slowfast_r101_8x8_detection": ("slowfast_r101_32x2_nonlocal_ava",),
    "slowfast_r101_16x8_detection": (),
    "swin3d_b": ("swin3d_b_kinetics400", "swin3d_b_kinetics400_imagenet22k"),
}


def create(name: str, **settings: Any) -> Backbone:
    """A backbone with random weights; `settings` are its constructor's arguments, as `class_names`."""
    if name not in BACKBONES:
        raise ValueError(f"unknown backbone {name!r}; choose one of {', '.join(sorted(BACKBONES))}")
    return BACKBONES[name](**settings)


def outline(name: str) -> Backbone:
    """A backbone without memory for its weights, to be asked about itself."""
    with torch.device("meta"):
        return create(name).eval()


def load(name: str, path: Path | None, **settings: Any) -> Backbone:
    """A backbone with the weights of a file; without one with random weights, always the same ones."""
    if path is not None:
        backbone = create(name, **settings)
        backbone.load(path)
        return backbone
    return made_the_same(partial(create, name, **settings))

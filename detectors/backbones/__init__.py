"""Backbones by name. A new one is a file, a line here and a config."""

from pathlib import Path
from typing import Any

from detectors.backbones.contract import Backbone
from detectors.backbones.i3d import I3D

BACKBONES: dict[str, type[Backbone]] = {"i3d": I3D}


def create(name: str, **settings: Any) -> Backbone:
    """A backbone with random weights; `settings` are its constructor's arguments."""
    if name not in BACKBONES:
        raise ValueError(f"unknown backbone {name!r}; choose one of {', '.join(sorted(BACKBONES))}")
    return BACKBONES[name](**settings)


def load(name: str, path: Path, **settings: Any) -> Backbone:
    """A backbone with the weights of a file."""
    backbone = create(name, **settings)
    backbone.load(path)
    return backbone

"""The backbone that a training on clips begins with: its own classes, weights that are given, and which parts learn."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from detectors import backbones, weights
from detectors.backbones.contract import Backbone
from detectors.checkpoints import read_state
from detectors.errors import WeightsError
from pipeline.config import ConfigError
from pipeline.settings import Config


def begin(config: Config, class_names: tuple[str, ...]) -> Backbone:
    """Of a resolved config: at random, by torch's seed, but for weights that are given.

    Raises ConfigError where it has no head, or a file is another network's.
    """
    name, design = config.backbone.name, config.backbone.design.given
    given = _image_state(config)
    try:
        network = backbones.create(name, class_names=class_names, **given, **design)
    except ValueError as error:
        raise ConfigError(f"{'training.clips.image_weights' if given else 'backbone.design'}: {error}") from None
    if network.head is None:
        raise ConfigError(f"backbone.name: {name} classifies boxes only, so it cannot learn from clips")
    if config.backbone.weights != weights.RANDOM:
        try:
            before = backbones.load(name, weights.resolve(config.backbone.weights), **design)
            _fill(network, before, class_keys(name, design))
        except WeightsError as error:
            raise ConfigError(f"backbone.weights: {error}") from None
    return network


def class_keys(name: str, design: Mapping[str, Any]) -> set[str]:
    """Of a backbone's state, what depends on how many classes there are: its heads, wherever they lie."""
    two, three = (backbones.outline(name, class_names=names, **design).state_dict() for names in ("ab", "abc"))
    return {key for key, tensor in two.items() if tensor.shape != three[key].shape}


def rates_of(name: str, design: Mapping[str, Any], given_rate: float) -> Mapping[str, float]:
    """What share of the learning rate parameters have, by how their names begin, where all but heads was given.

    A part that holds a head and more learns as the head does.
    """
    heads = {key.split(".")[0] for key in class_keys(name, design)}
    beginnings = dict.fromkeys(_beginning(key) for key, _ in backbones.outline(name, **design).named_parameters())
    return {one: 1.0 if one.rstrip(".") in heads else given_rate for one in beginnings}


def _image_state(config: Config) -> dict[str, Any]:
    """As an argument of the backbone's making, if there is any."""
    path, field = config.training.clips.image_weights, "training.clips.image_weights"
    if path is None:
        return {}
    if "image_state" not in backbones.settings_of(config.backbone.name):
        raise ConfigError(f"{field}: {config.backbone.name} does not begin with an image network; leave it out")
    if config.backbone.weights != weights.RANDOM:
        raise ConfigError(f"{field}: backbone.weights names weights of the whole network; leave one of them out")
    try:
        return {"image_state": read_state(Path(path))}
    except WeightsError as error:
        raise ConfigError(f"{field}: {error}") from None


def _fill(network: Backbone, before: Backbone, heads: set[str]) -> None:
    """What `before` holds, its heads only if they know the same classes. Raises WeightsError for another design."""
    given, own = before.state_dict(), network.state_dict()
    if before.contract.class_names == network.contract.class_names:
        heads = set()
    other = [key for key in own if key not in heads and (key not in given or given[key].shape != own[key].shape)]
    if other or given.keys() != own.keys():
        raise WeightsError("they are of a network with another backbone.design than the one that is to be trained")
    with torch.no_grad():
        for key in own.keys() - heads:
            own[key].copy_(given[key])


def _beginning(key: str) -> str:
    top, dot, _ = key.partition(".")
    return top + dot

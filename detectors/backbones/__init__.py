"""Backbones by name. A new one is a file, a line here and a config."""

import inspect
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch

from detectors import checkpoints
from detectors.backbones import torchvision_video
from detectors.backbones.contract import Backbone
from detectors.backbones.families.audio_visual import AudioVisualBottleneck, AudioVisualLate
from detectors.backbones.families.c3d import C3D
from detectors.backbones.families.cnn3d_rnn import Cnn3dRnn
from detectors.backbones.families.cnn_lstm import CnnLstm
from detectors.backbones.families.early_fusion import EarlyFusion
from detectors.backbones.families.inflated import Inflated, SlowFusion
from detectors.backbones.families.late_fusion import LateFusionFC, LateFusionPooling
from detectors.backbones.families.nonlocal_networks import InflatedNonlocal
from detectors.backbones.families.recurrent_cnn import RecurrentCnn
from detectors.backbones.families.single_frame import SingleFrame
from detectors.backbones.families.skip_rnn import SkipRnn
from detectors.backbones.families.timesformer import TimeSformer
from detectors.backbones.families.two_stream import TwoStream
from detectors.backbones.families.two_stream_i3d import TwoStreamI3D
from detectors.backbones.i3d import I3D
from detectors.backbones.slowfast import DESIGNS, SlowFast, SlowFastDetection
from detectors.backbones.trained import is_trained_backbone, load_trained_backbone
from detectors.errors import WeightsError
from detectors.random_weights import made_the_same

# One of each kind, small and honest, to be trained and to learn from; none has published weights.
FAMILIES: dict[str, Callable[..., Backbone]] = {
    "single_frame": SingleFrame,
    "late_fusion_pooling": LateFusionPooling,
    "late_fusion_fc": LateFusionFC,
    "early_fusion": EarlyFusion,
    "slow_fusion": SlowFusion,
    "c3d": C3D,
    "cnn_lstm": CnnLstm,
    "recurrent_cnn": RecurrentCnn,
    "skip_rnn": SkipRnn,
    "cnn3d_rnn": Cnn3dRnn,
    "two_stream": TwoStream,
    "inflated": Inflated,
    "two_stream_i3d": TwoStreamI3D,
    "inflated_nonlocal": InflatedNonlocal,
    "timesformer": TimeSformer,
    "audio_visual_late": AudioVisualLate,
    "audio_visual_bottleneck": AudioVisualBottleneck,
}

BACKBONES: dict[str, Callable[..., Backbone]] = {
    "i3d": I3D,
    **{name: partial(SlowFastDetection if one.detection else SlowFast, one) for name, one in DESIGNS.items()},
    **{name: partial(maker, name) for name, maker in torchvision_video.MAKERS.items()},
    **FAMILIES,
}

# The weights published for each backbone; the first are taken unless others are asked for.
PUBLISHED: dict[str, tuple[str, ...]] = {
    **{name: () if name in FAMILIES else (f"{name}_kinetics400",) for name in BACKBONES},
    "slowfast_r50_8x8_detection": ("slowfast_r50_8x8_ava",),
    "slowfast_r101_8x8_detection": ("slowfast_r101_32x2_nonlocal_ava",),
    "slowfast_r101_16x8_detection": (),
    "swin3d_b": ("swin3d_b_kinetics400", "swin3d_b_kinetics400_imagenet22k"),
}


def create(name: str, **settings: Any) -> Backbone:
    """A backbone with random weights; `settings` are its constructor's arguments, as `class_names`.

    Raises ValueError for a name or a setting that there is not, or that is not possible.
    """
    if name not in BACKBONES:
        raise ValueError(f"unknown backbone {name!r}; choose one of {', '.join(sorted(BACKBONES))}")
    known = settings_of(name)
    if unknown := [one for one in settings if one not in known]:
        raise ValueError(f"{name} has no setting {unknown[0]!r}; it has {', '.join(known)}")
    return BACKBONES[name](**settings)


def settings_of(name: str) -> tuple[str, ...]:
    """What the making of a backbone can be told."""
    return tuple(inspect.signature(BACKBONES[name]).parameters)


def outline(name: str, **settings: Any) -> Backbone:
    """A backbone without memory for its weights, to be asked about itself."""
    with torch.device("meta"):
        return create(name, **settings).eval()


def load(name: str, path: Path | None, **settings: Any) -> Backbone:
    """A backbone with the weights of a file; without one with random weights, always the same ones.

    A file that `train backbone` made brings its own settings. Raises WeightsError for a file of another network.
    """
    if path is None:
        return made_the_same(partial(create, name, **settings))
    if is_trained_backbone(path):
        return _load_trained(name, path)
    backbone = create(name, **settings)
    backbone.load(path)
    return backbone


def _load_trained(name: str, path: Path) -> Backbone:
    trained = load_trained_backbone(path)
    if trained.name != name:
        raise WeightsError(f"{path} holds {trained.name}, not {name}")
    backbone = create(name, class_names=trained.class_names, **trained.design)
    try:
        checkpoints.load_state(backbone, trained.state)
    except ValueError as error:
        raise WeightsError(f"{path}: {error}") from None
    return backbone

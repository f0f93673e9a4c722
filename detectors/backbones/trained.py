"""A trained backbone in one file: weights, how the network is built, its classes, the frames it was trained on."""

import warnings
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from detectors.checkpoints import MALFORMED
from detectors.errors import WeightsError
from detectors.model_file import load_model, save_model

FORM = "untrimmed backbone 1"


@dataclass(frozen=True, eq=False, slots=True)
class TrainedBackbone:
    """A backbone and all that is needed to use it."""

    name: str  # an entry of detectors.backbones.BACKBONES
    design: dict[str, Any]  # arguments that build the network, beside its classes
    class_names: tuple[str, ...]
    frames: dict[str, Any]  # settings, nothing left open
    provenance: dict[str, Any]  # who, when, from what, how well
    state: dict[str, Tensor] = field(repr=False)  # under the network's own keys


def save_trained_backbone(trained: TrainedBackbone, path: Path) -> None:
    """Raises OSError."""
    about = asdict(trained)
    save_model(path, FORM, about, about.pop("state"))


def load_trained_backbone(path: Path) -> TrainedBackbone:
    """Raises WeightsError with one line if the file is none of ours."""
    about, state = load_model(path, FORM, "backbone")
    try:
        return TrainedBackbone(**about | {"class_names": tuple(about["class_names"])}, state=state)
    except MALFORMED:
        raise WeightsError(f"{path} is not a backbone that `run.py train` made, or it is damaged") from None


def is_trained_backbone(path: Path) -> bool:
    """Whether a file is of this kind, told without reading its tensors; a file that cannot be read is of none."""
    try:
        with warnings.catch_warnings(action="ignore"):  # torch's, on what it then refuses
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except (*MALFORMED, OSError):
        return False
    return isinstance(content, dict) and content.get("format") == FORM

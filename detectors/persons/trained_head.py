"""A head that tells what people do, trained on a user's annotations, in one file.

Shape letters: N boxes, C channels, H hidden units, K classes.
"""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from detectors.checkpoints import MALFORMED
from detectors.errors import WeightsError
from detectors.model_file import load_model, save_model
from detectors.temporal.layers import FeatureNorm

FORM = "untrimmed head of people 1"
BOXES_AT_ONCE = 16384


class HeadNetwork(nn.Module):
    """Logits (N, K) of independent classes from features (N, C): brought to a common scale, then one or two layers."""

    def __init__(self, *, channels: int, hidden: int, classes: int, dropout: float = 0.0) -> None:
        """`hidden`: units of the layer between, 0 for none."""
        super().__init__()
        self.feature_norm = FeatureNorm(channels)
        between = [nn.Linear(channels, hidden), nn.GELU(), nn.Dropout(dropout)] if hidden else []
        self.layers = nn.Sequential(nn.Dropout(dropout), *between, nn.Linear(hidden or channels, classes))

    @property
    def last(self) -> nn.Linear:
        """The layer that gives the logits."""
        layer = self.layers[-1]
        assert isinstance(layer, nn.Linear)
        return layer

    def forward(self, features_NC: Tensor) -> Tensor:
        logits_NK: Tensor = self.layers(self.feature_norm(features_NC.float()[:, :, None], None)[:, :, 0])
        return logits_NK


@dataclass(frozen=True, slots=True)
class BoxFeaturesOf:
    """The features of boxes that a head understands."""

    backbone: str  # an entry of detectors.backbones.BACKBONES
    weights: str  # as they were called
    backbone_digest: str  # sha256 of them
    frames: dict[str, Any]  # settings, nothing left open
    window_s: float
    channels: int


@dataclass(frozen=True, eq=False, slots=True)
class TrainedHead:
    """Called with features (N, C) it gives logits (N, K), float32, of classes of which any number hold at once."""

    class_names: tuple[str, ...]
    design: dict[str, Any]  # arguments that build the network
    features: BoxFeaturesOf
    provenance: dict[str, Any]  # who, when, from what, how well
    state: dict[str, Tensor] = field(repr=False)
    network: HeadNetwork = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Raises WeightsError if the weights are not this design's."""
        try:
            network = HeadNetwork(**self.design)
            network.load_state_dict(self.state)
            network(torch.zeros((1, self.features.channels))).reshape(1, len(self.class_names))
        except MALFORMED as error:
            reason = " ".join(str(error).split())
            raise WeightsError(f"the weights of this head do not fit its own design: {reason}") from None
        object.__setattr__(self, "network", network.eval().requires_grad_(False))

    @torch.inference_mode()
    def __call__(self, features_NC: np.ndarray) -> np.ndarray:
        parts = [
            self.network(torch.from_numpy(features_NC[first : first + BOXES_AT_ONCE])).numpy()
            for first in range(0, len(features_NC), BOXES_AT_ONCE)
        ]
        return np.concatenate([np.zeros((0, len(self.class_names)), np.float32), *parts])


def save_head(head: TrainedHead, path: Path) -> None:
    """Raises OSError."""
    about = {
        "class_names": head.class_names,
        "design": head.design,
        "features": asdict(head.features),
        "provenance": head.provenance,
    }
    save_model(path, FORM, about, head.state)


def load_head(path: Path) -> TrainedHead:
    """Raises WeightsError with one line if the file is none of ours."""
    about, state = load_model(path, FORM, "head of people")
    try:
        class_names = tuple(about.pop("class_names"))
        return TrainedHead(
            **about | {"class_names": class_names, "features": BoxFeaturesOf(**about["features"])}, state=state
        )
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from None
    except MALFORMED:
        raise WeightsError(f"{path} is not a head of people that `run.py train` made, or it is damaged") from None

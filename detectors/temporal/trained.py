"""A trained detector in one file: weights, how the network is built, its classes, what it was trained on."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from detectors.checkpoints import MALFORMED
from detectors.errors import WeightsError
from detectors.model_file import load_model, save_model
from detectors.temporal.networks import NETWORKS

FORM = "untrimmed detector 1"


@dataclass(frozen=True, eq=False, slots=True)
class TrainedOn:
    """The features that a detector understands."""

    step_s: float
    channels: int
    backbone_digest: str | None  # sha256 of its weights; None: features made elsewhere
    frames: dict[str, Any]  # settings, nothing left open
    backbone: dict[str, Any]


@dataclass(frozen=True, eq=False, slots=True)
class Trained:
    """A detector and all that is needed to use it."""

    name: str  # a key of NETWORKS
    design: dict[str, Any]  # arguments that build the network, anchor scales among them
    class_names: tuple[str, ...]
    localizer: dict[str, Any]  # settings it was validated with
    features: TrainedOn
    provenance: dict[str, Any]  # who, when, from what, how well
    state: dict[str, Tensor] = field(repr=False)

    def network(self) -> nn.Module:
        """Raises WeightsError if the weights are not this network's."""
        try:
            network = NETWORKS[self.name](**self.design)
            network.load_state_dict(self.state)
        except (RuntimeError, TypeError, ValueError) as error:
            reason = " ".join(str(error).split())
            raise WeightsError(f"the weights of this {self.name} do not fit its own design: {reason}") from None
        return network


def save_trained(trained: Trained, path: Path) -> None:
    """Raises OSError."""
    about = asdict(trained)
    save_model(path, FORM, about, about.pop("state"))


def load_trained(path: Path) -> Trained:
    """Raises WeightsError with one line if the file is none of ours."""
    about, state = load_model(path, FORM, "detector")
    try:
        features = TrainedOn(**about.pop("features"))
        trained = Trained(**{**about, "class_names": tuple(about["class_names"])}, features=features, state=state)
    except MALFORMED:
        raise WeightsError(f"{path} is not a detector that `run.py train` made, or it is damaged") from None
    if trained.name not in NETWORKS:
        raise WeightsError(f"{path} holds a {trained.name}, which this version does not know")
    return trained

"""A config completed by a trained detector: it fixes backbone, frames and network, and brings its own settings."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from detectors import weights
from detectors.temporal.trained import Trained, TrainedOn, load_trained
from pipeline.config import ConfigError, explanations
from pipeline.settings import Config


def trained_of(config: Config) -> Trained | None:
    """The detector that `localizer.weights` names. Raises ConfigError."""
    if config.localizer.weights is None:
        return None
    try:
        return load_trained(Path(config.localizer.weights))
    except weights.WeightsError as error:
        raise ConfigError(f"localizer.weights: {error}") from None


def completed(config: Config, trained: Trained | None) -> Config:
    """What is left open, filled in. Raises ConfigError where the config asks for what the detector was not made for."""
    if trained is None:
        return _untrained(config)
    data = config.model_dump(mode="json", exclude_unset=True)
    data["localizer"] = _localizer(data.get("localizer", {}), trained)
    data["frames"] = fixed("frames", data.get("frames", {}), trained.features.frames)
    backbone = {name: value for name, value in trained.features.backbone.items() if name in ("name", "weights")}
    own_weights = data.get("backbone", {}).pop("weights", "auto")
    if own_weights != "auto":  # the same weights may lie elsewhere here; their digest tells
        backbone["weights"] = own_weights
    data["backbone"] = {**data.get("backbone", {}), **fixed("backbone", data.get("backbone", {}), backbone)}
    try:
        return Config.model_validate(tuples(data))
    except ValidationError as error:
        raise ConfigError("\n".join(explanations(error))) from None


def check_backbone(features: TrainedOn, digest: str) -> None:
    """Raises ConfigError unless the backbone's weights are those that the detector's features came from."""
    if features.backbone_digest is None:
        raise ConfigError(
            "localizer.weights: this detector was trained on features made elsewhere, which no backbone here computes"
        )
    if digest != features.backbone_digest:
        raise ConfigError(
            f"backbone.weights: the detector was trained on features of weights with sha256 "
            f"{features.backbone_digest}, these have {digest}"
        )


def _untrained(config: Config) -> Config:
    name = "training_free" if config.localizer.name == "auto" else config.localizer.name
    return config.model_copy(update={"localizer": config.localizer.model_copy(update={"name": name})})


def _localizer(asked_for: dict[str, Any], trained: Trained) -> dict[str, Any]:
    """The detector's own settings, but for what the config changes of those that may be changed."""
    name = asked_for.get("name", "auto")
    if name not in ("auto", trained.name):
        raise ConfigError(f"localizer.name: the file of localizer.weights holds {trained.name}, not {name}")
    own = asked_for.get(trained.name, {})
    network = fixed(
        f"localizer.{trained.name}.network", own.get("network", {}), trained.localizer[trained.name]["network"]
    )
    detection = {**trained.localizer[trained.name], **own, "network": network}
    nms = {**trained.localizer["nms"], **asked_for.get("nms", {})}
    path = str(Path(asked_for["weights"]).resolve())  # the same for every worker
    return {"name": trained.name, "weights": path, trained.name: detection, "nms": nms}


def fixed(
    section: str, asked_for: Mapping[str, Any], values: Mapping[str, Any], by: str = "detector"
) -> dict[str, Any]:
    """What a trained file fixes. Raises ConfigError where the config wants something else."""
    for field, value in values.items():
        wanted = asked_for.get(field, "auto")
        if wanted not in ("auto", value):
            raise ConfigError(f"{section}.{field}: the {by} was trained with {value}, so it cannot be {wanted}")
    return dict(values)


def tuples(data: Any) -> Any:
    """Lists, as JSON has them, as the tuples that settings hold."""
    if isinstance(data, dict):
        return {name: tuples(value) for name, value in data.items()}
    return tuple(map(tuples, data)) if isinstance(data, list) else data

"""A config completed by a trained head of people: it fixes backbone, frames, and what it saw around a key frame."""

from pathlib import Path

from pydantic import ValidationError

from detectors import weights
from detectors.persons.trained_head import TrainedHead, load_head
from pipeline.config import ConfigError, explanations
from pipeline.settings import Config
from stages.trained import fixed, tuples

_WHAT = "head"


def head_of(config: Config) -> TrainedHead | None:
    """The head that `persons.actions.weights` names, if people are looked for. Raises ConfigError."""
    path = config.persons.actions.weights
    if path is None:
        return None
    if not config.persons.is_on:
        if "switch" in config.persons.model_fields_set:  # by intent
            return None
        raise ConfigError("persons.actions.weights: people are not looked for; add persons.switch=on")
    try:
        return load_head(Path(path))
    except weights.WeightsError as error:
        raise ConfigError(f"persons.actions.weights: {error}") from None


def completed_by_head(config: Config, head: TrainedHead | None) -> Config:
    """What is left open, filled in. Raises ConfigError where the config asks for what the head was not made for."""
    if head is None:
        return config
    data = config.model_dump(mode="json", exclude_unset=True)
    own = data.get("backbone", {})
    name = fixed("backbone", own, {"name": head.features.backbone}, _WHAT)
    if own.get("weights", "auto") == "auto":  # else the same weights may lie elsewhere here; their digest tells
        name["weights"] = head.features.weights
    data["backbone"] = own | name
    data["frames"] = fixed("frames", data.get("frames", {}), head.features.frames, _WHAT)
    persons = data["persons"]
    window = fixed("persons", persons, {"window_s": head.features.window_s}, _WHAT)
    path = str(Path(persons["actions"]["weights"]).resolve())  # the same for every worker
    data["persons"] = persons | window | {"actions": persons["actions"] | {"weights": path}}
    try:
        return Config.model_validate(tuples(data))
    except ValidationError as error:
        raise ConfigError("\n".join(explanations(error))) from None


def check_head(config: Config) -> None:
    """Raises ConfigError unless the weights of a resolved config are those that its head's features came from."""
    head = head_of(config)
    digest = weights.digest(config.backbone.weights)
    if head is not None and digest != head.features.backbone_digest:
        raise ConfigError(
            f"backbone.weights: the head was trained on features of weights with sha256 "
            f"{head.features.backbone_digest}, these have {digest}"
        )

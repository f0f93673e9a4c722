"""Backbones trained one after another on the same clips, each under the same budget: what every one comes to."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from annotations.records import Annotations
from detectors import backbones
from pipeline import DEFAULT_CONFIG
from pipeline.config import ConfigError, load_config, ready_made
from pipeline.records import Video
from pipeline.settings import Config, DesignSettings
from stages.build import resolve_features
from training.clips import ClipSplits, clip_splits
from training.collect import split
from training.loop import Told
from training.place import Place
from training.train_backbone import train_backbone

# Overrides of each config. From nothing, over the same small image network; what is judged is the last epoch, since the
# best of many on the validation actions would be better than it is on others.
BUDGET = (
    "backbone.weights=random",
    "backbone.design.image_network=small",
    "backbone.design.clip_frames=16",
    "training.epochs=6",
    "training.warmup_epochs=1",
    "training.patience=100000",
    "training.validate_every=100000",
    "training.learning_rate=0.003",
    "training.clips.batch=8",
    "training.clips.test_clips=2",
)
SHAPES_BUDGET = ("backbone.design.short_side=64", "frames.short_side=64")  # the size that moving shapes have
# What some need to learn at all, or within the time of the others.
SUITED = {
    "cnn_lstm": ("training.learning_rate=0.006",),
    "c3d": ("backbone.design.width=8", "training.learning_rate=0.001"),  # without batch norms; an eighth as wide
    "timesformer": ("backbone.design.width=64", "training.learning_rate=0.001"),
}

_DESIGN = "backbone.design."


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of one backbone trained on one data set."""

    data: str
    name: str
    accuracy: float  # share of the validation actions
    class_accuracy: float  # mean over classes
    chance: float  # accuracy of a guess, all classes being equally likely
    epochs: int
    train_s: float
    training_actions: int
    validation_actions: int
    model: str  # path
    settings_hash: str  # of all that determines the accuracy


def config_of(name: str, overrides: Iterable[str]) -> Config:
    """A family's config, or the default one with that backbone; and of designs what it knows. Raises ConfigError."""
    ready, design = f"families/{name}", backbones.settings_of(name)
    own = [one for one in overrides if _is_of(design, one)]
    if ready in ready_made():
        return load_config(ready, own)
    return load_config(DEFAULT_CONFIG, [f"backbone.name={name}", *own])


def _is_of(design: Iterable[str], override: str) -> bool:
    key = override.partition("=")[0].strip()
    field = key.removeprefix(_DESIGN)
    return not key.startswith(_DESIGN) or field in design or field not in DesignSettings.model_fields


def trainable(config: Config) -> Config:
    """Resolved. Raises ConfigError for a network that cannot learn from clips."""
    config = resolve_features(config)
    name = config.backbone.name
    if backbones.outline(name, **config.backbone.design.given).head is None:
        raise ConfigError(f"{name} classifies boxes only, so it cannot learn from clips")
    return config


def splits_of(config: Config, annotations: Annotations, videos: Mapping[str, Video]) -> ClipSplits:
    """By a config's rule. Raises StopRun if one split has nothing."""
    training, validation, _ = split(annotations, config.training.split, seed=config.training.seed)
    shuffle_seed = config.training.seed if config.training.shuffle_labels else None
    return clip_splits(training, validation, videos, shuffle_seed=shuffle_seed)


def settings_hash(config: Config, splits: ClipSplits) -> str:
    """Of all that determines what a training comes to."""
    document = config.model_dump(mode="json", include={"backbone", "frames", "training"})
    document["training"]["clips"].pop("memory_gb")
    actions = [
        [(one.video.fingerprint, one.start_s, one.stop_s, one.label) for one in part]
        for part in (splits.training, splits.validation)
    ]
    text = json.dumps([document, splits.class_names, actions], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def train_one(
    config: Config, splits: ClipSplits, folder: Path, *, data: str, device: str, told: Told, source: str
) -> Outcome:
    """By a trainable config; goes on where it was stopped. The model is in the folder. Raises ConfigError, StopRun."""
    name, by = config.backbone.name, settings_hash(config, splits)
    place = Place(folder / data / f"{name}-{by}.pt")
    came = train_backbone(config, splits, place, device=device, told=told, source=source)
    return Outcome(
        data=data,
        name=name,
        accuracy=came.accuracy.top1,
        class_accuracy=came.accuracy.class_mean,
        chance=1 / len(splits.class_names),
        epochs=came.state.epoch,
        train_s=sum(row["seconds"] for row in came.state.history),
        training_actions=len(splits.training),
        validation_actions=len(splits.validation),
        model=str(place.model),
        settings_hash=by,
    )

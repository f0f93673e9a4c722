"""Training of a backbone on clips: from annotated spans and videos to a network in one file."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from commands.annotated_videos import annotated_sources, probed
from commands.console import console, errors
from commands.fetching import fetch
from commands.notices import count, print_line, say_notice

if TYPE_CHECKING:
    from annotations.records import Annotations
    from pipeline.settings import Config
    from training.clips import ClipSplits
    from training.place import Place
    from training.train_backbone import BackboneTraining

MANY = 200  # actions that take a while to look at


def train_backbone(
    settings: "Config", config_name: str, annotations: Path, out: Path, videos: list[str] | None
) -> None:
    """Raises AnnotationError and ConfigError before any work, StopRun during it."""
    from annotations.read import read_annotations

    _check(settings, videos)
    ground_truth = read_annotations(annotations)

    from training.place import Place

    settings = _resolved(settings)
    splits = _splits(settings, ground_truth, videos or [])
    for notice in splits.notices:
        say_notice(notice)
    place = Place(out)
    outcome = _train(settings, splits, place, annotations)
    _tell(outcome, splits, place, config_name)


def _check(settings: "Config", videos: list[str] | None) -> None:
    from pipeline.config import ConfigError

    if settings.training.features is not None or settings.training.finetune.epochs:
        raise ConfigError(
            "training.features and training.finetune are of localizers; how much of a backbone learns from clips is "
            "training.clips.blocks"
        )
    if not videos:
        raise ConfigError("--videos is missing: where are they?")


def _resolved(settings: "Config") -> "Config":
    """Without people, whom it does not need; where no weights are published it begins at random."""
    from detectors import backbones, weights
    from pipeline.config import ConfigError
    from pipeline.person_settings import PersonSettings
    from stages.build import resolve_features

    backbone = settings.backbone
    if backbone.weights == "auto" and not backbones.PUBLISHED.get(backbone.name, ("unknown",)):
        backbone = backbone.model_copy(update={"weights": weights.RANDOM})
    settings = resolve_features(settings.model_copy(update={"backbone": backbone, "persons": PersonSettings()}))
    name, design = settings.backbone.name, settings.backbone.design.given
    if backbones.outline(name, **design).head is None:
        raise ConfigError(f"backbone.name: {name} classifies boxes only, so it cannot learn from clips; choose another")
    if settings.backbone.weights in weights.WEIGHTS:
        fetch(settings.backbone.weights)
    return settings


def _splits(settings: "Config", ground_truth: "Annotations", videos: list[str]) -> "ClipSplits":
    from detectors import backbones
    from training.clip_footage import ClipReader, problems, without
    from training.clips import clip_splits
    from training.collect import split

    training, validation, how = split(ground_truth, settings.training.split, seed=settings.training.seed)
    opened = probed(annotated_sources(ground_truth.spans.videos, videos))
    shuffle_seed = settings.training.seed if settings.training.shuffle_labels else None
    splits = clip_splits(training, validation, opened, shuffle_seed=shuffle_seed)
    contract = backbones.outline(settings.backbone.name, **settings.backbone.design.given).contract
    actions = (*splits.training, *splits.validation)
    looked_at = problems(ClipReader(settings, contract), actions)
    splits = without(splits, _watched(looked_at, len(actions)))
    print_line(
        f"{count(len(splits.training), 'action')} to train on, {len(splits.validation)} to validate on (by {how}); "
        f"{len(splits.class_names)} classes; clips of {contract.clip_frames} frames, "
        f"{contract.clip_frames / settings.frames.sampled.rate:.2g} s"
    )
    return splits


def _watched(looked_at: "Iterable[str | None]", total: int) -> "Iterable[str | None]":
    from rich.progress import track

    hidden = total < MANY or not errors.is_terminal
    return track(looked_at, "look at each action", total, console=errors, transient=True, disable=hidden)


def _train(settings: "Config", splits: "ClipSplits", place: "Place", annotations: Path) -> "BackboneTraining":
    import torch

    from reports.training import TrainingProgress, plot_curve, write_metrics
    from stages.features import used_device
    from training.loop import Told
    from training.train_backbone import train_backbone as run

    if settings.engine.threads != "auto":
        torch.set_num_threads(settings.engine.threads)
    with TrainingProgress(console, settings.training.epochs) as progress:
        outcome = run(
            settings,
            splits,
            place,
            device=used_device(settings.engine.device),
            told=Told(progress.step, progress.epoch),
            source=str(annotations),
        )
    write_metrics(outcome.state.history, place.metrics)
    plot_curve(outcome.state.history, outcome.state.chosen.epoch, place.curve)
    return outcome


def _tell(outcome: "BackboneTraining", splits: "ClipSplits", place: "Place", config_name: str) -> None:
    from reports.training import accuracy_table, class_table

    state = outcome.state
    print_line(f"kept: epoch {state.chosen.epoch} of {state.epoch}; of the validation actions, in percent")
    console.print(accuracy_table(outcome.accuracy))
    console.print(class_table(outcome.accuracy, splits.class_names))
    print_line(f"backbone: {place.model}; metrics, curve and what was found in the validation actions: {place.folder}")
    use = f"--config {config_name} --set backbone.weights={place.model}"
    print_line(f"go on with: uv run run.py detect VIDEOS --out results {use}")

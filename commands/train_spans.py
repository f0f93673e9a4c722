"""Training of a localizer: from annotated spans and videos to a detector in one file."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from commands.annotated_videos import annotated_sources, extracted_from, features_of
from commands.console import console
from commands.notices import print_line, say_notice
from commands.options import Engine

if TYPE_CHECKING:
    from annotations.records import Annotations
    from pipeline.settings import Config
    from training.collect import Splits, VideoFeatures
    from training.place import Place
    from training.state import TrainingState


def train_spans(
    settings: "Config",
    annotations: Path,
    out: Path,
    videos: list[str] | None,
    *,
    engine: Engine,
    address: str | None,
) -> None:
    """Raises AnnotationError and ConfigError before any work, StopRun during it."""
    from annotations.read import read_annotations

    _check(settings, videos)
    ground_truth = read_annotations(annotations)

    from stages.build import resolve_features  # only now: torch takes seconds, and a typo needs none
    from training.collect import collect, split
    from training.place import Place

    settings = resolve_features(settings)
    training, validation, how = split(ground_truth, settings.training.split, seed=settings.training.seed)
    print_line(
        f"{len(training.spans)} actions in {len(training.spans.videos)} videos to train on, "
        f"{len(validation.spans)} in {len(validation.spans.videos)} to validate on (by {how}); "
        f"{len(ground_truth.spans.labels)} classes"
    )
    features = _features(settings, ground_truth, videos or [], engine, address)
    shuffle_seed = settings.training.seed if settings.training.shuffle_labels else None
    splits = collect(training, validation, features, shuffle_seed=shuffle_seed)
    for notice in splits.notices:
        say_notice(notice)
    place = Place(out)
    state = _train(settings, splits, place, annotations)
    _tell(state, place)
    if settings.training.finetune.epochs:
        _finetune(settings, splits, place, engine, address)
    print_line(f"go on with: uv run run.py detect VIDEOS --out results --set localizer.weights={place.model}")


def _check(settings: "Config", videos: list[str] | None) -> None:
    from detectors.temporal.networks import NETWORKS
    from pipeline.config import ConfigError

    name = settings.localizer.name
    if name not in NETWORKS:
        raise ConfigError(f"localizer.name: {name} is not trained; one of: {', '.join(sorted(NETWORKS))}")
    if settings.localizer.weights is not None:
        raise ConfigError("localizer.weights: a training begins with no weights; leave it out")
    if settings.training.features is None and not videos:
        raise ConfigError("--videos is missing: where are they? (or features made elsewhere: training.features)")


def _features(
    settings: "Config", ground_truth: "Annotations", videos: list[str], engine: Engine, address: str | None
) -> "dict[str, VideoFeatures]":
    """Of the annotated videos, from a folder of arrays or from the cache, which is filled first."""
    from training.collect import usable
    from training.feature_folder import features_in_folder

    names = ground_truth.spans.videos
    if settings.training.features is not None:
        return features_in_folder(settings.training.features, names, ground_truth.durations_s)
    return usable(features_of(annotated_sources(names, videos), settings, engine, address))


def _train(settings: "Config", splits: "Splits", place: "Place", annotations: Path) -> "TrainingState":
    import torch

    from detectors import weights
    from reports.training import TrainingProgress, plot_curve, write_metrics
    from stages.features import used_device
    from training.loop import Told
    from training.train import train as run

    if settings.engine.threads != "auto":
        torch.set_num_threads(settings.engine.threads)
    progress = TrainingProgress(console, settings.training.epochs)
    with progress:
        state = run(
            settings,
            splits,
            place,
            backbone_digest=None if settings.training.features else weights.digest(settings.backbone.weights),
            device=used_device(settings.engine.device),
            told=Told(progress.step, progress.epoch),
            source=str(annotations),
        )
    write_metrics(state.history, place.metrics)
    plot_curve(state.history, state.chosen.epoch, place.curve)
    return state


def _tell(state: "TrainingState", place: "Place") -> None:
    from reports.training import map_of_epoch

    print_line(f"kept: epoch {state.chosen.epoch} of {state.epoch}; on the validation videos")
    console.print(map_of_epoch(state.history, state.chosen.epoch))
    print_line(f"detector: {place.model}; metrics, curve and what was found in the validation videos: {place.folder}")


def _finetune(settings: "Config", splits: "Splits", place: "Place", engine: Engine, address: str | None) -> None:
    from pipeline.extract import Extracted
    from pipeline.records import Source
    from reports.training import TrainingProgress
    from stages.build import build_feature_stages
    from stages.features import used_device
    from training.loop import Told
    from training.tuned import keep_better, tune

    tuning, device = settings.training.finetune, used_device(settings.engine.device)
    print_line(f"fine-tuning: the detector and the last {tuning.blocks} blocks of the backbone, {tuning.epochs} epochs")
    if device == "cpu":
        say_notice("training.finetune: without a GPU this is slow, hours rather than minutes")
    lengths_s = [stop - start for video in splits.training for start, stop in video.spans_s_G2.tolist()]
    if too_long := sum(length_s > tuning.stretch_s for length_s in lengths_s):
        say_notice(
            f"training.finetune.stretch_s: {too_long} of {len(lengths_s)} actions are longer and never seen whole; "
            "those not half seen count as background"
        )

    def extract(sources: Sequence[Source], tuned: "Config") -> list[Extracted]:
        return extracted_from(sources, tuned, engine, address)

    with TrainingProgress(console, tuning.epochs) as progress:
        told = Told(progress.step, progress.epoch)
        tuned = tune(settings, splits, place, build_feature_stages(settings), device=device, told=told)
    outcome = keep_better(settings, splits, place, tuned, device=device, extract=extract)
    change = f"validation mAP {100 * outcome.before:.1f} before, {100 * outcome.after:.1f} fine-tuned"
    if outcome.kept:
        print_line(f"kept: the fine-tuned detector and its backbone, {place.backbone} ({change})")
    else:
        print_line(f"not kept: fine-tuning made it worse, so detector and backbone stay as they were ({change})")

"""Training of a head that tells what people do: from boxes with actions, as AVA has them, to a head in one file."""

from pathlib import Path
from typing import TYPE_CHECKING

from commands.action_classes import action_classes, say_other_labels
from commands.annotated_videos import annotated_sources, features_of
from commands.console import console
from commands.notices import count, listed, print_line, say_notice
from commands.options import Engine

if TYPE_CHECKING:
    from annotations.action_classes import ActionClasses
    from annotations.records import LabelledBoxes
    from pipeline.settings import Config
    from training.people import PeopleSplits
    from training.person_head import HeadTraining
    from training.place import Place


def train_persons(
    settings: "Config",
    annotations: Path,
    validation: Path | None,
    classes: Path | None,
    out: Path,
    videos: list[str] | None,
    *,
    engine: Engine,
    address: str | None,
) -> None:
    """Raises AnnotationError and ConfigError before any work, StopRun during it."""
    _check(settings, videos)
    known = action_classes(classes)
    rows = _annotated(annotations, known, settings.persons.rate)

    from annotations.person_boxes import write_person_boxes
    from stages.build import resolve_features
    from training.people import collect_people, split_people
    from training.place import Place

    settings, split = resolve_features(settings), settings.training.split
    if validation is None:
        training, judged = split_people(rows, split.fraction, seed=settings.training.seed)
    else:
        training, judged = rows, _annotated(validation, known, settings.persons.rate)
        _refuse_shared(training, judged, validation)
    names = dict.fromkeys(video for boxes in (training, judged) for video, _ in boxes.frames)
    sources = annotated_sources(names, videos or [])
    place = Place(out)
    boxes = place.folder / "boxes.parquet"
    write_person_boxes(boxes, [training, judged], {name: source.key for name, source in sources.items()})
    settings = _with_boxes(settings, boxes)
    extracted = features_of(sources, settings, engine, address)
    splits = collect_people(
        training,
        judged,
        extracted,
        known.names,
        rate=settings.persons.rate,
        shuffle_seed=settings.training.seed if settings.training.shuffle_labels else None,
    )
    _say_splits(splits)
    outcome = _train(settings, splits, place, annotations, validation)
    _tell(outcome, place, known)


def _check(settings: "Config", videos: list[str] | None) -> None:
    from pipeline.config import ConfigError

    if settings.persons.actions.weights is not None:
        raise ConfigError("persons.actions.weights: a training begins with no weights; leave it out")
    if settings.persons.detector.boxes is not None:
        raise ConfigError("persons.detector.boxes: people are those of --annotations; leave it out")
    if settings.training.features is not None or settings.training.finetune.epochs:
        raise ConfigError("training.features and training.finetune are of localizers; a head of people has neither")
    if not videos:
        raise ConfigError("--videos is missing: where are they?")


def _annotated(path: Path, known: "ActionClasses", rate: float) -> "LabelledBoxes":
    """Rows of known classes, all of them on key frames."""
    from annotations.action_classes import of_classes
    from annotations.ava import read_boxes
    from annotations.errors import AnnotationError
    from annotations.person_boxes import read_person_boxes
    from stages.box_file import check_times

    boxes, other = of_classes(read_boxes(path, scores=False), known)
    say_other_labels(other, known, "annotated row")
    if not len(boxes):
        raise AnnotationError(f"{path}: no row is of a class of {known.source}; --classes FILE names other classes")
    check_times(read_person_boxes(path), path, rate)
    return boxes


def _refuse_shared(training: "LabelledBoxes", validation: "LabelledBoxes", path: Path) -> None:
    from annotations.errors import AnnotationError

    shared = sorted({video for video, _ in training.frames} & {video for video, _ in validation.frames})
    if shared:
        raise AnnotationError(f"{path}: {listed(shared)} to train on and to validate on; a video must be one or other")


def _with_boxes(settings: "Config", path: Path) -> "Config":
    """The people in a file are looked at, instead of people found; the full path means the same on every worker."""
    detector = settings.persons.detector.model_copy(update={"boxes": str(path.resolve())})
    return settings.model_copy(update={"persons": settings.persons.model_copy(update={"detector": detector})})


def _say_splits(splits: "PeopleSplits") -> None:
    for notice in splits.notices:
        say_notice(notice)
    sides = [
        f"{count(len(people), 'person', 'people')} on {count(len(people.frames), 'key frame')}"
        for people in (splits.training, splits.validation)
    ]
    classes = count(len(splits.class_ids), "class", "classes")
    print_line(f"{sides[0]} to train on, {sides[1]} to validate on; {classes}: {listed(splits.class_names)}")


def _train(
    settings: "Config", splits: "PeopleSplits", place: "Place", annotations: Path, validation: Path | None
) -> "HeadTraining":
    import torch

    from detectors import weights
    from reports.training import TrainingProgress, plot_curve, write_metrics
    from stages.features import used_device
    from training.loop import Told
    from training.person_head import train_head

    if settings.engine.threads != "auto":
        torch.set_num_threads(settings.engine.threads)
    with TrainingProgress(console, settings.training.epochs) as progress:
        outcome = train_head(
            settings,
            splits,
            place,
            backbone_digest=weights.digest(settings.backbone.weights),
            device=used_device(settings.engine.device),
            told=Told(progress.step, progress.epoch),
            provenance={"annotations": str(annotations), "validation": None if validation is None else str(validation)},
        )
    write_metrics(outcome.state.history, place.metrics)
    plot_curve(outcome.state.history, outcome.state.chosen.epoch, place.curve)
    return outcome


def _tell(outcome: "HeadTraining", place: "Place", known: "ActionClasses") -> None:
    from reports.evaluation import people_map_table

    state = outcome.state
    print_line(f"kept: epoch {state.chosen.epoch} of {state.epoch}; on the annotated people of the validation videos")
    console.print(people_map_table(outcome.judged, None, known.names), highlight=False)
    print_line(f"head: {place.model}; metrics, curve and what people of the validation videos do: {place.folder}")
    use = f"--config persons --set persons.actions.weights={place.model}"
    print_line(f"go on with: uv run run.py detect VIDEOS --out results {use}")

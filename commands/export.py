"""The command `export`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands.action_classes import ClassesFile, action_classes, say_other_labels
from commands.notices import count, listed, print_line, say_notice
from commands.plain_errors import plain_errors

if TYPE_CHECKING:
    from annotations.action_classes import ActionClasses
    from annotations.records import Annotations, LabelledBoxes, LabelledSpans

# Suffixes that tell a reader the form; any other is told by content.
SUFFIXES = {"activitynet": (".json",), "thumos": (), "table": (".csv", ".tsv", ".parquet"), "ava": (".csv",)}


def export(
    path: Annotated[Path, typer.Argument(help="A results folder, or predictions in any form that evaluate takes.")],
    to: Annotated[str, typer.Option(metavar="FORM", help="activitynet, thumos, table or ava.")],
    out: Annotated[Path, typer.Option(help="The file to write: .json, .txt, .csv, or .parquet for a table.")],
    annotations: Annotated[
        bool, typer.Option("--annotations", help="PATH holds annotations (ground truth) rather than predictions.")
    ] = False,
    classes: ClassesFile = None,
    person_ids: Annotated[
        bool, typer.Option("--person-ids", help="For ava: end the rows of a folder with track_id.")
    ] = False,
) -> None:
    """Convert predictions, or annotations, from one form into another, and back.

    What PATH holds is told by its content. The forms to write:

    activitynet: the challenge's JSON.

    table: CSV, or Parquet if OUT ends so.

    thumos: rows of text, and classes.txt beside them with the numbers of classes; a classes.txt there keeps its own.

    thumos with --annotations: one file if OUT ends in .txt, else a folder of <Class>_<subset>.txt.

    ava: CSV of boxes, from such a CSV or from a results folder with people. The official evaluation refuses rows with
    --person-ids.
    """
    with plain_errors():
        _check_options(to, out, classes, person_ids=person_ids)
        if to == "ava":
            _export_boxes(path, out, classes, annotations=annotations, person_ids=person_ids)
        elif annotations:
            _export_annotations(path, to, out)
        else:
            _export_predictions(path, to, out)


def _check_options(to: str, out: Path, classes: Path | None, *, person_ids: bool) -> None:
    """Raises ConfigError."""
    from pipeline.config import ConfigError

    if to not in SUFFIXES:
        raise ConfigError(f"--to: must be one of {', '.join(SUFFIXES)}, got {to!r}")
    if to != "ava" and (classes is not None or person_ids):
        raise ConfigError(f"--classes and --person-ids are of --to ava; {to} takes neither")
    others = {suffix for suffixes in SUFFIXES.values() for suffix in suffixes} - set(SUFFIXES[to])
    if out.suffix.lower() in others:
        allowed = " or ".join(SUFFIXES[to] or (".txt",))
        raise ConfigError(f"--out: {to} is not kept in a {out.suffix}: give a name that ends in {allowed}")


def _export_predictions(path: Path, to: str, out: Path) -> None:
    from annotations.read import PREDICTION_WRITERS, read_predictions

    found = read_predictions(path)
    PREDICTION_WRITERS[to](found, out)
    silent = _without_spans(found)
    if to == "thumos" and silent:
        number = count(len(silent), "video")
        say_notice(f"this form cannot hold {number} where nothing was found: {listed(silent)}")
    _say_unfinished(path)
    print_line(f"{out}: {count(len(found), 'prediction')} in {count(len(found.videos), 'video')}")


def _say_unfinished(path: Path) -> None:
    from annotations.results_folder import unfinished_videos

    unfinished = unfinished_videos(path) if path.is_dir() else {}
    if unfinished:
        say_notice(f"failed or partial in {path}: {count(len(unfinished), 'video')}: {listed(unfinished)}")


def _export_annotations(path: Path, to: str, out: Path) -> None:
    from annotations.read import ANNOTATION_WRITERS, read_annotations

    annotations = read_annotations(path)
    ANNOTATION_WRITERS[to](annotations, out)
    if to == "thumos":
        _say_lost(annotations, is_one_file=out.suffix.lower() == ".txt")
    instances, videos = len(annotations.spans), len(annotations.spans.videos)
    print_line(f"{out}: {count(instances, 'instance')} in {count(videos, 'video')}")


def _say_lost(annotations: "Annotations", *, is_one_file: bool) -> None:
    """What THUMOS' text has no place for."""
    lost = {
        "durations": any(duration_s is not None for duration_s in annotations.durations_s),
        "subsets": is_one_file and any(subset is not None for subset in annotations.subsets),
        "videos without instances": bool(_without_spans(annotations.spans)),
    }
    if any(lost.values()):
        say_notice(f"this form cannot hold: {', '.join(what for what, is_lost in lost.items() if is_lost)}")


def _without_spans(spans: "LabelledSpans") -> list[str]:
    with_spans = set(spans.video_N.tolist())
    return [name for number, name in enumerate(spans.videos) if number not in with_spans]


def _export_boxes(path: Path, out: Path, classes: Path | None, *, annotations: bool, person_ids: bool) -> None:
    known = action_classes(classes)
    if path.is_dir() and not annotations:
        boxes = _write_people(path, out, known, person_ids=person_ids)
    else:
        boxes = _copy_boxes(path, out, known, annotations=annotations)
    print_line(f"{out}: {count(len(boxes), 'row')} on {count(len(boxes.frames), 'key frame')}")


def _write_people(folder: Path, out: Path, known: "ActionClasses", *, person_ids: bool) -> "LabelledBoxes":
    from annotations.ava import write_ava
    from annotations.results_people import read_people

    found = read_people(folder, known)
    write_ava(found.boxes, out, person_ids=person_ids)
    say_other_labels(found.other_labels, known, "prediction")
    _say_unfinished(folder)
    return found.boxes


def _copy_boxes(path: Path, out: Path, known: "ActionClasses", *, annotations: bool) -> "LabelledBoxes":
    """The rows as they are, with their person ids."""
    from annotations.action_classes import of_classes
    from annotations.ava import read_boxes
    from annotations.files import read_text, write_text

    boxes = read_boxes(path, scores=not annotations)
    write_text(out, read_text(path, may_be_empty=True))
    if known.is_given:
        say_other_labels(of_classes(boxes, known)[1], known, "row", fate="copied all the same")
    return boxes

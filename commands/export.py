"""The command `export`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands.evaluate_boxes import action_ids
from commands.notices import count, listed, print_line, say_notice
from commands.plain_errors import plain_errors

if TYPE_CHECKING:
    from annotations.records import Annotations, LabelledSpans

# Suffixes that tell a reader the form; any other is told by content.
SUFFIXES = {"activitynet": (".json",), "thumos": (), "table": (".csv", ".tsv", ".parquet"), "ava": (".csv",)}


def export(
    path: Annotated[Path, typer.Argument(help="A results folder, or predictions in any form that evaluate takes.")],
    to: Annotated[str, typer.Option(metavar="FORM", help="activitynet, thumos, table or ava.")],
    out: Annotated[Path, typer.Option(help="The file to write: .json, .txt, .csv, or .parquet for a table.")],
    annotations: Annotated[
        bool, typer.Option("--annotations", help="PATH holds annotations (ground truth) rather than predictions.")
    ] = False,
) -> None:
    """Convert predictions, or annotations, from one form into another, and back.

    What PATH holds is told by its content. The forms to write:

    activitynet: the challenge's JSON.

    table: CSV, or Parquet if OUT ends so.

    thumos: rows of text, and classes.txt beside them with the numbers of classes; a classes.txt there keeps its own.

    thumos with --annotations: one file if OUT ends in .txt, else a folder of <Class>_<subset>.txt.

    ava: CSV of boxes, from such a CSV or from a results folder with people.
    """
    with plain_errors():
        _check_options(to, out)
        if to == "ava":
            _export_boxes(path, out, annotations=annotations)
        elif annotations:
            _export_annotations(path, to, out)
        else:
            _export_predictions(path, to, out)


def _check_options(to: str, out: Path) -> None:
    """Raises ConfigError."""
    from pipeline.config import ConfigError

    if to not in SUFFIXES:
        raise ConfigError(f"--to: must be one of {', '.join(SUFFIXES)}, got {to!r}")
    others = {suffix for suffixes in SUFFIXES.values() for suffix in suffixes} - set(SUFFIXES[to])
    if out.suffix.lower() in others:
        allowed = " or ".join(SUFFIXES[to] or (".txt",))
        raise ConfigError(f"--out: {to} is not kept in a {out.suffix}: give a name that ends in {allowed}")


def _export_predictions(path: Path, to: str, out: Path) -> None:
    from annotations.read import PREDICTION_WRITERS, read_predictions
    from annotations.results_folder import unfinished_videos

    found = read_predictions(path)
    PREDICTION_WRITERS[to](found, out)
    silent = _without_spans(found)
    if to == "thumos" and silent:
        number = count(len(silent), "video")
        say_notice(f"this form cannot hold {number} where nothing was found: {listed(silent)}")
    unfinished = unfinished_videos(path) if path.is_dir() else {}
    if unfinished:
        say_notice(f"failed or partial in {path}: {count(len(unfinished), 'video')}: {listed(unfinished)}")
    print_line(f"{out}: {count(len(found), 'prediction')} in {count(len(found.videos), 'video')}")


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


def _export_boxes(path: Path, out: Path, *, annotations: bool) -> None:
    from annotations.ava import read_boxes, write_ava
    from annotations.files import read_text, write_text
    from annotations.results_folder import read_persons

    if path.is_dir() and not annotations:
        boxes = read_persons(path, action_ids())
        write_ava(boxes, out)
    else:
        boxes = read_boxes(path, scores=not annotations)
        write_text(out, read_text(path, may_be_empty=True))  # the rows as they are, with their person ids
    print_line(f"{out}: {count(len(boxes), 'row')} on {count(len(boxes.frames), 'key frame')}")

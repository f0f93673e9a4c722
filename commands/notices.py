"""What a command prints plainly: its output, and in a line each, beside it, what it leaves out or misses."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.markup import escape

from commands.console import console, errors

if TYPE_CHECKING:
    from evaluation.matching import LeftOut

MOST_NAMES = 20


def say_notice(text: str) -> None:
    """One line, however wide the terminal, on stderr."""
    errors.print(escape(text), style="yellow", highlight=False, soft_wrap=True)


def count(number: int, what: str, several: str | None = None) -> str:
    """1 video, 2 videos."""
    return f"{number:,} {what if number == 1 else several or f'{what}s'}"


def listed(names: Iterable[object]) -> str:
    """The first names, quoted, and how many more there are."""
    from annotations.values import shown

    every = list(names)
    more = [f"and {len(every) - MOST_NAMES:,} more"] if len(every) > MOST_NAMES else []
    return ", ".join([*map(shown, every[:MOST_NAMES]), *more])


def say_left_out(left_out: "LeftOut", annotations: Path, videos: str) -> None:
    """Predictions that count nowhere; `videos` says which videos count."""
    if left_out.videos:
        number = count(sum(left_out.videos.values()), "prediction")
        others = count(len(left_out.videos), "video")
        say_notice(f"left out: {number} on {others} that {videos} does not list: {listed(left_out.videos)}")
    if left_out.labels:
        number = count(sum(left_out.labels.values()), "prediction")
        say_notice(f"left out: {number} with labels that {annotations} does not know: {listed(left_out.labels)}")


def say_missing(annotated: Iterable[str], found: Iterable[str], predictions: Path, key_of: Mapping[str, str]) -> None:
    """Annotated videos that the predictions do not name, and those that a run of ours did not get through.

    `key_of`: the annotations' names by those of the predictions. Raises AnnotationError.
    """
    annotated, named = list(annotated), set(found)
    missing = [name for name in annotated if name not in named]
    if missing:
        number = count(len(missing), "annotated video")
        say_notice(f"missed: {number} not among the predictions: {listed(missing)}")
    status_of = _unfinished(predictions, key_of)
    for status in ("failed", "partial"):
        names = [name for name in annotated if status_of.get(name) == status]
        if names:
            number = count(len(names), f"{status} video")
            say_notice(f"missed: what was not seen of {number} in {predictions}: {listed(names)}")


def _unfinished(predictions: Path, key_of: Mapping[str, str]) -> dict[str, str]:
    """Of the videos that a results folder holds in part or not at all, by their names in the annotations."""
    from annotations.results_folder import unfinished_videos

    status_of = unfinished_videos(predictions) if predictions.is_dir() else {}
    return {key_of[name]: status for name, status in status_of.items() if name in key_of}


def print_json(document: Mapping[str, Any]) -> None:
    """One object and nothing else, in ASCII, which every terminal and pipe takes."""
    typer.echo(json.dumps(document, allow_nan=False))


def print_line(text: str) -> None:
    """As it is, however wide the terminal, on stdout."""
    console.print(escape(text), highlight=False, soft_wrap=True)

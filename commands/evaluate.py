"""The command `evaluate`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from commands.action_classes import ClassesFile
from commands.evaluate_boxes import evaluate_boxes
from commands.evaluate_spans import evaluate_spans
from commands.plain_errors import plain_errors

AVA = "ava"
PICTURES = (".png", ".svg", ".pdf")


def evaluate(
    predictions: Annotated[
        Path, typer.Option(help="A results folder, ActivityNet's results JSON, THUMOS' text, a table, or AVA's CSV.")
    ],
    annotations: Annotated[
        Path, typer.Option(help="Ground truth: ActivityNet's JSON, THUMOS' folder or text, a table, or AVA's CSV.")
    ],
    protocol: Annotated[str, typer.Option(metavar="NAME", help="activitynet, thumos or ava.")],
    subset: Annotated[str | None, typer.Option(help="Of the annotations only the videos of this subset count.")] = None,
    tiou: Annotated[list[float] | None, typer.Option(help="A threshold instead of the protocol's; repeat it.")] = None,
    classes: ClassesFile = None,
    json_: Annotated[bool, typer.Option("--json", help="Print the figures as one JSON object, 0..1.")] = False,
    plot: Annotated[Path | None, typer.Option(help="Draw what errors are made of: FILE.png, .svg or .pdf.")] = None,
) -> None:
    """Measure predictions against annotations: mAP, AR@AN, and what the errors are made of.

    Protocol ava is frame-mAP and, of a results folder against annotations with person_id, video-mAP of tubes.

    Videos are matched by name, with or without folders and suffix. What is left out is told on stderr.
    """
    with plain_errors():
        tious = _checked_options(protocol, subset, tiou or (), plot, classes)
        if protocol == AVA:
            evaluate_boxes(predictions, annotations, classes, as_json=json_)
        else:
            evaluate_spans(predictions, annotations, protocol, subset, tious, as_json=json_, plot=plot)


def _checked_options(
    protocol: str, subset: str | None, tiou: Sequence[float], plot: Path | None, classes: Path | None
) -> tuple[float, ...]:
    """The thresholds. Raises ConfigError for options that cannot be."""
    from evaluation.matching import checked_tious
    from evaluation.temporal import PROTOCOLS
    from pipeline.config import ConfigError

    protocols = (*PROTOCOLS, AVA)
    if protocol not in protocols:
        raise ConfigError(f"--protocol: must be one of {', '.join(protocols)}, got {protocol!r}")
    if plot is not None and plot.suffix.lower() not in PICTURES:
        raise ConfigError(f"--plot: must end in {', '.join(PICTURES[:-1])} or {PICTURES[-1]}, got {str(plot)!r}")
    if protocol == AVA:
        if subset is not None or tiou or plot is not None:
            raise ConfigError("--subset, --tiou and --plot are of spans; protocol ava takes none of them")
        return ()
    if classes is not None:
        raise ConfigError(f"--classes: is of protocol ava alone; {protocol} takes the labels of its annotations")
    try:
        return tuple(checked_tious(tiou or PROTOCOLS[protocol]).tolist())
    except ValueError as error:
        raise ConfigError(f"--tiou: {error}") from None

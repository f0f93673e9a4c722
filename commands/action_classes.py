"""The classes of people's actions, AVA's or a user's own, and what is said of labels that are none of them."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands.notices import count, listed, say_notice

if TYPE_CHECKING:
    from annotations.action_classes import ActionClasses

ClassesFile = Annotated[
    Path | None,
    typer.Option("--classes", metavar="FILE", help="Classes other than AVA's: a CSV id,name, or AVA's .pbtxt."),
]


def action_classes(file: Path | None) -> "ActionClasses":
    """The file's, or AVA's 80 of which its challenge evaluates 60. Raises AnnotationError."""
    from annotations.action_classes import ActionClasses, read_action_classes
    from detectors.backbones.class_names import ava  # only when asked for: torch takes seconds
    from evaluation.ava import EVALUATED_ACTIONS

    if file is not None:
        return read_action_classes(file)
    return ActionClasses(dict(enumerate(ava(), start=1)), EVALUATED_ACTIONS, "AVA", is_given=False)


def say_other_labels(other: Mapping[str, int], known: "ActionClasses", what: str, *, fate: str = "left out") -> None:
    """`other`: how many rows, each a `what`, have a label or number that is no class."""
    if other:
        cure = "" if known.is_given else "; --classes FILE names other classes"
        number = count(sum(other.values()), what)
        say_notice(f"{fate}: {number} with labels that {known.source} does not know: {listed(other)}{cure}")

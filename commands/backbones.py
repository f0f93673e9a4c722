"""The command `backbones`."""

from collections.abc import Iterable
from typing import Annotated

import typer

from commands.console import console, errors
from commands.plain_errors import plain_errors


def backbones(names: Annotated[list[str] | None, typer.Argument(help="All of them if none is given.")] = None) -> None:
    """What each backbone costs, how much of time it sees, and which weights there are for it."""
    from rich.progress import track

    from detectors.backbones import BACKBONES
    from detectors.inference.cost import cost_of
    from reports.backbones import COST_NOTES, cost_table, weights_table

    with plain_errors():
        check_backbones(names or ())
        chosen = names or list(BACKBONES)
        counted = track(chosen, "count", console=errors, transient=True, disable=not errors.is_terminal)
        console.print(cost_table([(name, cost_of(name)) for name in counted]))
        console.print(COST_NOTES, highlight=False)
        console.print(weights_table(chosen))


def check_backbones(names: Iterable[str], *, dense_only: bool = False) -> None:
    """Raises ConfigError for a name that there is not, or, with `dense_only`, that has no dense form."""
    from detectors.backbones import BACKBONES, outline
    from pipeline.config import ConfigError

    for name in names:
        if name not in BACKBONES:
            raise ConfigError(f"no backbone {name!r}; one of: {', '.join(sorted(BACKBONES))}")
        if dense_only and not outline(name).contract.dense:
            raise ConfigError(f"{name} sees whole clips only: it has no dense form to be measured beside")

"""The command `compact`."""

from pathlib import Path
from typing import Annotated

import typer

from commands.console import console
from commands.notices import count, print_line
from commands.plain_errors import plain_errors


def compact(results: Annotated[Path, typer.Argument(help="Folder of the tables that a run wrote, its --out.")]) -> None:
    """Join small parts into large ones: a table of 100,000 videos in a dozen files. Nothing is lost, runs go on."""
    from rich.progress import Progress

    from pipeline.compact import compact as join
    from pipeline.parts import finished_parts
    from pipeline.results import ResultsFolder

    with plain_errors():
        finished_parts(results)  # a folder without tables is not locked, but refused
        with Progress(console=console, transient=True, disable=not console.is_terminal) as bars:
            task = bars.add_task("compact", total=None)
            before, after = join(
                ResultsFolder(results), lambda done, total: bars.update(task, completed=done, total=total)
            )
        print_line(f"{results}: {count(before, 'part')} of each table before, {after:,} now")

"""The command `report`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands.console import console
from commands.notices import count, print_line, say_notice
from commands.plain_errors import plain_errors

if TYPE_CHECKING:
    from rich.progress import Progress

    from reports.page.report import Written


def report(
    results: Annotated[Path, typer.Argument(help="Folder of the tables that a run wrote, its --out.")],
    out: Annotated[Path | None, typer.Option(help="The page to write, by default report.html there.")] = None,
    min_score: Annotated[float, typer.Option(help="Leave out less sure actions.", min=0, max=1)] = 0.0,
    pictures: Annotated[bool, typer.Option(help="Show pictures of what was found.")] = True,
) -> None:
    """Write one HTML page of what a run found, to be opened in any browser; also while the run goes on."""
    with plain_errors():
        make_report(results, out, min_score=min_score, has_pictures=pictures)


def make_report(results: Path, out: Path | None = None, *, min_score: float = 0.0, has_pictures: bool = True) -> None:
    """Write it and say where it is. Raises InputError and AnnotationError."""
    from reports.page.report import write_report
    from reports.page.text import size

    out = out or results / "report.html"
    with _bar() as bars:
        task = bars.add_task("pictures", total=None)
        written = write_report(
            results,
            out,
            min_score=min_score,
            has_pictures=has_pictures,
            progress=lambda done, total: bars.update(task, completed=done, total=max(total, 1)),
        )
    _say_refused(written)
    print_line(f"{out}: {size(written.bytes)}, {count(written.videos, 'video')}, {count(written.detections, 'action')}")
    print_line(f"open it in a browser: {out.absolute().as_uri()}")


def _say_refused(written: "Written") -> None:
    for reason, number in sorted(written.refused.items()):
        say_notice(f"no new pictures of {count(number, 'video')}: {reason}")


def _bar() -> "Progress":
    """A bar on a terminal, nothing elsewhere."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = TextColumn("pictures"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)

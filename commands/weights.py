"""The commands `weights list` and `weights fetch`."""

from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from commands.console import console, say_error
from commands.fetching import fetch
from commands.plain_errors import STOPPED, plain_errors


def weights_list() -> None:
    """What there is, and what is in the cache."""
    from urllib.parse import urlsplit

    from detectors import weights

    with plain_errors():
        table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False)
        table.add_column("name", no_wrap=True)
        for column in ("what", "accuracy", "licence"):
            table.add_column(column, overflow="fold")
        table.add_column("MB", justify="right")
        table.add_column("from", overflow="fold")
        table.add_column("cached")
        for name, entry, path in weights.listing():
            size_mb = "-" if entry.size is None else f"{entry.size / 1e6:.0f}"
            source = urlsplit(entry.origin).hostname or entry.origin
            row = (name, entry.description, entry.accuracy or "-", entry.licence, size_mb, source)
            table.add_row(*map(escape, row), "-" if path is None else "yes")
        console.print(table, highlight=False)
        console.print(f"cache folder: {escape(str(weights.cache_folder()))}", highlight=False, soft_wrap=True)


def weights_fetch(
    names: Annotated[list[str] | None, typer.Argument(help="All of them if none is given.")] = None,
) -> None:
    """Bring weights into the cache, for machines that will be offline; goes on after one that cannot be had."""
    from detectors import weights

    with plain_errors():
        failed = False
        for name in names or list(weights.WEIGHTS):
            try:
                console.print(f"{name}: {fetch(name)}", soft_wrap=True)
            except weights.WeightsError as error:
                failed = True
                say_error(error)
    if failed:
        raise typer.Exit(STOPPED)

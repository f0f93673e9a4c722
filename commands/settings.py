"""The command `settings`."""

from typing import Annotated

import typer

from commands.plain_errors import plain_errors


def settings(
    section: Annotated[
        str | None, typer.Argument(metavar="SECTION", help="A part of it, such as localizer.nms or frames.rate.")
    ] = None,
) -> None:
    """Every setting with its default, what it takes and what it is, as Markdown."""
    from reports.settings_reference import settings_reference

    with plain_errors():
        typer.echo(settings_reference(section), nl=False)

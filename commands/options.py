"""Arguments and options that several commands share, and what is read from them."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pipeline.records import Source
    from pipeline.settings import Config


class Engine(StrEnum):
    ray = "ray"
    local = "local"


Inputs = Annotated[list[str], typer.Argument(help="Files, folders, patterns, lists (.txt .csv .parquet) or URIs.")]
ConfigName = Annotated[str, typer.Option("--config", help="A name from configs/, or a YAML file.")]
Overrides = Annotated[list[str] | None, typer.Option("--set", help="Change a setting: section.field=value.")]
Include = Annotated[list[str] | None, typer.Option(help="Only videos whose name matches this pattern.")]
Exclude = Annotated[list[str] | None, typer.Option(help="No videos whose name matches this pattern.")]
Limit = Annotated[int | None, typer.Option(help="At most so many videos.", min=1)]
Out = Annotated[Path, typer.Option(help="Folder of the tables.")]
Where = Annotated[Engine, typer.Option("--engine", help="Ray actors, or this process alone.")]
Address = Annotated[str | None, typer.Option(help="Ray cluster to join.")]


def read_config(name: str, overrides: list[str] | None = None) -> "Config":
    """What --config and --set come to. Raises ConfigError."""
    from pipeline.config import load_config

    return load_config(name, overrides or ())


def read_sources(
    inputs: list[str], include: list[str] | None = None, exclude: list[str] | None = None, limit: int | None = None
) -> "list[Source]":
    """The videos that the inputs name. Raises InputError."""
    from pipeline.sources import list_sources

    return list_sources(inputs, include=include or (), exclude=exclude or (), limit=limit)

"""The command `train`: from annotations and videos to a detector, a head of people, or a backbone, in one file."""

from pathlib import Path
from typing import Annotated

import typer

from commands.action_classes import ClassesFile
from commands.options import Address, Engine, Overrides, Where, read_config
from commands.plain_errors import plain_errors
from commands.train_backbone import train_backbone
from commands.train_persons import train_persons
from commands.train_spans import train_spans

BACKBONE = "backbone"  # instead of a config: the network itself is trained


def train(
    config: Annotated[
        str,
        typer.Argument(
            help="A name from configs/, or a YAML file, whose localizer is trained; persons: a head; "
            "or the word backbone: the network itself, that of --config."
        ),
    ],
    annotations: Annotated[
        Path, typer.Option(help="ActivityNet JSON, THUMOS text or folder, CSV or Parquet; of people AVA's CSV.")
    ],
    out: Annotated[Path, typer.Option(help="The detector's file; a folder NAME.training appears beside it.")],
    videos: Annotated[
        list[str] | None, typer.Option(help="Files, folders, patterns or lists; may be given several times.")
    ] = None,
    validation: Annotated[
        Path | None, typer.Option(help="Of people: annotations of videos that only tell how well it went.")
    ] = None,
    classes: ClassesFile = None,
    backbone_config: Annotated[
        str | None, typer.Option("--config", help="Of train backbone: a name from configs/, or a YAML file.")
    ] = None,
    set_: Overrides = None,
    engine: Where = Engine.ray,
    address: Address = None,
) -> None:
    """Train a detector on your own annotations. The same command again goes on where a training was stopped."""
    with plain_errors():
        from pipeline import DEFAULT_CONFIG
        from pipeline.config import ConfigError
        from pipeline.localizer_settings import OFF

        is_backbone = config == BACKBONE
        if not is_backbone and backbone_config is not None:
            raise ConfigError(
                "--config names what `train backbone` trains; what else is trained stands after train itself"
            )
        name = (backbone_config or DEFAULT_CONFIG) if is_backbone else config
        settings = read_config(name, set_)
        if not is_backbone and settings.localizer.name == OFF and settings.persons.is_on:
            train_persons(settings, annotations, validation, classes, out, videos, engine=engine, address=address)
            return
        if validation is not None or classes is not None:
            raise ConfigError("--validation and --classes are of people; annotations of spans name subsets and labels")
        if is_backbone:
            train_backbone(settings, name, annotations, out, videos)
        else:
            train_spans(settings, annotations, out, videos, engine=engine, address=address)

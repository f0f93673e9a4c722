"""The front door for Python: the main job and what it found. Of the pipeline this alone knows stages and reports."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from pipeline import DEFAULT_CONFIG, detection
from pipeline.config import load_config as load_config
from pipeline.engines import Engine
from pipeline.progress import Progress
from pipeline.settings import Config
from pipeline.sources import list_sources

if TYPE_CHECKING:
    from reports.results import Results


def detect(
    inputs: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    *,
    config: Config | str = DEFAULT_CONFIG,
    engine: Engine = "local",
    address: str | None = None,
    retry_failed: bool = False,
    quiet: bool = False,
) -> "Results":
    """Find actions in videos and write tables to the folder `out`; the same call again goes on where it was stopped.

    `inputs`: files, folders, patterns, lists or URIs, as the command takes them. `config`: from `load_config`, or a
    name. `engine`: "ray" for many cores, GPUs, or with `address` a cluster. Fetches weights that are not there yet.
    Raises InputError, ConfigError and WeightsError before work, StopRun while working; videos that cannot be used are
    rows of `videos` with a status and no exception.
    """
    from detectors import weights
    from stages.build import build_stages, needed_weights, resolve

    given = [inputs] if isinstance(inputs, str | os.PathLike) else inputs
    sources = list_sources([os.fspath(one) for one in given])
    settings = resolve(load_config(config) if isinstance(config, str) else config)
    for name in needed_weights(settings).values():
        weights.resolve(name)
    with Path(os.devnull).open("w") as nowhere:
        progress = Progress(Console(file=nowhere if quiet else None))
        detection.detect(
            sources,
            settings,
            Path(out),
            make_stages=build_stages,
            progress=progress,
            engine=engine,
            address=address,
            retry_failed=retry_failed,
        )
        progress.summary(str(out))
    return open_results(out)


def open_results(folder: str | os.PathLike[str]) -> "Results":
    """What a run wrote to its `out`, also while it goes on. Raises InputError for a folder without tables."""
    from reports.results import Results

    return Results(Path(folder))

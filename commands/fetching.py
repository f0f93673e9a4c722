"""Files that others publish, brought into the cache while a bar shows how far."""

from pathlib import Path
from typing import TYPE_CHECKING

from commands.console import console, errors

if TYPE_CHECKING:
    from pipeline.settings import Config


def fetch(name: str) -> Path:
    """The cached file of these weights or this sample; a download shows its progress. Raises WeightsError."""
    from rich.progress import DownloadColumn, Progress, TransferSpeedColumn

    from detectors import weights

    present = weights.cached(name)
    if present is not None:
        return present
    with Progress(*Progress.get_default_columns(), DownloadColumn(), TransferSpeedColumn(), console=console) as bars:
        task = bars.add_task(f"fetch {name}", total=None)
        return weights.fetch(name, progress=lambda done, total: bars.update(task, completed=done, total=total))


def fetch_for(config: "Config") -> None:
    """What a resolved config needs, if it is to be fetched at all. Raises WeightsError."""
    from detectors import weights
    from stages.build import needed_weights

    for field, name in needed_weights(config).items():
        if name == weights.RANDOM:
            errors.print(f"{field} is random: labels and scores mean nothing", style="yellow")
        elif name in weights.WEIGHTS:
            fetch(name)

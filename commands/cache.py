"""The commands `cache list` and `cache clear`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from commands.console import console
from commands.notices import print_line
from commands.plain_errors import plain_errors

if TYPE_CHECKING:
    from pipeline.cache_upkeep import Amount, Holding
    from pipeline.feature_cache import FeatureCache


def cache_list() -> None:
    """Features that earlier runs kept: by backbone and its settings."""
    from pipeline.cache_upkeep import Amount, holdings

    with plain_errors():
        cache = _cache()
        found, unfinished = holdings(cache)
        table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False)
        for name in ("backbone", "weights", "precision", "frames", "people"):
            table.add_column(name, overflow="fold")
        for name in ("videos", "hours", "size"):
            table.add_column(name, justify="right", no_wrap=True)
        total = Amount()
        for one in found:
            table.add_row(*_setting(one), *_amount(one.amount))
            total.videos += one.amount.videos
            total.seconds += one.amount.seconds
            total.size += one.amount.size
        table.add_row("total", "", "", "", "", *_amount(total))
        console.print(table, highlight=False)
        if unfinished.files:
            print_line(f"and {unfinished.files} files of videos that are not finished, {_size(unfinished.size)}")
        print_line(f"cache folder: {cache.folder}")


def cache_clear(
    older_than: Annotated[float | None, typer.Option(help="Only videos kept so many days ago.", min=0)] = None,
    backbone: Annotated[str | None, typer.Option(help="Only features of this backbone.")] = None,
) -> None:
    """Remove kept features, and files of unfinished videos: those a day old, or all if nothing is chosen."""
    from pipeline.cache_upkeep import clear

    with plain_errors():
        older_than_s = None if older_than is None else older_than * 24 * 3600
        videos, unfinished = clear(_cache(), older_than_s=older_than_s, backbone=backbone)
        print_line(f"removed {videos.videos} videos, {videos.seconds / 3600:.2f} h, {_size(videos.size)}")
        if unfinished.files:
            print_line(f"and {unfinished.files} files of videos that were not finished, {_size(unfinished.size)}")


def _cache() -> "FeatureCache":
    from detectors.weights import cache_folder
    from pipeline.feature_cache import FOLDER, FeatureCache

    return FeatureCache(cache_folder() / FOLDER)


def _setting(one: "Holding") -> tuple[str, str, str, str, str]:
    backbone, frames = one.settings.backbone, one.settings.frames
    pictures = f"{frames['rate']:g}/s, {frames['short_side']} px, {frames['fit']}"
    return escape(backbone["name"]), escape(backbone["weights"]), backbone["precision"], pictures, _people(one)


def _people(one: "Holding") -> str:
    persons = one.settings.persons
    if persons is None:
        return "-"
    given = persons["detector"]["boxes"]
    return f"{persons['rate']:g}/s, {persons['detector']['name'] if given is None else escape(Path(given).name)}"


def _amount(amount: "Amount") -> tuple[str, str, str]:
    return str(amount.videos), f"{amount.seconds / 3600:.2f}", _size(amount.size)


def _size(count: int) -> str:
    return f"{count / 1e9:.2f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"

"""Families side by side on a terminal: what each costs and sees, and what a training came to."""

from collections.abc import Iterable, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table

from detectors.inference.traits import Traits
from reports.families_results import Row

KIB = 1024

TRAIT_NOTES = """\
M         parameters, millions
clip      frames, and pixels of both sides
GFLOP     of a clip, two operations a multiply-add; optical flow is not counted
KiB       of a clip before it is seen
pixels    that one cell of the last map sees in a row or column; all: the whole
          picture, however large
frames    that it sees; all before: and nothing later than itself
shift     whether scores stay when what happens in a clip happens later (a share
          of what it does to them at all; measured with random weights)"""


def trait_table(traits: Iterable[Traits]) -> Table:
    """A row a network."""
    table = _table("network", "M", "clip", "GFLOP", "KiB", "pixels", "frames", "shift")
    for one in traits:
        table.add_row(
            one.name,
            f"{one.parameters / 1e6:.2f}",
            f"{one.clip_frames}x{one.side}x{one.side}",
            f"{one.flop_per_clip / 1e9:.3g}",
            f"{one.raw_bytes / KIB:.0f}",
            str(one.field.pixels),
            str(one.field.frames),
            shift_text(one),
        )
    return table


def shift_text(traits: Traits) -> str:
    """yes; or no, and how far scores move, in so few letters that the table fits a terminal."""
    if traits.is_shift_invariant is None:
        return "-"
    return "yes" if traits.is_shift_invariant else f"no {traits.shift_change:.0%}"


def result_table(rows: Sequence[Row]) -> Table:
    """Accuracy in percent by data set, the networks in the order in which they first come."""
    data = list(dict.fromkeys(row["data"] for row in rows))
    table = _table("network", "GFLOP", *data, "minutes")
    for name in dict.fromkeys(row["name"] for row in rows):
        own = {row["data"]: row for row in rows if row["name"] == name}
        first = next(iter(own.values()))
        accuracies = [f"{100 * own[one]['accuracy']:.1f}" if one in own else "-" for one in data]
        minutes = sum(row["train_s"] for row in own.values()) / 60
        table.add_row(name, f"{first['gflop']:.3g}", *accuracies, f"{minutes:.1f}")
    chances = {row["data"]: row["chance"] for row in rows}
    table.add_row("(a guess)", "", *(f"{100 * chances[one]:.1f}" for one in data), "", style="dim")
    return table


class FamiliesProgress:
    """A bar for the epochs of the network that is trained, and a line for every one that is done; use as a context."""

    def __init__(self, console: Console, data: str, networks: int) -> None:
        self.console = console
        self.data = data
        self.networks = networks
        self._number, self._epochs_done = 0, 0
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed:.1f} of {task.total} epochs"),
        )
        self._bars = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._task = self._bars.add_task("", total=None)

    def __enter__(self) -> "FamiliesProgress":
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def begin(self, name: str, epochs: int) -> None:
        self._number, self._epochs_done = self._number + 1, 0
        what = f"{self.data}: {name}, {self._number} of {self.networks}"
        self._bars.update(self._task, description=escape(what), completed=0, total=epochs)

    def step(self, done: int, total: int) -> None:
        self._bars.update(self._task, completed=self._epochs_done + done / total)

    def epoch(self, row: dict[str, Any]) -> None:
        self._epochs_done = row["epoch"]

    def done(self, row: Row, *, earlier: bool = False) -> None:
        self.console.print(
            f"{escape(row['data'])}: {row['name']}  accuracy {100 * row['accuracy']:.1f}"
            f" (a guess: {100 * row['chance']:.1f})  {row['epochs']} epochs, {row['train_s']:.0f} s"
            + (", trained before" if earlier else ""),
            highlight=False,
            soft_wrap=True,
        )


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=0, pad_edge=False)
    for column in columns:
        table.add_column(column, justify="left" if column == "network" else "right", no_wrap=True)
    return table

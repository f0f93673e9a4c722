"""How a training goes: a line an epoch, a table of metrics, a curve."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from pipeline.clock import clock
from pipeline.tables import publish, storing
from training.validate_clips import Accuracy

_LOSS = "loss_"
_JUDGED = {"average_map": "mAP", "accuracy": "accuracy"}  # what a row may tell of the validation, of one kind each
_MOST_CLASSES = 20


class TrainingProgress:
    """A bar for the steps of an epoch on a terminal, and a line for every epoch anywhere; use as a context."""

    def __init__(self, console: Console, epochs: int) -> None:
        self.console = console
        self.epochs = epochs
        self.best_map = -1.0
        self._started = time.monotonic()
        self._first_epoch: int | None = None
        columns = TextColumn("epoch {task.fields[epoch]}"), BarColumn(), MofNCompleteColumn(), TextColumn("steps")
        self._bars = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._task = self._bars.add_task("", total=None, epoch=1)

    def __enter__(self) -> "TrainingProgress":
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def step(self, done: int, total: int) -> None:
        self._bars.update(self._task, completed=done, total=total)

    def epoch(self, row: dict[str, Any]) -> None:
        first = self._first_epoch = self._first_epoch or row["epoch"]
        done = row["epoch"] - first + 1
        left_s = (time.monotonic() - self._started) / done * (self.epochs - row["epoch"])
        losses = "  ".join(f"{name.removeprefix(_LOSS)} {row[name]:.3f}" for name in row if name.startswith(_LOSS))
        judged = "".join(f"  {what} {100 * row[name]:.1f}" for name, what in _JUDGED.items() if name in row)
        self.console.print(
            f"epoch {row['epoch']}/{self.epochs}  loss: {losses}{judged}  {row['seconds']:.1f} s, "
            f"{clock(left_s)} left at most",
            highlight=False,
            soft_wrap=True,
        )
        self._bars.update(self._task, completed=0, epoch=row["epoch"] + 1)


def map_of_epoch(history: Sequence[dict[str, Any]], epoch: int) -> Table:
    """The validation mAP by tIoU of one epoch."""
    row = history[epoch - 1]
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    cells = []
    for name in row:
        if name.startswith("map_"):
            table.add_column(f"mAP@{name.removeprefix('map_')}", justify="right")
            cells.append(f"{100 * row[name]:.1f}")
    table.add_column("average", justify="right")
    table.add_row(*cells, f"{100 * row['average_map']:.1f}")
    return table


def accuracy_table(accuracy: Accuracy) -> Table:
    """How many of the validation actions are told, in percent."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    shares = {"accuracy": accuracy.top1, "mean over classes": accuracy.class_mean, "among the best 5": accuracy.top5}
    told = {name: share for name, share in shares.items() if share is not None}
    for name in told:
        table.add_column(name, justify="right")
    table.add_row(*(f"{100 * share:.1f}" for share in told.values()))
    return table


def class_table(accuracy: Accuracy, class_names: Sequence[str]) -> Table:
    """The same by class, those that are told worst first."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column("class")
    for name in ("actions", "right", "%"):
        table.add_column(name, justify="right")
    rows = zip(class_names, accuracy.there_K.tolist(), accuracy.right_K.tolist(), strict=True)
    judged = sorted((row for row in rows if row[1]), key=lambda row: row[2] / row[1])
    if len(judged) > _MOST_CLASSES:
        rest = judged[_MOST_CLASSES:]
        more = f"and {len(rest)} more", sum(there for _, there, _ in rest), sum(right for *_, right in rest)
        judged = [*judged[:_MOST_CLASSES], more]
    for name, there, right in judged:
        table.add_row(escape(name), f"{there}", f"{right}", f"{100 * right / there:.1f}")
    return table


def write_metrics(history: Sequence[dict[str, Any]], path: Path) -> None:
    """One row an epoch. Raises StopRun when the disk refuses."""
    names = list(dict.fromkeys(name for row in history for name in row))
    table = pa.Table.from_pylist([{name: row.get(name) for name in names} for row in history])
    temp = path.with_name(f".{path.name}.tmp")
    with storing(path.parent):
        pq.write_table(table, temp)
        publish(temp, path)


def plot_curve(history: Sequence[dict[str, Any]], chosen_epoch: int, path: Path) -> None:
    """Losses and validation mAP or accuracy by epoch, the chosen epoch marked. Raises StopRun when the disk refuses."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    epochs = [row["epoch"] for row in history]
    for name in (name for name in history[0] if name.startswith(_LOSS)):
        left.plot(epochs, [row[name] for row in history], label=name.removeprefix(_LOSS))
    left.set(title="training losses", xlabel="epoch", yscale="log")
    left.legend(frameon=False)
    key = next((name for name in _JUDGED if any(name in row for row in history)), "average_map")
    judged = [row for row in history if key in row]
    right.plot([row["epoch"] for row in judged], [100 * row[key] for row in judged], marker=".")
    right.axvline(chosen_epoch, linestyle="--", color="gray", label="kept")
    right.set(title=f"validation {_JUDGED[key]}", xlabel="epoch", ylim=(0, 100))
    right.legend(frameon=False)
    with storing(path.parent):
        figure.savefig(path, dpi=120)

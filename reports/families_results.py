"""What trainings of families came to, as a table in Parquet and a picture of accuracy against operations."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from detectors.inference.traits import Traits
from pipeline.errors import StopRun
from pipeline.tables import publish, storing
from training.compare import Outcome

Row = dict[str, Any]

SCHEMA = pa.schema(
    [
        ("data", pa.string()),
        ("name", pa.string()),  # of the backbone
        ("accuracy", pa.float64()),
        ("class_accuracy", pa.float64()),
        ("chance", pa.float64()),
        ("epochs", pa.int32()),
        ("train_s", pa.float64()),
        ("training_actions", pa.int32()),
        ("validation_actions", pa.int32()),
        ("parameters", pa.int64()),
        ("gflop", pa.float64()),  # of a clip
        ("raw_bytes", pa.int64()),  # likewise
        ("clip_frames", pa.int32()),
        ("side", pa.int32()),  # pixels
        ("sees_pixels", pa.int32()),  # null: all there are
        ("sees_frames", pa.int32()),
        ("shift_invariant", pa.bool_()),
        ("shift_change", pa.float64()),
        ("model", pa.string()),
        ("settings_hash", pa.string()),
    ]
)
LABELS_APART = 0.045  # of the height of the picture


class Results:
    """Rows of this run and of earlier ones, kept in a folder with the picture of them."""

    def __init__(self, folder: Path) -> None:
        """Raises StopRun if there is a table that is none of ours."""
        self.folder = folder
        self.table, self.picture = folder / "families.parquet", folder / "families.png"
        self.rows = _read(self.table)

    def of(self, data: str, settings_hash: str) -> Row | None:
        """What a training with these settings came to, if there was one."""
        return next((row for row in self.rows if (row["data"], row["settings_hash"]) == (data, settings_hash)), None)

    def add(self, outcome: Outcome, traits: Traits) -> Row:
        """A network has one row a data set, the latest. Raises StopRun when the disk refuses."""
        row = row_of(outcome, traits)
        key = row["data"], row["name"]
        self.rows = [*(one for one in self.rows if (one["data"], one["name"]) != key), row]
        _write(self.rows, self.table)
        plot_rows(self.rows, self.picture)
        return row


def row_of(outcome: Outcome, traits: Traits) -> Row:
    """A training's outcome beside what the network costs and sees."""
    return asdict(outcome) | {
        "parameters": traits.parameters,
        "gflop": traits.flop_per_clip / 1e9,
        "raw_bytes": traits.raw_bytes,
        "clip_frames": traits.clip_frames,
        "side": traits.side,
        "sees_pixels": traits.field.pixels.size,
        "sees_frames": traits.field.frames.size,
        "shift_invariant": traits.is_shift_invariant,
        "shift_change": traits.shift_change,
    }


def _read(path: Path) -> list[Row]:
    if not path.exists():
        return []
    try:
        table = pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise StopRun(f"{path} cannot be read ({str(error).splitlines()[0]}); choose another --out") from None
    if not table.schema.equals(SCHEMA):
        raise StopRun(f"{path} has other columns than this version writes; choose another --out")
    return list(table.to_pylist())


def _write(rows: Sequence[Row], path: Path) -> None:
    temp = path.with_name(f".{path.name}.tmp")
    with storing(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_pylist(list(rows), schema=SCHEMA), temp)
        publish(temp, path)


def plot_rows(rows: Sequence[Row], path: Path) -> None:
    """Accuracy against GFLOP a clip, a panel a data set. Raises StopRun when the disk refuses."""
    data = list(dict.fromkeys(row["data"] for row in rows))
    figure = Figure(figsize=(1 + 6 * len(data), 5), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(data), squeeze=False, sharey=True)[0]
    for axes, one in zip(panels, data, strict=True):
        _draw(axes, [row for row in rows if row["data"] == one])
        axes.set_title(one, parse_math=False)
    panels[0].set_ylabel("accuracy, % of the validation actions")
    with storing(path.parent):
        figure.savefig(path, dpi=120)


def _draw(axes: Axes, rows: Sequence[Row]) -> None:
    """Names stand to the right of the panel, joined to their points, since many points lie close together."""
    axes.axhline(100 * rows[0]["chance"], linestyle="--", color="gray", linewidth=1)
    axes.set(xscale="log", ylim=(0, 104), xlabel="GFLOP a clip (dashed: a guess)")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())
    ordered = sorted(rows, key=lambda row: row["accuracy"])
    heights = apart([row["accuracy"] / 1.04 for row in ordered])
    for number, (row, height) in enumerate(zip(ordered, heights, strict=True)):
        colour = f"C{number % 10}"
        axes.plot(row["gflop"], 100 * row["accuracy"], "o", color=colour)
        axes.annotate(
            row["name"],
            xy=(row["gflop"], 100 * row["accuracy"]),
            xytext=(1.03, height),
            textcoords="axes fraction",
            verticalalignment="center",
            fontsize=8,
            color=colour,
            parse_math=False,
            arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.5, "relpos": (0, 0.5)},
        )


def apart(heights: Sequence[float]) -> list[float]:
    """Ascending shares of the height moved so that neighbours do not touch, none above the top."""
    moved: list[float] = []
    for height in heights:
        moved.append(max([height, *(one + LABELS_APART for one in moved[-1:])]))
    ceiling = 1.0
    for number in reversed(range(len(moved))):
        moved[number] = min(moved[number], ceiling)
        ceiling = moved[number] - LABELS_APART
    return moved

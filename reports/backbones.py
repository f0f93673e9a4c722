"""Backbones on a terminal: what each costs and sees, and how fast they were measured to be."""

from collections.abc import Iterable, Sequence
from statistics import median

from rich import box
from rich.table import Table

from detectors.backbones import PUBLISHED
from detectors.inference.bench import Speed
from detectors.inference.cost import Cost
from detectors.weights import WEIGHTS

TEXTS = ("backbone", "weights", "accuracy")

COST_NOTES = """\
M         parameters, millions
clip      frames, and frames a second: how the network was trained
GFLOP     two operations a multiply-add; pictures are squares of the short side
a second  of video, at the network's own rate: densely, each frame once;
          windowed: with a clip for every step
sees      seconds of video behind one step
steps     features a second of video"""

SPEED_NOTES = """\
dense     steps a second along a run, in chunks, nothing computed twice
windows   the same, each of eight strides, one every stride (64 frames every 8;
          SlowFast 8x8: 32 every 4); random weights, frames already decoded;
          never compiled: take the ratio with engine.compile=off
twice     operations that a segment inside a video needs beyond its own steps
MFU       operations done of those that the device can do at most"""


def cost_table(costs: Iterable[tuple[str, Cost]]) -> Table:
    """Name and cost of each."""
    table = _table("backbone", "M", "clip", "GFLOP", "a second", "windowed", "sees", "steps")
    for name, cost in costs:
        contract = cost.contract
        table.add_row(
            name,
            f"{cost.parameters / 1e6:.1f}",
            f"{contract.clip_frames} @{contract.rate:g}",
            f"{cost.flop_per_clip / 1e9:.0f}",
            f"{cost.flop_per_s / 1e9:.0f}" if contract.dense else "-",
            f"{cost.windowed_flop_per_s / 1e9:.0f}",
            f"{contract.receptive_field / contract.rate:.1f}",
            f"{cost.steps_per_s:.2f}",
        )
    return table


def weights_table(names: Iterable[str]) -> Table:
    """The published weights of each, and how accurate their publishers found them."""
    table = _table("backbone", "weights", "accuracy")
    for name in names:
        for weights in PUBLISHED[name]:
            table.add_row(name, weights, WEIGHTS[weights].accuracy or "not stated")
        if not PUBLISHED[name]:
            table.add_row(name, "none published", "-")
    return table


def speed_table(speeds: Sequence[Speed], peak_tflops: float | None) -> Table:
    """What was measured, medians of the rounds; MFU where the device's peak is known."""
    utilisation = ("MFU",) if peak_tflops else ()
    table = _table("backbone", "dense", "windows", "ratio", "x realtime", "TFLOP/s", *utilisation, "twice")
    for speed in speeds:
        ratios = f"{median(speed.ratios):.1f}"
        if len(speed.ratios) > 1:
            ratios += f" ({min(speed.ratios):.1f}-{max(speed.ratios):.1f})"
        table.add_row(
            speed.name,
            f"{1 / median(speed.dense_s):.2f}",
            f"{1 / median(speed.windowed_s):.2f}",
            ratios,
            f"{speed.times_realtime:.2f}",
            f"{speed.tflops:.3g}",
            *([f"{speed.tflops / peak_tflops:.0%}"] if peak_tflops else []),
            f"{speed.redundant:.1%}",
        )
    return table


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for column in columns:
        if column in TEXTS:
            table.add_column(column, overflow="fold", min_width=17)
        else:
            table.add_column(column, justify="right", no_wrap=True)
    return table

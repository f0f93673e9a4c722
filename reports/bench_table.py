"""A measured run on a terminal: decode and backbone alone, and how much of that the engines keep."""

import os
from collections.abc import Sequence
from statistics import median

from rich.table import Table

from pipeline.bench import Measured, Round
from pipeline.clock import clock

NOTES = """\
decode    one thread, one segment after the other, frames dropped
backbone  one worker on frames held in memory; like decode it counts the halo
bound     decode and backbone in turn: 1 / (1 / decode + 1 / backbone); ray may
          exceed it where a GPU or idle cores let it do both at once
engines   from the first video probed to the last one committed; left out are
          start and end of Ray, imports, loading of weights; the first, slower
          pass of ray's fresh workers is in: --copies makes it weigh less"""


def subject_line(measured: Measured) -> str:
    """What was worked on."""
    video, length = measured.video, clock(measured.copies * measured.video.duration_s)
    return (
        f"{video.width}x{video.height} {video.codec}, {length} in {measured.copies * measured.segments} segments; "
        f"rounds: {len(measured.rounds)}; load of the machine before: {measured.load:.1f} on {os.cpu_count()} cores"
    )


def bench_table(rounds: Sequence[Round]) -> Table:
    """Medians, and with several rounds how far they lie apart."""
    table = Table("part")
    spread = ("lowest", "highest") if len(rounds) > 1 else ()
    for name in ("x realtime", *spread, "samples/s"):
        table.add_column(name, justify="right")

    def add(name: str, values: list[float], samples: str = "") -> None:
        ends = (f"{min(values):.2f}", f"{max(values):.2f}") if spread else ()
        table.add_row(name, f"{median(values):.2f}", *ends, samples)

    def add_part(name: str, values: list[float]) -> None:
        add(name, values, f"{median(values) * rounds[0].samples_per_s:.1f}")

    add_part("decode alone", [one.decode_x for one in rounds])
    add_part("backbone alone", [one.backbone_x for one in rounds])
    add("bound", [one.bound_x for one in rounds])
    add("engine local", [one.local_x for one in rounds])
    add("engine ray", [one.ray_x for one in rounds])
    table.add_section()
    add("ray / bound", [one.ray_x / one.bound_x for one in rounds])
    add("ray / local", [one.ray_x / one.local_x for one in rounds])
    return table

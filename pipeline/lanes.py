"""How the machines of a cluster are divided into lanes: one vision worker each, fed by its own decoders."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from pipeline.strict import Auto

_CPUS_PER_LANE = 16  # of a machine without a GPU; a backbone scales well up to about that many threads
_MOST_DECODERS = 16


@dataclass(frozen=True, slots=True)
class Node:
    """A machine of the cluster."""

    id: str
    cpus: float
    gpus: float


@dataclass(frozen=True, slots=True)
class LaneSpec:
    """Where a lane lives and what it may use."""

    node: str
    decoders: int
    threads: int  # of the backbone on a CPU
    gpus: float
    cpus_each: float  # reserved for the vision worker and for every decoder


def lanes_of(nodes: Sequence[Node], lanes: int | Auto, decoders: int | Auto, threads: int | Auto) -> list[LaneSpec]:
    """One lane a GPU, or a lane for every 16 CPUs where there is no GPU at all; `lanes` spreads that many evenly."""
    with_gpu = [node for node in nodes if node.gpus >= 1]
    usable = with_gpu or [node for node in nodes if node.cpus > 0]
    counts = [_own_lanes(node) for node in usable]
    if lanes != "auto":
        counts = [lanes // len(usable) + (index < lanes % len(usable)) for index in range(len(usable))]
    return [
        _spec(node, count, decoders, threads) for node, count in zip(usable, counts, strict=True) for _ in range(count)
    ]


def _own_lanes(node: Node) -> int:
    return int(node.gpus) if node.gpus >= 1 else max(1, int(node.cpus // _CPUS_PER_LANE))


def _spec(node: Node, lanes_here: int, decoders: int | Auto, threads: int | Auto) -> LaneSpec:
    cpus = node.cpus / lanes_here
    count = _decoders(node, cpus) if decoders == "auto" else decoders
    return LaneSpec(
        node=node.id,
        decoders=count,
        threads=max(1, int(cpus)) if threads == "auto" else threads,
        gpus=_gpu_share(node.gpus, lanes_here),
        cpus_each=int(cpus / (count + 1) * 100) / 100,  # rounded down, so that all fit
    )


def _decoders(node: Node, cpus: float) -> int:
    """A GPU eats what many decoders make; on a CPU a second one only hides the seek at the start of a segment."""
    return min(_MOST_DECODERS, max(2, int(cpus) - 1)) if node.gpus >= 1 else 2


def _gpu_share(gpus: float, lanes_here: int) -> float:
    """A whole GPU, or an even part of one: Ray gives nobody 2.67 GPUs, and of 0.67 only one fits on each."""
    if gpus < 1:
        return 0.0
    return int(1e4 / ceil(lanes_here / int(gpus))) / 1e4

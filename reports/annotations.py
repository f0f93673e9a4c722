"""What a check of annotations found, on a terminal."""

from collections import defaultdict
from collections.abc import Iterator, Mapping

from rich import box
from rich.console import Group
from rich.markup import escape
from rich.table import Table

from annotations.check import QUANTILES, Summary

_QUANTILE_NAMES = {0.0: "shortest", 0.5: "median", 1.0: "longest"}


def class_table(summary: Summary) -> Group:
    """A row a class: how many instances, in how many videos, how many seconds they last."""
    table = _table("instances", "videos", "total", *(_QUANTILE_NAMES.get(one, f"{one:.0%}") for one in QUANTILES))
    for one in summary.classes:
        lengths = (f"{seconds:.3g}" for seconds in one.duration_quantiles_s)
        table.add_row(escape(one.label), f"{one.instances:,}", f"{one.videos:,}", f"{one.total_s:,.0f}", *lengths)
    return Group("instances of each class, and how many seconds they last", table)


def subset_table(summary: Summary) -> Group:
    """A row a class: how many instances in each subset."""
    subsets = [subset for subset, _ in _sorted(summary.videos_by_subset)]
    table = _table(*map(_subset_name, subsets))
    for one in summary.classes:
        counts = (f"{one.instances_by_subset.get(subset, 0):,}" for subset in subsets)
        table.add_row(escape(one.label), *counts)
    return Group("instances of each class in each subset", table)


def counts_line(summary: Summary) -> str:
    """Videos by subset, instances and classes."""
    videos = ", ".join(f"{_subset_name(name)} {number:,}" for name, number in _sorted(summary.videos_by_subset))
    classes = f"{len(summary.classes):,}"
    return f"videos {summary.num_videos:,} ({videos}), instances {summary.num_instances:,}, classes {classes}"


def overlaps_line(summary: Summary) -> str:
    """Pairs of spans that share some time."""
    same, other = summary.overlaps_same_class, summary.overlaps_other_class
    return f"pairs of instances that overlap: {same:,} of one class, {other:,} of two"


def suspicion_lines(summary: Summary) -> Iterator[str]:
    """All of them, by kind."""
    by_kind: dict[str, list[str]] = defaultdict(list)
    for one in summary.suspicions:
        by_kind[one.kind].append(f"{one.where}: {one.what}")
    if not by_kind:
        yield "nothing suspicious"
    for kind, lines in by_kind.items():
        yield f"{kind}: {len(lines):,}"
        yield from (f"  {line}" for line in lines)


def _sorted(by_subset: Mapping[str | None, int]) -> list[tuple[str | None, int]]:
    return sorted(by_subset.items(), key=lambda pair: (pair[0] is None, pair[0] or ""))


def _subset_name(subset: str | None) -> str:
    return "no subset" if subset is None else subset


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("class", overflow="fold", min_width=12)
    for name in columns:
        table.add_column(escape(name), justify="right", no_wrap=True)
    return table

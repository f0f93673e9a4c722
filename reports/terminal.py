"""Results on a terminal: found actions as a table with a timeline, and what to type next."""

import shlex
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console, ConsoleOptions, RenderResult
from rich.markup import escape
from rich.measure import Measurement
from rich.segment import Segment
from rich.style import Style
from rich.table import Table

from pipeline.clock import clock
from reports.results import Results

MOST_ROWS = 16

QUERIES = {
    "time per action": "select label, count(*) as times, sum(stop_s - start_s) as total_s from segments "
    "group by label order by total_s desc",
    "the longest": "select video, label, start_s, stop_s, stop_s - start_s as length_s, score from segments "
    "order by length_s desc limit 10",
}


class Timeline:
    """A span on the length of its video, as wide as there is room."""

    def __init__(self, start_s: float, stop_s: float, duration_s: float) -> None:
        self.start_s, self.stop_s, self.duration_s = start_s, stop_s, duration_s

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(8, options.max_width)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = options.max_width
        rail, span = ("-", "#") if options.ascii_only else ("─", "█")
        first = min(int(self.start_s / self.duration_s * width), width - 1)
        stop = max(min(round(self.stop_s / self.duration_s * width), width), first + 1)
        dim = Style(dim=True)
        yield Segment(rail * first, dim)
        yield Segment(span * (stop - first), Style(color="cyan"))
        yield Segment(rail * (width - stop), dim)


class FoundActions:
    """A table that keeps its names short where the terminal is narrow."""

    def __init__(self, videos: list[dict[str, Any]], actions: list[dict[str, Any]]) -> None:
        self.duration_s = {video["video"]: video["duration_s"] for video in videos}
        self.counts = _counts(videos)
        self.num_actions = len(actions)
        best = sorted(actions, key=lambda action: -action["score"])[:MOST_ROWS]
        self.rows = sorted(best, key=lambda action: (action["video"], action["start_s"], action["stop_s"]))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if self.rows:
            yield self._table(options.max_width)
        hidden = self.num_actions - len(self.rows)
        best = f", the best {len(self.rows)} of them shown" if hidden else ""
        yield f"{self.num_actions} actions{best}; videos: {self.counts}"

    def _table(self, width: int) -> Table:
        table = Table(box=box.SIMPLE_HEAD, expand=True, padding=(0, 1, 0, 0), pad_edge=False)
        table.add_column("video", no_wrap=True, max_width=max(10, width // 6))
        table.add_column("label", no_wrap=True, max_width=max(12, width // 3))
        for name in ("start", "stop", "score"):
            table.add_column(name, no_wrap=True, justify="right")
        table.add_column("", ratio=1, min_width=12)
        for row in self.rows:
            duration_s = max(self.duration_s.get(row["video"]) or 0.0, row["stop_s"], 1e-9)
            table.add_row(
                escape(row["video"]),
                escape(row["label"]),
                clock(row["start_s"], tenths=True),
                clock(row["stop_s"], tenths=True),
                f"{row['score']:.2f}",
                Timeline(row["start_s"], row["stop_s"], duration_s),
            )
        return table


def found_actions(out: Path) -> FoundActions:
    """The actions in a results folder, the best of them if there are many, in order of time. Raises InputError."""
    results = Results(out)
    videos = results.query("select video, status, duration_s from videos order by video")
    actions = results.query("select video, label, start_s, stop_s, score from segments order by video, start_s, stop_s")
    return FoundActions(videos.to_pylist(), actions.to_pylist())


def next_steps(out: Path) -> str:
    """Commands to go on with, ready to be pasted into a shell."""
    folder = shlex.quote(str(out))
    lines = ["Go on with:"]
    for title, sql in QUERIES.items():
        lines += ["", f"# {title}", f'uv run run.py query {folder} "{sql}"']
    lines += ["", "# your own videos", "uv run run.py detect FOLDER --out out/mine"]
    lines += ["", "# and the people in them, one by one", "uv run run.py detect FOLDER --out out/mine --set persons=on"]
    return "\n".join(lines)


def _counts(videos: list[dict[str, Any]]) -> str:
    statuses = [video["status"] for video in videos]
    return ", ".join(f"{statuses.count(one)} {one}" for one in ("ok", "partial", "failed") if one in statuses) or "none"

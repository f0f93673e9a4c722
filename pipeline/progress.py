"""What a person sees of a run: live bars on a terminal, plain lines elsewhere, a summary at the end."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, TaskID, TextColumn
from rich.progress import Progress as Bars
from rich.table import Table

from pipeline.clock import clock
from pipeline.records import Failure, StageTimes

_LINE_EVERY_S = 10.0


@dataclass(slots=True)
class Tally:
    """The sums of a run."""

    videos: int = 0  # to do in this run
    earlier: dict[str, int] = field(default_factory=dict)  # committed by earlier runs, by status
    now: dict[str, int] = field(default_factory=dict)  # committed by this run, by status
    found: dict[str, int] = field(default_factory=dict)  # how many of what, by this run
    probed: int = 0
    bytes_total: int = 0
    bytes_probed: int = 0
    known_s: float = 0.0  # length of the videos probed so far
    done_s: float = 0.0  # of it, through the backbone or given up
    spooled_s: float = 0.0  # of it, done by an earlier run
    under_way_s: float = 0.0  # of segments not finished yet
    times: StageTimes = field(default_factory=StageTimes)

    @property
    def expected_s(self) -> float:
        """Length of all videos to do, estimated by file size until the last one is probed."""
        if self.probed == self.videos or not self.bytes_probed:
            return self.known_s
        return self.known_s * self.bytes_total / self.bytes_probed

    @property
    def passed_s(self) -> float:
        return self.done_s + self.spooled_s + self.under_way_s

    @property
    def committed(self) -> int:
        return sum(self.now.values())

    def count(self, status: str) -> int:
        """Videos of this plan with that status, earlier runs included."""
        return self.now.get(status, 0) + self.earlier.get(status, 0)

    def book(self, status: str, found: Mapping[str, int]) -> None:
        self.now[status] = self.now.get(status, 0) + 1
        for what, count in found.items():
            self.found[what] = self.found.get(what, 0) + count

    def book_earlier(self, row: Any) -> None:
        self.earlier[row["status"]] = self.earlier.get(row["status"], 0) + 1

    def book_probed(self, size: int, duration_s: float) -> None:
        self.probed += 1
        self.bytes_probed += size
        self.known_s += duration_s

    def add_times(self, times: StageTimes) -> None:
        self.times += times


class Progress:
    """Shows a Tally as it grows; use as a context."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.tally = Tally()
        self._started = self._last_line = time.monotonic()
        self._bars = Bars(
            TextColumn("{task.description:<9}"), BarColumn(), TextColumn("{task.fields[text]}"), console=console
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def start(self) -> None:
        """Work begins: everything before it was set-up."""
        self._started = self._last_line = time.monotonic()
        if self.console.is_terminal:
            self._tasks = {name: self._bars.add_task(name, text="") for name in ("probe", "features", "commit")}
            self._bars.start()

    @property
    def wall_s(self) -> float:
        return time.monotonic() - self._started

    def say(self, line: str) -> None:
        self.console.print(line, highlight=False, soft_wrap=True)

    def update(self) -> None:
        tally = self.tally
        rows = {
            "probe": (tally.probed, tally.videos, f"{tally.probed}/{tally.videos} videos"),
            "features": (tally.passed_s, tally.expected_s, self._pace()),
            "commit": (tally.committed, tally.videos, f"{tally.committed}/{tally.videos} videos"),
        }
        for name, task in self._tasks.items():
            done, total, text = rows[name]
            self._bars.update(task, completed=done, total=max(total, 1e-9), text=text)
        if not self._tasks and time.monotonic() - self._last_line >= _LINE_EVERY_S:
            self._last_line = time.monotonic()
            self.say("  ".join(f"{name} {text}" for name, (_, _, text) in rows.items()))

    def _pace(self) -> str:
        tally = self.tally
        speed = (tally.done_s + tally.under_way_s) / max(self.wall_s, 1e-9)
        about = "" if tally.probed == tally.videos else "about "
        text = f"{clock(tally.passed_s)}/{about}{clock(tally.expected_s)}"
        if speed > 0:
            left_s = max(tally.expected_s - tally.passed_s, 0.0) / speed
            text += f"  {speed:.1f}x realtime  {clock(left_s)} left"
        return text

    def video(self, key: str, status: str, failures: tuple[Failure, ...]) -> None:
        """Tell of a video that did not come through whole."""
        for failure in failures:
            where = " {:.1f}-{:.1f} s".format(*failure.span_s) if failure.span_s else ""
            self.say(f"[yellow]{status}[/] {escape(key)}{where}: {failure.error_class}: {escape(failure.message)}")

    def summary(self, folder: str) -> None:
        """What the run came to."""
        tally, wall_s = self.tally, self.wall_s
        self._bars.stop()
        speed = tally.done_s / wall_s if wall_s else 0.0
        table = Table(show_header=False, box=None, pad_edge=False)
        table.add_row("video", f"{tally.done_s / 3600:.2f} h in {clock(wall_s)}, {speed:.2f}x realtime")
        if tally.spooled_s > 0:
            table.add_row("reused", f"{tally.spooled_s / 3600:.2f} h that an earlier run put through the backbone")
        table.add_row("inputs", ", ".join(_counts(tally)) or "none")
        for what, count in tally.found.items():
            table.add_row(what, f"{count:,}")
        for stage, busy_s in tally.times.busy_s.items():
            waiting_s = tally.times.waiting_s.get(stage)
            waited = "" if waiting_s is None else f", waiting {waiting_s:.1f} s"
            table.add_row(stage, f"busy {busy_s:.1f} s{waited}")
        table.add_row("tables", escape(folder))
        self.console.print(table)


def _counts(tally: Tally) -> list[str]:
    counts = [f"{tally.count(status)} {status}" for status in ("ok", "partial", "failed") if tally.count(status)]
    earlier = sum(tally.earlier.values())
    return [*counts, f"of these {earlier} by earlier runs"] if earlier else counts

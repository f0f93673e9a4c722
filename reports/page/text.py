"""Runs and failures of a results folder, in the words of a report."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from reports.page.rows import NOBODY, ReportRows

STATUSES = ("ok", "partial", "failed")
MOST_LISTED, MOST_SPANS = 50, 12  # videos of a kind of failure, lost spans of a video; the tables have them all
_RUN_ID = "%Y%m%dT%H%M%S"
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Run:
    """One run, as texts."""

    started: str
    videos: str
    length: str
    actions: str
    people: str  # actions of theirs; empty where there are none in any run
    decode: str  # times real time
    backbone: str
    config: str


@dataclass(frozen=True, slots=True)
class Trouble:
    """A video that was not read whole."""

    video: str
    status: str
    error: str
    lost: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Troubles:
    """Videos that were not read whole for one reason."""

    error_class: str
    count: str
    listed: tuple[Trouble, ...]
    unlisted: int


def runs(rows: ReportRows, about: Row) -> list[Run]:
    """By when they began; `about` is what run.json says of the last one."""
    by_run: dict[str, list[int]] = {}
    for number, row in enumerate(rows.videos):
        by_run.setdefault(row["run_id"] or "", []).append(number)
    return [_run(run_id, rows, numbers, about) for run_id, numbers in sorted(by_run.items())]


def _run(run_id: str, rows: ReportRows, numbers: Sequence[int], about: Row) -> Run:
    videos, found = [rows.videos[number] for number in numbers], rows.detections
    tracks = found.track_N[np.isin(found.video_N, numbers)]
    return Run(
        started=_started(run_id),
        videos=statuses(videos),
        length=length(sum(row["duration_s"] or 0.0 for row in videos)),
        actions=f"{(tracks == NOBODY).sum():,}",
        people=f"{(tracks != NOBODY).sum():,}" if (found.track_N != NOBODY).any() else "",
        decode=_speed(videos, "decode_s"),
        backbone=_speed(videos, "infer_s"),
        config=_config(about) if about.get("run_id") == run_id else "",
    )


def _started(run_id: str) -> str:
    try:
        return datetime.strptime(run_id, _RUN_ID).strftime("%-d %b %Y, %H:%M")
    except ValueError:
        return run_id or "not recorded"


def statuses(videos: Iterable[Row]) -> str:
    """3 ok, 1 failed."""
    counts = Counter(row["status"] for row in videos)
    return ", ".join(f"{counts[status]:,} {status}" for status in STATUSES if counts[status])


def _speed(videos: Sequence[Row], busy: str) -> str:
    timed = [(row["duration_s"], row[busy]) for row in videos if row["duration_s"] and row[busy]]
    if not timed:
        return ""
    times = sum(duration_s for duration_s, _ in timed) / sum(busy_s for _, busy_s in timed)
    return f"{times:,.0f}×" if times >= 20 else f"{times:.1f}×" if times >= 1 else f"{times:.2f}×"


def read_about(results: Path) -> Row:
    """What run.json says; nothing where there is none that can be read."""
    try:
        about = json.loads((results / "run.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return about if isinstance(about, dict) else {}


def _config(about: Row) -> str:
    """Backbone and localizer with their weights; the detector of people, if they were looked for."""
    config = about.get("config") or {}
    persons = config.get("persons") or {}
    names = [_network(config.get(section) or {}) for section in ("backbone", "localizer")]
    if persons.get("switch") not in (None, "off"):
        names.append((persons.get("detector") or {}).get("name") or "")
    return ", ".join(name for name in names if name not in ("", "off"))


def _network(settings: Row) -> str:
    name, weights = settings.get("name") or "", settings.get("weights")
    return f"{name} ({Path(str(weights)).name})" if weights not in (None, "auto") else name


def troubles(rows: ReportRows) -> list[Troubles]:
    """What could not be read, the most frequent reason first."""
    by_class: dict[str, list[Row]] = {}
    for row in rows.videos:
        if row["status"] != "ok" or row["lost_spans"]:
            by_class.setdefault(row["error_class"] or "LostSpans", []).append(row)
    groups = sorted(by_class.items(), key=lambda group: (-len(group[1]), group[0]))
    return [_troubles(error_class, videos) for error_class, videos in groups]


def _troubles(error_class: str, videos: Sequence[Row]) -> Troubles:
    lost_s = sum(span["stop_s"] - span["start_s"] for row in videos for span in row["lost_spans"] or ())
    count = f"{counted(len(videos), 'video')}: {statuses(videos)}"
    listed = [
        Trouble(
            row["video"],
            row["status"],
            row["error"] or "",
            _lost(row["lost_spans"] or ()),
        )
        for row in videos[:MOST_LISTED]
    ]
    count += f"; {length(lost_s)} lost" if lost_s else ""
    return Troubles(error_class, count, tuple(listed), max(0, len(videos) - MOST_LISTED))


def _lost(spans: Sequence[Row]) -> tuple[str, ...]:
    listed = [
        f"{clock(span['start_s'])} to {clock(span['stop_s'])}: {span['reason'] or 'lost'}"
        for span in spans[:MOST_SPANS]
    ]
    return (*listed, f"and {len(spans) - MOST_SPANS:,} more") if len(spans) > MOST_SPANS else tuple(listed)


def length(seconds: float) -> str:
    """7.7 s, 1 min 6 s, 12.4 h."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    if seconds < 3599.5:
        return f"{round(seconds) // 60} min {round(seconds) % 60} s"
    return f"{seconds / 3600:,.1f} h"


def clock(seconds: float) -> str:
    """h:mm:ss.s."""
    minutes, tenths = divmod(round(seconds * 10), 600)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{tenths // 10:02}.{tenths % 10}"


def size(num_bytes: int) -> str:
    """640 KB, 9.3 MB."""
    return f"{num_bytes / 1e6:.1f} MB" if num_bytes >= 1e6 else f"{num_bytes / 1e3:.0f} KB"


def counted(number: int, what: str) -> str:
    """1 video, 2 videos."""
    return f"{number:,} {what if number == 1 else f'{what}s'}"

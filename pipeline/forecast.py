"""What detect would do, without doing it: every source probed, its segments counted, the work estimated."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from math import ceil

from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.progress import track
from rich.table import Table

from pipeline.contracts import Stages
from pipeline.errors import describe
from pipeline.plan import segments_of
from pipeline.progress import clock
from pipeline.records import Source, Video
from pipeline.settings import Config, Sampled

MOST_ROWS = 50
_PROBES_AT_ONCE = 8
_MANY = 20

Refusal = tuple[str, str]  # class, sentence


@dataclass(slots=True)
class _Sums:
    """The totals of a plan, and its first rows."""

    rows: list[tuple[Video, int]] = field(default_factory=list)  # and its number of segments
    refused: list[tuple[Source, Refusal]] = field(default_factory=list)
    videos: int = 0
    failing: int = 0
    seconds: float = 0.0
    segments: int = 0
    frames: int = 0
    key_frames: int = 0  # at which people are looked for
    pixels: int = 0

    def add(self, video: Video, config: Config, step_s: float) -> None:
        count = len(segments_of(video, config.segments.length_s, step_s))
        frames = ceil(video.duration_s * config.frames.sampled.rate)
        self.videos += 1
        self.seconds += video.duration_s
        self.segments += count
        self.frames += frames
        self.key_frames += ceil(video.duration_s * config.persons.rate) if config.persons.is_on else 0
        self.pixels += frames * _pixels(video, config.frames.sampled)
        if len(self.rows) < MOST_ROWS:
            self.rows.append((video, count))

    def refuse(self, source: Source, refusal: Refusal) -> None:
        self.failing += 1
        if len(self.refused) < MOST_ROWS:
            self.refused.append((source, refusal))


def forecast(sources: Sequence[Source], stages: Stages) -> RenderableType:
    """Probe every source; the table of videos, those that cannot be used, and the totals."""
    config = stages.config
    stages.probe.setup()
    sums = _Sums()
    bars = Console(stderr=True)
    pool = ThreadPoolExecutor(_PROBES_AT_ONCE)
    try:
        probed = pool.map(lambda source: _probed(source, stages), sources)
        hidden = len(sources) < _MANY or not bars.is_terminal
        for source, found in track(
            zip(sources, probed, strict=True), "probe", len(sources), console=bars, transient=True, disable=hidden
        ):
            if isinstance(found, Video):
                sums.add(found, config, stages.step_s)
            else:
                sums.refuse(source, found)
    finally:
        pool.shutdown(cancel_futures=True)
    return Group(*_tables(sums), _totals(sums, config))


def _probed(source: Source, stages: Stages) -> Video | Refusal:
    try:
        return stages.probe(source)
    except Exception as error:  # a file may fail in any way; the others are still to be told of
        return describe(error)


def _pixels(video: Video, frames: Sampled) -> int:
    """Of one frame as the backbone sees it, but for rounding."""
    longer = max(video.width, video.height) / min(video.width, video.height)
    return round(frames.short_side**2 * (longer if frames.fit == "keep" else 1))


def _tables(sums: _Sums) -> list[RenderableType]:
    shown: list[RenderableType] = []
    if sums.rows:
        shown += [_video_table(sums.rows), *_more(sums.videos, "videos")]
    if sums.refused:
        shown += [_refusal_table(sums.refused), *_more(sums.failing, "that cannot be used")]
    return shown


def _more(count: int, what: str) -> list[RenderableType]:
    return [f"and {count - MOST_ROWS:,} more {what}"] if count > MOST_ROWS else []


def _video_table(rows: Sequence[tuple[Video, int]]) -> Table:
    table = Table("video")
    for name in ("duration", "size", "fps", "codec", "segments"):
        table.add_column(name, no_wrap=True, justify="left" if name == "codec" else "right")
    for video, segments in rows:
        size, fps = f"{video.width}x{video.height}", f"{float(video.fps):.5g}"
        table.add_row(escape(video.key), clock(video.duration_s), size, fps, video.codec, str(segments))
    return table


def _refusal_table(refused: Sequence[tuple[Source, Refusal]]) -> Table:
    table = Table("cannot be used", "why", "in words")
    for source, (error_class, sentence) in refused:
        table.add_row(escape(source.key), error_class, escape(sentence))
    return table


def _totals(sums: _Sums, config: Config) -> Table:
    table = Table(show_header=False, box=None, pad_edge=False)
    failing = f", and {sums.failing:,} that cannot be used" if sums.failing else ""
    table.add_row("videos", f"{sums.videos:,}{failing}")
    table.add_row("length", f"{clock(sums.seconds)}, {sums.seconds / 3600:,.2f} h")
    table.add_row("segments", f"{sums.segments:,} of about {config.segments.length_s:g} s")
    table.add_row(
        "frames", f"{sums.frames:,} through the backbone at {config.frames.sampled.rate:g} a second, and its halo"
    )
    if config.persons.is_on:
        table.add_row("key frames", f"{sums.key_frames:,} looked at for people, at {config.persons.rate:g} a second")
    table.add_row("work", f"{sums.pixels / 1e9:,.1f} gigapixels; `run.py bench` tells how fast this machine is")
    return table

"""A plan on a terminal: the videos, those that cannot be used, and the totals."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table

from pipeline.clock import clock
from pipeline.errors import Refusal
from pipeline.plan import Plan
from pipeline.records import Source, Video


def plan_table(plan: Plan) -> RenderableType:
    shown: list[RenderableType] = []
    if plan.rows:
        shown += [_videos(plan.rows), *_more(plan.videos - len(plan.rows), "videos")]
    if plan.refused:
        shown += [_refused(plan.refused), *_more(plan.failing - len(plan.refused), "that cannot be used")]
    return Group(*shown, _totals(plan))


def _more(count: int, what: str) -> list[RenderableType]:
    return [f"and {count:,} more {what}"] if count else []


def _videos(rows: Sequence[tuple[Video, int]]) -> Table:
    table = Table("video")
    for name in ("duration", "size", "fps", "codec", "segments"):
        table.add_column(name, no_wrap=True, justify="left" if name == "codec" else "right")
    for video, segments in rows:
        size, fps = f"{video.width}x{video.height}", f"{float(video.fps):.5g}"
        table.add_row(escape(video.key), clock(video.duration_s), size, fps, video.codec, str(segments))
    return table


def _refused(refused: Sequence[tuple[Source, Refusal]]) -> Table:
    table = Table("cannot be used", "why", "in words")
    for source, (error_class, sentence) in refused:
        table.add_row(escape(source.key), error_class, escape(sentence))
    return table


def _totals(plan: Plan) -> Table:
    config, table = plan.config, Table(show_header=False, box=None, pad_edge=False)
    failing = f", and {plan.failing:,} that cannot be used" if plan.failing else ""
    table.add_row("videos", f"{plan.videos:,}{failing}")
    table.add_row("length", f"{clock(plan.seconds)}, {plan.seconds / 3600:,.2f} h")
    table.add_row("segments", f"{plan.segments:,} of about {config.segments.length_s:g} s")
    table.add_row(
        "frames", f"{plan.frames:,} through the backbone at {config.frames.sampled.rate:g} a second, and its halo"
    )
    if config.persons.is_on:
        table.add_row("key frames", f"{plan.key_frames:,} looked at for people, at {config.persons.rate:g} a second")
    table.add_row("work", f"{plan.pixels / 1e9:,.1f} gigapixels; `run.py bench` tells how fast this machine is")
    return table

"""The command `render`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands.console import console
from commands.notices import print_line, say_notice
from commands.options import read_sources
from commands.plain_errors import plain_errors

if TYPE_CHECKING:
    from rich.progress import Progress

    from pipeline.records import Video
    from reports.overlay.rows import Found
    from stages.render import Rendered


def render(
    video: Annotated[str, typer.Argument(help="The video, a file or URI.")],
    results: Annotated[Path, typer.Option(help="Folder of the tables that a run wrote, its --out.")],
    out: Annotated[Path, typer.Option(help="The video to write: .mp4 or .mkv.")],
    start: Annotated[float, typer.Option(metavar="SECONDS", help="Begin here.", min=0)] = 0.0,
    stop: Annotated[float | None, typer.Option(metavar="SECONDS", help="End here.", min=0)] = None,
    min_score: Annotated[float, typer.Option(help="Leave out less sure actions.", min=0, max=1)] = 0.0,
    short_side: Annotated[int | None, typer.Option(help="Scale the picture down to this.", min=32)] = None,
) -> None:
    """Draw what a run found over a video: people with what they do, and a timeline of actions below the picture."""
    with plain_errors():
        _check_options(out, start, stop)
        probed = _probe(video)
        found = _found(results, probed, min_score)
        rendered = _render(probed, found, out, start_s=start, stop_s=stop, short_side=short_side)
        sound = {"copied": "sound kept", "encoded": "sound encoded anew", "none": "no sound"}[rendered.sound]
        print_line(f"{out}: {rendered.duration_s:.1f} s, {rendered.frames:,} frames, {sound}")


def _check_options(out: Path, start_s: float, stop_s: float | None) -> None:
    """Raises ConfigError."""
    from pipeline.config import ConfigError
    from stages.render import FORMATS

    if out.suffix.lower() not in FORMATS:
        raise ConfigError(f"--out: give a name that ends in {' or '.join(FORMATS)}, got {str(out)!r}")
    if stop_s is not None and stop_s <= start_s:
        raise ConfigError(f"--stop: must lie after --start, which is {start_s:g}, got {stop_s:g}")


def _probe(given: str) -> "Video":
    """The one video that is given. Raises InputError."""
    from pipeline.errors import InputError, VideoError
    from stages.probe import Probe

    sources = read_sources([given])
    if len(sources) > 1:
        raise InputError(f"{given}: holds {len(sources):,} videos; give one of them")
    try:
        return Probe()(sources[0])
    except VideoError as error:
        raise InputError(f"{given}: {error}") from None


def _found(results: Path, video: "Video", min_score: float) -> "Found":
    """Raises AnnotationError."""
    from reports.overlay.rows import find_part, read_found

    part, row = find_part(results, video)
    if row["status"] != "ok":
        say_notice(f"{results}: {row['video']} is {row['status']} there: {row['error']}")
    if row["fingerprint"] != video.fingerprint:
        say_notice(f"{video.uri}: is not the same content as {row['video']} in {results}; times may differ")
    return read_found(results, part, row["video"], min_score=min_score)


def _render(
    video: "Video", found: "Found", out: Path, *, start_s: float, stop_s: float | None, short_side: int | None
) -> "Rendered":
    """Raises InputError, and AnnotationError for a place that cannot be written."""
    from annotations.files import replacing
    from pipeline.errors import InputError, VideoError
    from pipeline.opening import local_path
    from reports.overlay.overlay import Overlay
    from stages.picture import Size
    from stages.render import FORMATS
    from stages.render import render as write

    path = local_path(video.uri)
    if path is not None and out.exists() and out.samefile(path):
        raise InputError(f"--out: is the video itself, {video.uri}; choose another place")
    size = Size(short_side or min(video.width, video.height), "keep", multiple=2, enlarge=False)
    height, width = size.of(video)
    end_s = min(stop_s or video.duration_s, video.duration_s)
    overlay = Overlay(found, width=width, height=height, start_s=start_s, stop_s=end_s)
    with _bar() as bars, replacing(out) as temp:
        task = bars.add_task("render", total=max(end_s - start_s, 1e-3))
        try:
            return write(
                video,
                temp,
                overlay,
                size=size,
                below=overlay.strip.height,
                container=FORMATS[out.suffix.lower()],
                start_s=start_s,
                stop_s=stop_s,
                progress=lambda time_s: bars.update(task, completed=time_s - start_s),
            )
        except VideoError as error:
            raise InputError(f"{video.uri}: {error}") from None


def _bar() -> "Progress":
    """A bar on a terminal, nothing elsewhere."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = TextColumn("render"), BarColumn(), TextColumn("{task.percentage:.0f}%"), TimeRemainingColumn()
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)

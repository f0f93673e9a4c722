"""The command `detect`, and the main job as a terminal shows it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands.console import console
from commands.fetching import fetch_for
from commands.notices import count, listed, say_notice
from commands.options import (
    Address,
    ConfigName,
    Engine,
    Exclude,
    Include,
    Inputs,
    Limit,
    Out,
    Overrides,
    Where,
    read_config,
    read_sources,
)
from commands.plain_errors import INCOMPLETE, OK, plain_errors
from pipeline import DEFAULT_CONFIG

if TYPE_CHECKING:
    from pipeline.progress import Tally
    from pipeline.records import Source
    from pipeline.settings import Config


def detect(
    inputs: Inputs,
    out: Out,
    config: ConfigName = DEFAULT_CONFIG,
    set_: Overrides = None,
    engine: Where = Engine.ray,
    address: Address = None,
    limit: Limit = None,
    include: Include = None,
    exclude: Exclude = None,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Try partial and failed videos again.")] = False,
) -> None:
    """Find actions in videos and write tables. The same command again goes on where a run was stopped."""
    with plain_errors():
        settings, sources = read_config(config, set_), read_sources(inputs, include, exclude, limit)
        tally = run_detection(sources, settings, out, engine=engine, address=address, retry_failed=retry_failed)
    raise typer.Exit(exit_code(tally))


def run_detection(
    sources: "list[Source]",
    config: "Config",
    out: Path,
    *,
    engine: Engine,
    address: str | None = None,
    retry_failed: bool = False,
) -> "Tally":
    """Fetch what the config needs and run the main job, with bars and a summary."""
    from pipeline.detection import detect as run  # only now: torch takes seconds, and a typo needs none
    from pipeline.progress import Progress
    from stages.build import build_stages, resolve

    config = resolve(config)
    say_given_people(config, sources)
    fetch_for(config)
    progress = Progress(console)
    tally = run(
        sources,
        config,
        out,
        make_stages=build_stages,
        progress=progress,
        engine=engine.value,
        address=address,
        retry_failed=retry_failed,
    )
    progress.summary(str(out))
    return tally


def say_given_people(config: "Config", sources: "list[Source]") -> None:
    """Of people from a file: whose they are not. Raises AnnotationError where that is not clear."""
    from stages.box_file import BoxFile

    detector = config.persons.detector
    if not config.persons.is_on or detector.boxes is None:
        return
    others, empty = BoxFile(Path(detector.boxes)).strangers(source.key for source in sources)
    if others:
        say_notice(f"left out: people of {count(len(others), 'video')} not among the inputs: {listed(others)}")
    if empty:
        say_notice(f"nobody in {count(len(empty), 'video')} that {detector.boxes} does not list: {listed(empty)}")


def exit_code(tally: "Tally") -> int:
    return INCOMPLETE if tally.count("partial") or tally.count("failed") else OK

"""The command `plan`."""

from pathlib import Path

from commands.console import console
from commands.detect import say_given_people
from commands.options import ConfigName, Exclude, Include, Inputs, Limit, Overrides, read_config, read_sources
from commands.plain_errors import plain_errors


def plan(
    inputs: Inputs,
    config: ConfigName = "kinetics400",
    set_: Overrides = None,
    limit: Limit = None,
    include: Include = None,
    exclude: Exclude = None,
) -> None:
    """Say what detect would do, without doing it: videos, segments, estimated work."""
    with plain_errors():
        settings, sources = read_config(config, set_), read_sources(inputs, include, exclude, limit)

        from pipeline.forecast import forecast  # only now: torch takes seconds, and a typo needs none
        from pipeline.results import ResultsFolder
        from stages.build import build_stages, resolve

        settings = resolve(settings)
        say_given_people(settings, sources)
        stages = build_stages(settings, ResultsFolder(Path("out")), run_id="plan")
        console.print(forecast(sources, stages))

"""The command `plan`."""

from pathlib import Path

from commands.console import console
from commands.detect import say_given_people
from commands.options import ConfigName, Exclude, Include, Inputs, Limit, Overrides, read_config, read_sources
from commands.plain_errors import plain_errors
from pipeline import DEFAULT_CONFIG


def plan(
    inputs: Inputs,
    config: ConfigName = DEFAULT_CONFIG,
    set_: Overrides = None,
    limit: Limit = None,
    include: Include = None,
    exclude: Exclude = None,
) -> None:
    """Say what detect would do, without doing it: videos, segments, estimated work."""
    with plain_errors():
        settings, sources = read_config(config, set_), read_sources(inputs, include, exclude, limit)

        from pipeline.plan import plan_of  # only now: torch takes seconds, and a typo needs none
        from pipeline.results import ResultsFolder
        from reports.plan_table import plan_table
        from stages.build import build_stages, resolve

        settings = resolve(settings)
        say_given_people(settings, sources)
        stages = build_stages(settings, ResultsFolder(Path("out")), run_id="plan")
        console.print(plan_table(plan_of(sources, stages)))

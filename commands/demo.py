"""The command `demo`, and the recording that it shows things on."""

from pathlib import Path

import typer

from commands.console import console
from commands.detect import exit_code, run_detection
from commands.fetching import fetch
from commands.options import ConfigName, Engine, Out, Where, read_config, read_sources
from commands.plain_errors import plain_errors
from commands.report import make_report
from pipeline import DEFAULT_CONFIG

OUT = Path("out/demo")


def demo(out: Out = OUT, config: ConfigName = DEFAULT_CONFIG, engine: Where = Engine.ray) -> None:
    """Fetch real samples, join them into one untrimmed recording, find the actions in it, and show them on a page."""
    from reports.terminal import found_actions, next_steps

    with plain_errors():
        settings = read_config(config)
        sources = read_sources([str(make_recording(out))])
        tally = run_detection(sources, settings, out, engine=engine, retry_failed=True)
        console.print(found_actions(out))
        console.print(next_steps(out), highlight=False, soft_wrap=True)
        console.print()
        make_report(out)
    raise typer.Exit(exit_code(tally))


def make_recording(out: Path) -> Path:
    """The recording, made anew in this folder. Raises WeightsError."""
    from stages.demo import demo_recording

    out.mkdir(parents=True, exist_ok=True)
    for name in ("sample_people", "sample_street"):
        fetch(name)
    return demo_recording(_recording(out))


def recording() -> Path:
    """The recording of an earlier demo, or one made now. Raises WeightsError."""
    path = _recording(OUT)
    return path if path.is_file() else make_recording(OUT)


def _recording(out: Path) -> Path:
    return out / "recording.mp4"

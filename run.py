"""The command line of untrimmed."""

import os
import signal
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from pipeline.config import Config
    from pipeline.progress import Tally
    from pipeline.records import Source

os.environ.setdefault("GOMP_SPINCOUNT", "20000")  # CPU threads wait awake but briefly: decoders need the cores

OK, STOPPED, USAGE, INCOMPLETE, INTERRUPTED = 0, 1, 2, 3, 130

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
weights_app = typer.Typer(no_args_is_help=True, help="Weights and sample videos that others publish.")
app.add_typer(weights_app, name="weights")
console = Console()
errors = Console(stderr=True)


class Engine(StrEnum):
    ray = "ray"
    local = "local"


Inputs = Annotated[list[str], typer.Argument(help="Files, folders, patterns, lists (.txt .csv .parquet) or URIs.")]
ConfigName = Annotated[str, typer.Option("--config", help="A name from configs/, or a YAML file.")]
Overrides = Annotated[list[str] | None, typer.Option("--set", help="Change a setting: section.field=value.")]
Include = Annotated[list[str] | None, typer.Option(help="Only videos whose name matches this pattern.")]
Exclude = Annotated[list[str] | None, typer.Option(help="No videos whose name matches this pattern.")]
Limit = Annotated[int | None, typer.Option(help="At most so many videos.", min=1)]
Out = Annotated[Path, typer.Option(help="Folder of the tables.")]
Where = Annotated[Engine, typer.Option("--engine", help="Ray actors, or this process alone.")]
Address = Annotated[str | None, typer.Option(help="Ray cluster to join.")]


@app.command()
def detect(
    inputs: Inputs,
    out: Out,
    config: ConfigName = "kinetics400",
    set_: Overrides = None,
    engine: Where = Engine.ray,
    address: Address = None,
    limit: Limit = None,
    include: Include = None,
    exclude: Exclude = None,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Try partial and failed videos again.")] = False,
) -> None:
    """Find actions in videos and write tables. The same command again goes on where a run was stopped."""
    with _plain_errors():
        settings = _config(config, set_)
        tally = _detect(_sources(inputs, include, exclude, limit), settings, out, engine, address, retry_failed)
    raise typer.Exit(_exit_code(tally))


@app.command()
def plan(
    inputs: Inputs,
    config: ConfigName = "kinetics400",
    set_: Overrides = None,
    limit: Limit = None,
    include: Include = None,
    exclude: Exclude = None,
) -> None:
    """Say what detect would do, without doing it: videos, segments, estimated work."""
    with _plain_errors():
        settings, sources = _config(config, set_), _sources(inputs, include, exclude, limit)

        from pipeline.forecast import forecast  # only now: torch takes seconds, and a typo needs none
        from pipeline.results import Results
        from stages.build import build_stages, resolve

        stages = build_stages(resolve(settings), Results(Path("out")), run_id="plan")
        console.print(forecast(sources, stages))


@app.command()
def demo(out: Out = Path("out/demo"), config: ConfigName = "kinetics400", engine: Where = Engine.ray) -> None:
    """Fetch real samples, join them into one untrimmed recording, find the actions in it."""
    from reports.terminal import found_actions, next_steps
    from stages.demo import demo_recording

    with _plain_errors():
        out.mkdir(parents=True, exist_ok=True)
        settings = _config(config, None)
        for name in ("sample_people", "sample_street"):
            _fetch(name)
        recording = demo_recording(out / "recording.mp4")
        tally = _detect(_sources([str(recording)], None, None, None), settings, out, engine, None, True)
        console.print(found_actions(out))
        console.print(next_steps(out), highlight=False, soft_wrap=True)
    raise typer.Exit(_exit_code(tally))


@app.command()
def bench(
    video: Annotated[str | None, typer.Argument(help="A video; the demo's recording if none is given.")] = None,
    config: ConfigName = "kinetics400_fast",
    set_: Overrides = None,
    copies: Annotated[int | None, typer.Option(help="Times an engine works the video through.", min=1)] = None,
    repeats: Annotated[int, typer.Option(help="Rounds of measurements; medians are shown.", min=1)] = 1,
    backbone: Annotated[list[str] | None, typer.Option(help="Measure this backbone alone, dense and windowed.")] = None,
) -> None:
    """Measure decode alone, backbone alone and both engines end to end, in one run; or backbones side by side."""
    from pipeline.bench import bench as measure
    from stages.build import build_stages, resolve

    with _plain_errors():
        settings = resolve(_config(config, set_))
        if backbone:
            _bench_backbones(backbone, settings, repeats)
            return
        _fetch_for(settings)
        source = _sources([video or _demo_recording()], None, None, 1)[0]
        measure(source, settings, build_stages, console, copies=copies, repeats=repeats)


@app.command()
def backbones(names: Annotated[list[str] | None, typer.Argument(help="All of them if none is given.")] = None) -> None:
    """What each backbone costs, how much of time it sees, and which weights there are for it."""
    from rich.progress import track

    from detectors.backbones import BACKBONES
    from detectors.inference.cost import cost_of
    from reports.backbones import COST_NOTES, cost_table, weights_table

    with _plain_errors():
        _known_backbones(names or ())
        chosen = names or list(BACKBONES)
        counted = track(chosen, "count", console=errors, transient=True, disable=not errors.is_terminal)
        console.print(cost_table([(name, cost_of(name)) for name in counted]))
        console.print(COST_NOTES, highlight=False)
        console.print(weights_table(chosen))


@weights_app.command("list")
def weights_list() -> None:
    """What there is, and what is in the cache."""
    from urllib.parse import urlsplit

    from detectors import weights

    with _plain_errors():
        table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False)
        table.add_column("name", no_wrap=True)
        for column in ("what", "accuracy", "licence"):
            table.add_column(column, overflow="fold")
        table.add_column("MB", justify="right")
        table.add_column("from", overflow="fold")
        table.add_column("cached")
        for name, entry, path in weights.listing():
            size_mb = "-" if entry.size is None else f"{entry.size / 1e6:.0f}"
            source = urlsplit(entry.origin).hostname or entry.origin
            row = (name, entry.description, entry.accuracy or "-", entry.licence, size_mb, source)
            table.add_row(*map(escape, row), "-" if path is None else "yes")
        console.print(table, highlight=False)
        console.print(f"cache folder: {escape(str(weights.cache_folder()))}", highlight=False, soft_wrap=True)


@weights_app.command("fetch")
def weights_fetch(
    names: Annotated[list[str] | None, typer.Argument(help="All of them if none is given.")] = None,
) -> None:
    """Bring weights into the cache, for machines that will be offline; goes on after one that cannot be had."""
    from detectors import weights

    with _plain_errors():
        failed = False
        for name in names or list(weights.WEIGHTS):
            try:
                console.print(f"{name}: {_fetch(name)}", soft_wrap=True)
            except weights.WeightsError as error:
                failed = True
                _say(error)
    if failed:
        raise typer.Exit(STOPPED)


def _detect(
    sources: "list[Source]", config: "Config", out: Path, engine: Engine, address: str | None, retry_failed: bool
) -> "Tally":
    from pipeline.detect import detect as run
    from pipeline.progress import Progress
    from stages.build import build_stages, resolve

    config = resolve(config)
    _fetch_for(config)
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


def _bench_backbones(names: list[str], config: "Config", repeats: int) -> None:
    import torch

    from detectors.inference.bench import bench, peak_tflops
    from reports.backbones import SPEED_NOTES, speed_table
    from stages.features import at_once, used_device

    _known_backbones(names, dense_only=True)
    settings = config.engine
    device = used_device(settings.device)
    if settings.threads != "auto":
        torch.set_num_threads(settings.threads)
    with console.status("load") as status:
        speeds = bench(
            names,
            device=device,
            precision=config.backbone.precision,
            compile_mode=settings.compile,
            chunk_frames=at_once(settings.compute_frames, device),
            segment_s=config.segments.length_s,
            repeats=repeats,
            told=status.update,
        )
    console.print(speed_table(speeds, peak_tflops(device, config.backbone.precision)))
    console.print(SPEED_NOTES, highlight=False)


def _known_backbones(names: Iterable[str], *, dense_only: bool = False) -> None:
    from detectors.backbones import BACKBONES, outline
    from pipeline.config import ConfigError

    for name in names:
        if name not in BACKBONES:
            raise ConfigError(f"no backbone {name!r}; one of: {', '.join(sorted(BACKBONES))}")
        if dense_only and not outline(name).contract.dense:
            raise ConfigError(f"{name} sees whole clips only: it has no dense form to be measured beside")


def _exit_code(tally: "Tally") -> int:
    return INCOMPLETE if tally.count("partial") or tally.count("failed") else OK


def _config(name: str, overrides: list[str] | None) -> "Config":
    from pipeline.config import load_config

    return load_config(name, overrides or ())


def _sources(
    inputs: list[str], include: list[str] | None, exclude: list[str] | None, limit: int | None
) -> "list[Source]":
    from pipeline.sources import list_sources

    return list_sources(inputs, include=include or (), exclude=exclude or (), limit=limit)


def _demo_recording() -> str:
    """The demo's, or one made now."""
    from stages.demo import demo_recording

    path = Path("out/demo/recording.mp4")
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        for name in ("sample_people", "sample_street"):
            _fetch(name)
        demo_recording(path)
    return str(path)


def _fetch_for(config: "Config") -> None:
    """What a resolved config needs, if it is to be fetched at all."""
    from detectors.backbones import RANDOM

    if config.backbone.weights == RANDOM:
        errors.print("backbone.weights is random: labels and scores mean nothing", style="yellow")
    else:
        _fetch(config.backbone.weights)


def _fetch(name: str) -> Path:
    """The weights' file; a download shows its progress."""
    from rich.progress import DownloadColumn, Progress, TransferSpeedColumn

    from detectors import weights

    if name not in weights.WEIGHTS or weights.cached(name) is not None:
        return weights.resolve(name)
    with Progress(*Progress.get_default_columns(), DownloadColumn(), TransferSpeedColumn(), console=console) as bars:
        task = bars.add_task(f"fetch {name}", total=None)
        return weights.fetch(name, progress=lambda done, total: bars.update(task, completed=done, total=total))


@contextmanager
def _plain_errors() -> Iterator[None]:
    """What a user can mend is told in plain lines, with the exit code that says what kind it is."""
    from detectors.weights import WeightsError
    from pipeline.config import ConfigError
    from pipeline.errors import StopRun
    from pipeline.sources import InputError

    signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    except (ConfigError, InputError) as error:
        _say(error)
        raise typer.Exit(USAGE) from None
    except (StopRun, WeightsError) as error:
        _say(error)
        raise typer.Exit(STOPPED) from None
    except KeyboardInterrupt:
        _say("interrupted: what is committed stays; give the same command again to go on")
        raise typer.Exit(INTERRUPTED) from None


def _interrupt(*_: Any) -> None:
    raise KeyboardInterrupt


def _say(message: object) -> None:
    errors.print(escape(str(message)), style="red", highlight=False, soft_wrap=True)


if __name__ == "__main__":
    sys.exit(app())

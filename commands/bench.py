"""The command `bench`: a whole run measured, or backbones alone."""

from typing import TYPE_CHECKING, Annotated

import typer

from commands.backbones import check_backbones
from commands.console import console
from commands.demo import recording
from commands.fetching import fetch_for
from commands.options import ConfigName, Overrides, read_config, read_sources
from commands.plain_errors import plain_errors

if TYPE_CHECKING:
    from pipeline.settings import Config


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
    from reports.bench_table import NOTES, bench_table, subject_line
    from stages.build import build_stages, resolve

    with plain_errors():
        settings = resolve(read_config(config, set_))
        if backbone:
            _bench_backbones(backbone, settings, repeats)
            return
        fetch_for(settings)
        source = read_sources([video or str(recording())], limit=1)[0]
        with console.status("load the backbone") as status:
            measured = measure(source, settings, build_stages, status.update, copies=copies, repeats=repeats)
        console.print(subject_line(measured), highlight=False)
        console.print(bench_table(measured.rounds))
        console.print(NOTES, highlight=False)


def _bench_backbones(names: list[str], config: "Config", repeats: int) -> None:
    import torch

    from detectors.inference.bench import bench, peak_tflops
    from reports.backbones import SPEED_NOTES, speed_table
    from stages.features import at_once, used_device

    check_backbones(names, dense_only=True)
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

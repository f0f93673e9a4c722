"""The command `visualize`."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands.backbones import check_backbones
from commands.console import console, errors
from commands.fetching import fetch_for
from commands.notices import print_line
from commands.plain_errors import plain_errors

if TYPE_CHECKING:
    from collections.abc import Callable

    from detectors.backbones.contract import Backbone, Contract
    from detectors.visualization import Ascent
    from pipeline.settings import Config

USUAL_SIDE = 112  # pixels: a quarter of what 224 cost, and a person is still seen
NEAR_NAMES = 3


class Speed(StrEnum):
    slow = "slow"
    fast = "fast"
    both = "both"


class Device(StrEnum):
    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


def visualize(
    classes: Annotated[list[str], typer.Option("--class", help="A class by its exact name; may be given repeatedly.")],
    backbone: Annotated[str, typer.Option(help="A network with class scores; see `backbones`.")] = "i3d",
    weights: Annotated[str, typer.Option(help="auto (the published ones), a name, or a file.")] = "auto",
    out: Annotated[Path, typer.Option(help="Image to write, .gif or .webp; with several, each has its name added.")] = (
        Path("out/visualization.gif")
    ),
    speed: Annotated[Speed, typer.Option(help="How smooth in time: slow motion, fast motion, or an image of each.")] = (
        Speed.both
    ),
    frames: Annotated[int | None, typer.Option(help="Length; the network's own if not given.", min=2, max=1024)] = None,
    side: Annotated[int | None, typer.Option(help="Pixels of a side; 112 or what it takes.", min=32, max=1024)] = None,
    steps: Annotated[int, typer.Option(help="Steps of gradient ascent.", min=1)] = 100,
    seed: Annotated[int, typer.Option(help="Of the noise it begins with, and of the shifts.", min=0)] = 0,
    device: Annotated[Device, typer.Option(help="auto: a GPU if there is one.")] = Device.auto,
    sheet: Annotated[bool, typer.Option("--sheet", help="Also a .png of eight frames beside each image.")] = False,
) -> None:
    """Show what a network has learned a class to look like: a clip made from noise so that the score rises."""
    from detectors.visualization import SPEEDS, ascend
    from reports.animation import write_animation, write_sheet
    from stages.features import used_device

    with plain_errors():
        _check_options(out, device)
        network = _load(_config(backbone, weights))
        frames, side = _size(backbone, network.contract, frames, side)
        wanted = [(name, one) for name in _known(classes, network.contract, backbone) for one in _speeds(speed)]
        places = _places(out, wanted)
        for (name, one), path in zip(wanted, places, strict=True):
            with _bar(f"{name}, {one}", steps) as told:
                ascent = ascend(
                    network,
                    network.contract.class_names.index(name),
                    frames=frames,
                    side=side,
                    steps=steps,
                    smoothness=SPEEDS[one],
                    seed=seed,
                    device=used_device(device.value),
                    told=told,
                )
            write_animation(ascent.frames_THWC, path, rate=network.contract.rate)
            if sheet:
                write_sheet(ascent.frames_THWC, path.with_suffix(".png"))
            print_line(_line(path, name, one, ascent))


def _check_options(out: Path, device: Device) -> None:
    """Raises ConfigError."""
    import torch

    from pipeline.config import ConfigError
    from reports.animation import FORMATS

    if out.suffix.lower() not in FORMATS:
        raise ConfigError(f"--out: give a name that ends in {' or '.join(FORMATS)}, got {str(out)!r}")
    if device is Device.cuda and not torch.cuda.is_available():
        raise ConfigError("--device: there is no GPU here that torch can use; choose cpu")


def _config(backbone: str, weights: str) -> "Config":
    """With what is meant by `auto`, and by a file that `train backbone` made. Raises ConfigError."""
    from detectors.backbones import PUBLISHED, outline
    from pipeline.config import ConfigError
    from pipeline.settings import BackboneSettings, Config
    from stages.build import resolve_features
    from stages.names import named_weights

    check_backbones([backbone])
    if outline(backbone).head is None:
        raise ConfigError(f"--backbone: {backbone} classifies boxes, not whole pictures; choose another")
    weights = named_weights("--weights", weights, PUBLISHED[backbone], backbone)
    return resolve_features(Config(backbone=BackboneSettings(name=backbone, weights=weights)))


def _load(config: "Config") -> "Backbone":
    """Raises WeightsError."""
    from detectors import backbones, weights

    fetch_for(config)
    with console.status("load the backbone"):
        path = weights.resolve(config.backbone.weights)
        return backbones.load(config.backbone.name, path, **config.backbone.design.given)


def _size(backbone: str, contract: "Contract", frames: int | None, side: int | None) -> tuple[int, int]:
    """Frames and pixels that the network takes. Raises ConfigError."""
    from pipeline.config import ConfigError

    frames = frames or contract.clip_frames
    if contract.dense and frames % contract.stride:
        raise ConfigError(f"--frames: {backbone} takes multiples of {contract.stride}, got {frames}")
    if not contract.dense and frames != contract.clip_frames:
        raise ConfigError(f"--frames: {backbone} takes {contract.clip_frames} frames only, got {frames}")
    side = side or (contract.short_side if contract.square else min(USUAL_SIDE, contract.short_side))
    if contract.square and side != contract.short_side:
        raise ConfigError(f"--side: {backbone} takes pictures of {contract.short_side} pixels only, got {side}")
    return frames, side


def _known(classes: Sequence[str], contract: "Contract", backbone: str) -> list[str]:
    """Each class once, as the network calls it. Raises ConfigError."""
    from difflib import get_close_matches

    from pipeline.config import ConfigError

    for name in classes:
        if name not in contract.class_names:
            near = [one for one in contract.class_names if name.lower() in one.lower()][:NEAR_NAMES]
            near = near or get_close_matches(name, contract.class_names, n=NEAR_NAMES, cutoff=0.5)
            hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else "; see its list of classes"
            raise ConfigError(f"--class: {name!r} is none of the {len(contract.class_names)} of {backbone}{hint}")
    return list(dict.fromkeys(classes))


def _speeds(speed: Speed) -> list[str]:
    return [Speed.slow.value, Speed.fast.value] if speed is Speed.both else [speed.value]


def _places(out: Path, wanted: Sequence[tuple[str, str]]) -> list[Path]:
    """One image goes to `out` itself; of several each has its class and speed in its name. Raises ConfigError.

    Their folder is made: one that cannot be is to be told of before the work.
    """
    from pipeline.config import ConfigError

    in_names = {name: re.sub(r"\W+", "_", name).strip("_") for name, _ in wanted}
    places = [out.with_stem(f"{out.stem}-{in_names[name]}-{one}") for name, one in wanted]
    if len(set(places)) < len(places):
        raise ConfigError("--class: two of the names make the same file name; give them one at a time")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"--out: {out.parent} cannot be made: {error.strerror}; choose another place") from None
    return places if len(places) > 1 else [out]


@contextmanager
def _bar(what: str, steps: int) -> "Iterator[Callable[[int], None]]":
    """A bar on a terminal, nothing elsewhere; gives what is to be told how many steps are done."""
    from rich.markup import escape
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal) as bars:
        task = bars.add_task(escape(what), total=steps)
        yield lambda done: bars.update(task, completed=done)


def _line(path: Path, name: str, speed: str, ascent: "Ascent") -> str:
    return f"{path}: {name}, {speed}: probability {ascent.score_before:.1%} before, {ascent.score_after:.1%} after"

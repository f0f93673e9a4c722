"""The command `families`: kinds of video networks side by side, what each costs and sees, and how well each learns."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands.annotated_videos import annotated_sources, probed
from commands.backbones import check_backbones
from commands.console import console, errors
from commands.notices import count, listed, print_line, say_notice
from commands.options import Overrides
from commands.plain_errors import plain_errors

if TYPE_CHECKING:
    from detectors.inference.traits import Traits
    from pipeline.settings import Config
    from reports.families import FamiliesProgress
    from reports.families_results import Results
    from training.clips import ClipSplits

    Given = tuple[Path, list[str]]  # annotations and videos

RECORDINGS = 240


class Data(StrEnum):
    order = "order"
    appearance = "appearance"
    both = "both"


def families(
    names: Annotated[list[str] | None, typer.Argument(help="Of any backbones; all families if none is given.")] = None,
    train: Annotated[bool, typer.Option("--train", help="Train each on clips, all under one budget.")] = False,
    data: Annotated[
        Data | None,
        typer.Option(help="Made here: moving shapes told by order, by appearance; both if nothing is given."),
    ] = None,
    annotations: Annotated[Path | None, typer.Option(help="Your own instead: annotated spans.")] = None,
    videos: Annotated[list[str] | None, typer.Option(help="The annotated videos: files, folders, patterns.")] = None,
    out: Annotated[Path, typer.Option(help="Folder of what --train makes.")] = Path("out/families"),
    recordings: Annotated[int, typer.Option(help="Recordings of moving shapes to make.", min=2)] = RECORDINGS,
    set_: Overrides = None,
) -> None:
    """What each family of networks costs and sees; with --train also how well it learns, by the same budget as others.

    A network that is done is not trained again: the same command goes on where it was stopped.
    """
    with plain_errors():
        from detectors.backbones import FAMILIES

        check_backbones(names or ())
        _check(train, data, annotations, videos)
        chosen = list(dict.fromkeys(names or FAMILIES))
        if train:
            own = {annotations.stem: (annotations, videos or [])} if annotations else None
            configs = _trainable(chosen, set_ or [], of_shapes=own is None)
            _train(configs, own or _made(data or Data.both, out, recordings), out)
        else:
            _show(chosen, set_ or [])


def _check(train: bool, data: Data | None, annotations: Path | None, videos: list[str] | None) -> None:
    from pipeline.config import ConfigError

    if not train and (data or annotations or videos):
        raise ConfigError("--data, --annotations and --videos are of --train; give that too")
    if annotations and data:
        raise ConfigError("--data is made here, --annotations are your own: leave one of them out")
    if bool(annotations) != bool(videos):
        raise ConfigError(f"{'--videos is' if annotations else '--annotations are'} missing: both or neither")


def _show(names: Sequence[str], overrides: Sequence[str]) -> None:
    from rich.progress import track

    from reports.families import TRAIT_NOTES, trait_table
    from training.compare import config_of

    configs = [config_of(name, overrides) for name in names]
    looked_at = track(configs, "look", console=errors, transient=True, disable=not errors.is_terminal)
    found = [_traits(config) for config in looked_at]
    console.print(trait_table([one for one in found if one is not None]))
    console.print(TRAIT_NOTES, highlight=False)


def _traits(config: "Config") -> "Traits | None":
    """Says so where the network cannot be made."""
    from detectors.inference.traits import traits_of

    name, side = config.backbone.name, config.frames.short_side
    try:
        return traits_of(name, side=None if side == "auto" else side, **config.backbone.design.given)
    except ValueError as error:
        say_notice(f"{name} is left out: {error}")
        return None


def _made(data: Data, out: Path, recordings: int) -> "dict[str, Given]":
    """Moving shapes, made unless they are there."""
    from rich.progress import Progress

    from training.moving_shapes import CLASSES
    from training.shape_recordings import make_shapes

    folder = out / f"shapes_{recordings}"
    paths = {kind: folder / f"{kind}.csv" for kind in CLASSES}
    if not all(path.is_file() for path in paths.values()):
        with Progress(console=errors, transient=True, disable=not errors.is_terminal) as bars:
            task = bars.add_task("make recordings", total=recordings)
            make_shapes(folder, videos=recordings, told=lambda done: bars.update(task, completed=done))
    kinds = list(CLASSES) if data is Data.both else [data.value]
    return {kind: (paths[kind], [str(folder)]) for kind in kinds}


def _trainable(names: Sequence[str], overrides: Sequence[str], *, of_shapes: bool) -> "dict[str, Config]":
    """By the budget and what the user changes of it. Raises ConfigError."""
    from detectors.backbones import outline
    from pipeline.config import ConfigError
    from training.compare import BUDGET, SHAPES_BUDGET, SUITED, config_of, trainable

    budget = [*BUDGET, *(SHAPES_BUDGET if of_shapes else ())]
    silent = [name for name in names if of_shapes and outline(name).contract.sound_per_frame]
    if silent:
        say_notice(f"left out, since shapes make no sound: {listed(silent)}")
    if len(silent) == len(names):
        raise ConfigError("no network is left to train: name others, or give --annotations of recordings with sound")
    return {
        name: trainable(config_of(name, [*budget, *SUITED.get(name, ()), *overrides]))
        for name in names
        if name not in silent
    }


def _train(configs: "Mapping[str, Config]", sets: "Mapping[str, Given]", out: Path) -> None:
    """Every network on every data set, with a row written as soon as one is done."""
    from reports.families import FamiliesProgress, result_table, trait_table
    from reports.families_results import Results

    results = Results(out)
    traits = {name: found for name, config in configs.items() if (found := _traits(config)) is not None}
    console.print(trait_table(traits.values()))
    for data, (annotations, videos) in sets.items():
        splits = _splits(next(iter(configs.values())), data, annotations, videos)
        with FamiliesProgress(console, data, len(traits)) as progress:
            for name, own in traits.items():
                _train_one(configs[name], own, splits, data, annotations, results, progress)
    console.print(result_table([row for row in results.rows if row["data"] in sets]))
    print_line(f"table: {results.table}; picture: {results.picture}; trained networks: {out}")


def _train_one(
    config: "Config",
    traits: "Traits",
    splits: "ClipSplits",
    data: str,
    annotations: Path,
    results: "Results",
    progress: "FamiliesProgress",
) -> None:
    """Unless that was done before."""
    import torch

    from stages.features import used_device
    from training.compare import settings_hash, train_one
    from training.loop import Told

    progress.begin(traits.name, config.training.epochs)
    if (earlier := results.of(data, settings_hash(config, splits))) is not None:
        progress.done(earlier, earlier=True)
        return
    if config.engine.threads != "auto":
        torch.set_num_threads(config.engine.threads)
    device, told = used_device(config.engine.device), Told(progress.step, progress.epoch)
    outcome = train_one(config, splits, results.folder, data=data, device=device, told=told, source=str(annotations))
    progress.done(results.add(outcome, traits))


def _splits(config: "Config", data: str, annotations: Path, videos: list[str]) -> "ClipSplits":
    """Of every network the same. Raises AnnotationError, StopRun."""
    from annotations.read import read_annotations
    from training.compare import splits_of

    ground_truth = read_annotations(annotations)
    splits = splits_of(config, ground_truth, probed(annotated_sources(ground_truth.spans.videos, videos)))
    for notice in splits.notices:
        say_notice(notice)
    print_line(
        f"{data}: {count(len(splits.training), 'action')} to train on, {len(splits.validation)} to validate on; "
        f"{len(splits.class_names)} classes"
    )
    return splits

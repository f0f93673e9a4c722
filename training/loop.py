"""The training itself: epochs of steps, each epoch validated and saved."""

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from evaluation.temporal import temporal_map
from pipeline.errors import StopRun
from pipeline.localizer_settings import LocalizerSettings
from pipeline.training_settings import AugmentationSettings, TrainingSettings
from training.augment import crops_of, long_enough, varied
from training.batch import Batch, collate
from training.objectives import OBJECTIVES, class_weights
from training.state import TrainingState
from training.validate import found_in, truth_of
from training.videos import AnnotatedVideo, Lesson

SEEDS_APART = 1_000_003


@dataclass(frozen=True, slots=True)
class Told:
    """Whom the loop tells how it goes."""

    step: Callable[[int, int], None]  # steps done of an epoch, and how many there are
    epoch: Callable[[dict[str, Any]], None]  # a row of metrics


def run_training(
    network: nn.Module,
    lessons: Sequence[Lesson],
    validation: Sequence[AnnotatedVideo],
    *,
    localizer: LocalizerSettings,
    settings: TrainingSettings,
    class_names: Sequence[str],
    device: str,
    checkpoint: Path,
    identity: str,
    told: Told,
) -> TrainingState:
    """Train to the end, from the checkpoint on if there is one. Raises StopRun.

    `identity` tells this training from others; on a CPU the same seed gives the same weights, killed in between or not.
    """
    augmentation = long_enough(settings.augmentation, lessons)
    order = [number for number, lesson in enumerate(lessons) for _ in range(crops_of(lesson, augmentation))]
    steps = -(-len(order) // settings.batch)
    state = TrainingState(network.to(device), settings, steps_an_epoch=steps)
    if checkpoint.exists():
        state.restore(checkpoint, identity)
    labels_G = np.concatenate([lesson.labels_G for lesson in lessons])
    weights_K = class_weights(labels_G, len(class_names), balance=settings.class_balance).to(device)
    truth = truth_of(validation, class_names)

    def losses_of(batch: Batch) -> dict[str, Tensor]:
        with autocast(settings, device):
            return OBJECTIVES[localizer.name](network, batch.to(device), weights_K)

    while not state.is_over:
        started = time.monotonic()
        network.train()
        batches = _batches(lessons, order, settings, augmentation, state.epoch)
        row = an_epoch(state, map(losses_of, batches), steps, told)
        if validation and (state.epoch % settings.validate_every == 0 or state.epoch == settings.epochs):
            found = found_in(validation, state.averaged, localizer, class_names, device)
            judged = temporal_map(truth, found, settings.tious)
            row |= {f"map_{tiou:g}": float(one) for tiou, one in zip(judged.tious, judged.map_T, strict=True)}
            row["average_map"] = float(judged.average_map)
            state.chosen.consider(state.epoch, row["average_map"], state.averaged)
        elif not validation:
            state.chosen.take(state.epoch, state.averaged)
        row["seconds"] = time.monotonic() - started
        state.history.append(row)
        state.save(checkpoint, identity)
        told.epoch(row)
    return state


def an_epoch(state: TrainingState, losses: Iterable[Mapping[str, Tensor]], steps: int, told: Told) -> dict[str, Any]:
    """A step for each of the losses, made one after the other; a row of metrics."""
    row: dict[str, Any] = {"epoch": state.epoch + 1, "learning_rate": state.learning_rate}
    sums: dict[str, float] = {}
    for number, by_name in enumerate(losses):
        for name, loss in by_name.items():
            sums[name] = sums.get(name, 0.0) + float(loss.detach())
        if not math.isfinite(sum(sums.values())):
            raise StopRun(f"epoch {state.epoch + 1}: the loss is not finite; choose a smaller training.learning_rate")
        state.update(sum(by_name.values(), torch.zeros(())))
        told.step(number + 1, steps)
    state.epoch += 1
    return row | {f"loss_{name}": total / steps for name, total in sums.items()}


def autocast(settings: TrainingSettings, device: str) -> AbstractContextManager[Any]:
    """The precision that steps are computed in."""
    narrow = settings.precision == "bfloat16" or (settings.precision == "auto" and device == "cuda")
    return torch.autocast(device, dtype=torch.bfloat16) if narrow else nullcontext()


def _batches(
    lessons: Sequence[Lesson],
    order: Sequence[int],
    settings: TrainingSettings,
    augmentation: AugmentationSettings,
    epoch: int,
) -> Iterator[Batch]:
    """An epoch's, in an order and with variations that only the seed and the epoch decide."""
    rng = np.random.default_rng([settings.seed, epoch])
    torch.manual_seed(settings.seed * SEEDS_APART + epoch)  # of dropout and of sampling
    shuffled = rng.permutation(order)
    for first in range(0, len(shuffled), settings.batch):
        chosen = shuffled[first : first + settings.batch]
        yield collate([varied(lessons[number], augmentation, rng) for number in chosen])

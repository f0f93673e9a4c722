"""From annotated actions in videos to a backbone that tells clips of them apart, in one file.

Shape letters: N clips, K classes.
"""

import copy
import hashlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from detectors import weights
from detectors.backbones.contract import Backbone, Criterion
from detectors.backbones.trained import TrainedBackbone, save_trained_backbone
from detectors.memory_format import channels_last
from detectors.web_file import sha256_of
from pipeline.settings import Config
from pipeline.tables import storing
from pipeline.training_settings import TrainingSettings
from training.begin_backbone import begin, rates_of
from training.clip_batches import ClipBatch, decoded, inputs_of, training_batches
from training.clip_footage import ClipReader
from training.clips import ClipSplits
from training.loop import SEEDS_APART, Told, an_epoch, autocast
from training.objectives import class_weights
from training.place import Place
from training.provenance import made_now
from training.state import ONE_RATE, TrainingState
from training.validate_clips import Accuracy, accuracy_of, labels_of, probabilities_of, write_found


@dataclass(frozen=True, eq=False, slots=True)
class BackboneTraining:
    """What came of it."""

    state: TrainingState
    accuracy: Accuracy  # of the kept weights on the validation actions


def train_backbone(
    config: Config, splits: ClipSplits, place: Place, *, device: str, told: Told, source: str
) -> BackboneTraining:
    """Train by a resolved config, or go on, and write the backbone. Raises ConfigError before, StopRun during it."""
    settings = config.training
    torch.manual_seed(settings.seed)
    network = begin(config, splits.class_names)
    reader = ClipReader(config, network.contract)
    reader.keep((*splits.training, *splits.validation), settings.clips.memory_gb)
    identity = _identity(config, splits)
    place.make_folder()
    state = _run(network, reader, config, splits, place.checkpoint, identity, device=device, told=told)
    kept = copy.deepcopy(network)
    kept.load_state_dict(state.chosen.weights)
    probabilities_GK = probabilities_of(splits.validation, kept, reader, settings, device)
    accuracy = accuracy_of(probabilities_GK, labels_of(splits.validation))
    trained = TrainedBackbone(
        name=config.backbone.name,
        design=config.backbone.design.given,
        class_names=splits.class_names,
        frames=config.frames.model_dump(mode="json"),
        provenance=_provenance(config, splits, state, accuracy) | {"annotations": source},
        state={name: tensor.contiguous() for name, tensor in state.chosen.weights.items()},
    )
    with storing(place.model.parent):
        save_trained_backbone(trained, place.model)
    write_found(splits.validation, probabilities_GK, splits.class_names, place.folder / "validation.csv")
    return BackboneTraining(state, accuracy)


def _run(
    network: Backbone,
    reader: ClipReader,
    config: Config,
    splits: ClipSplits,
    checkpoint: Path,
    identity: str,
    *,
    device: str,
    told: Told,
) -> TrainingState:
    """To the end, from the checkpoint on if there is one; on a CPU the same seed gives the same weights."""
    settings = config.training
    still = still_blocks(network, settings.clips.blocks)
    network = channels_last(network.to(device))
    steps = len(training_batches(splits.training, reader, settings, 0))
    state = TrainingState(network, settings, steps_an_epoch=steps, rates=_rates(config))
    if checkpoint.exists():
        state.restore(checkpoint, identity)
    criterion = criterion_of(splits, settings, device)

    def losses() -> Iterator[dict[str, Tensor]]:
        torch.manual_seed(settings.seed * SEEDS_APART + state.epoch)  # of dropout and of sampling
        for batch in decoded(reader, training_batches(splits.training, reader, settings, state.epoch)):
            yield losses_of(network, batch, criterion, settings, device)

    while not state.is_over:
        started = time.monotonic()
        network.train()
        for block in still:
            block.eval()
        row = an_epoch(state, losses(), steps, told)
        carry_statistics(network, state.averaged)
        if state.epoch % settings.validate_every == 0 or state.epoch == settings.epochs:
            assert isinstance(state.averaged, Backbone)
            probabilities_GK = probabilities_of(splits.validation, state.averaged, reader, settings, device)
            accuracy = accuracy_of(probabilities_GK, labels_of(splits.validation))
            row |= {"accuracy": accuracy.top1, "class_accuracy": accuracy.class_mean}
            state.chosen.consider(state.epoch, accuracy.top1, state.averaged)
        row["seconds"] = time.monotonic() - started
        state.history.append(row)
        state.save(checkpoint, identity)
        told.epoch(row)
    return state


def still_blocks(network: Backbone, learning: int | None) -> list[nn.Module]:
    """Those before the last so many: they do not learn, and keep their statistics."""
    still = [] if learning is None else network.blocks()[:-learning]
    for block in still:
        block.requires_grad_(False)
    return still


def criterion_of(splits: ClipSplits, settings: TrainingSettings, device: str) -> Criterion:
    """Cross-entropy in which rare classes count more."""
    labels_G = labels_of(splits.training)
    weights_K = class_weights(labels_G, len(splits.class_names), balance=settings.class_balance).to(device)

    def criterion(logits_NK: Tensor, labels_N: Tensor) -> Tensor:
        return functional.cross_entropy(
            logits_NK.float(), labels_N, weight=weights_K, label_smoothing=settings.clips.label_smoothing
        )

    return criterion


def losses_of(
    network: Backbone, batch: ClipBatch, criterion: Criterion, settings: TrainingSettings, device: str
) -> dict[str, Tensor]:
    """What a step minimises, by name."""
    inputs = inputs_of(batch, network.contract, device)
    labels_N = torch.tensor([one.action.label for one in batch.drawn], device=device)
    with autocast(settings, device):
        return network.losses(criterion, labels_N, *inputs)


def carry_statistics(network: nn.Module, averaged: nn.Module) -> None:
    """The averaged weights see what the latest do, so batch norms have the statistics of these."""
    with torch.no_grad():
        for mean, now in zip(averaged.buffers(), network.buffers(), strict=True):
            mean.copy_(now)


def _rates(config: Config) -> dict[str, float]:
    if config.backbone.weights == weights.RANDOM:
        return dict(ONE_RATE)
    return dict(rates_of(config.backbone.name, config.backbone.design.given, config.training.clips.given_rate))


def _identity(config: Config, splits: ClipSplits) -> str:
    """Hash of all that determines the weights."""
    others = {"finetune", "head", "augmentation", "tious", "features", "batch", "split"}
    settings = config.training.model_dump(mode="json", exclude={**dict.fromkeys(others, True), "clips": _NO_MATTER})
    image_weights = config.training.clips.image_weights
    given = [weights.digest(config.backbone.weights), image_weights and sha256_of(Path(image_weights))]
    network = [
        config.backbone.name,
        config.backbone.design.given,
        splits.class_names,
        config.frames.model_dump(mode="json"),
    ]
    actions = [
        [(one.video.fingerprint, one.start_s, one.stop_s, one.label) for one in actions]
        for actions in (splits.training, splits.validation)
    ]
    return hashlib.sha256(json.dumps([settings, given, network, actions], sort_keys=True).encode()).hexdigest()


_NO_MATTER = {"memory_gb", "image_weights"}  # by its content, not by its name


def _provenance(config: Config, splits: ClipSplits, state: TrainingState, accuracy: Accuracy) -> dict[str, Any]:
    return {
        **made_now(config.training, state),
        "began_with": config.backbone.weights,
        "training_actions": len(splits.training),
        "validation_actions": len(splits.validation),
        "accuracy": accuracy.top1,
        "class_accuracy": accuracy.class_mean,
        "top5_accuracy": accuracy.top5,
    }

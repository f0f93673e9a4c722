"""Fine-tuning: a detector and the last blocks of its backbone learn together, from pictures.

The loss is that of the detector's own training; so is all of a step but where the features come from.
"""

import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from detectors.backbones.contract import Backbone
from detectors.memory_format import channels_last
from pipeline.training_settings import TrainingSettings
from training.batch import Example, collate
from training.footage import features_of
from training.loop import SEEDS_APART, Told, an_epoch, autocast
from training.objectives import OBJECTIVES, class_weights
from training.state import TrainingState
from training.stretches import Stretch, Stretches


class EndToEnd(nn.Module):
    """A backbone whose last blocks learn, and the detector on its features."""

    def __init__(self, backbone: Backbone, network: nn.Module, *, blocks: int) -> None:
        super().__init__()
        backbone.requires_grad_(False)
        for block in backbone.blocks()[-blocks:]:
            block.requires_grad_(True)
        self.backbone: Backbone = channels_last(backbone)
        self.network = network

    def train(self, mode: bool = True) -> "EndToEnd":
        """The backbone's batch norms keep their statistics: one stretch is too little to tell any."""
        super().train(mode)
        self.backbone.eval()
        return self


def run_finetuning(
    pair: EndToEnd,
    stretches: Stretches,
    *,
    localizer: str,
    num_classes: int,
    settings: TrainingSettings,
    device: str,
    checkpoint: Path,
    identity: str,
    told: Told,
) -> EndToEnd:
    """The averaged weights at the end; goes on from the checkpoint if there is one. Raises StopRun."""
    state = _state(pair.to(device), settings, stretches.batches)
    if checkpoint.exists():
        state.restore(checkpoint, identity)
    labels_G = np.concatenate([lesson.labels_G for lesson in stretches.lessons])
    weights_K = class_weights(labels_G, num_classes, balance=settings.class_balance).to(device)

    def losses_of(batch: list[Stretch]) -> dict[str, Tensor]:
        with autocast(settings, device):
            examples = [_example(pair.backbone, stretch, device) for stretch in batch]
            return OBJECTIVES[localizer](pair.network, collate(examples).to(device), weights_K)

    while not state.is_over:
        started = time.monotonic()
        pair.train()
        torch.manual_seed(settings.seed * SEEDS_APART + state.epoch)  # of dropout and of sampling
        batches = stretches.of_epoch(state.epoch, pair.backbone.contract.stride)
        row = an_epoch(state, map(losses_of, batches), stretches.batches, told)
        row["seconds"] = time.monotonic() - started
        state.history.append(row)
        state.save(checkpoint, identity)
        told.epoch(row)
    assert isinstance(state.averaged, EndToEnd)
    return state.averaged.eval()


def _state(pair: EndToEnd, settings: TrainingSettings, batches: int) -> TrainingState:
    """As in the detector's own training, but for the learning rates and that it never ends early."""
    tuning = settings.finetune
    changes = {"epochs": tuning.epochs, "warmup_epochs": 0, "learning_rate": tuning.detector_learning_rate}
    rates = {"network.": 1.0, "backbone.": tuning.learning_rate / tuning.detector_learning_rate}
    return TrainingState(pair, settings.model_copy(update=changes), steps_an_epoch=batches, rates=rates)


def _example(backbone: Backbone, stretch: Stretch, device: str) -> Example:
    lesson = stretch.lesson
    shown_S = torch.from_numpy(lesson.shown_S)
    features_SC = features_of(backbone, stretch.footage, device).cpu() * shown_S[:, None]
    spans_G2 = torch.from_numpy(lesson.spans_G2.astype(np.float32))
    return Example(features_SC, shown_S, spans_G2, torch.from_numpy(lesson.labels_G))

"""All that a training is after an epoch, on disk whole or not at all, so that a killed one goes on as if it never was.

Randomness is no part of it: every epoch begins with seeds of its own.
"""

import copy
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from detectors.checkpoints import MALFORMED
from pipeline.errors import StopRun
from pipeline.tables import publish, storing
from pipeline.training_settings import TrainingSettings

TOLERANCE = 0.005  # of two epochs with nearly the same mAP the later one is taken: its weights have settled more

ONE_RATE: Mapping[str, float] = MappingProxyType({"": 1.0})


@dataclass(eq=False, slots=True)
class Chosen:
    """The averaged weights that are to be kept, so far."""

    epoch: int = 0
    average_map: float = -1.0  # of that epoch, below 0 if none was validated
    best_map: float = -1.0  # of any epoch
    best_epoch: int = 0
    weights: dict[str, Tensor] = field(default_factory=dict)

    def consider(self, epoch: int, average_map: float, network: nn.Module) -> None:
        if average_map > self.best_map:
            self.best_map, self.best_epoch = average_map, epoch
        if average_map >= self.best_map - TOLERANCE:
            self.average_map = average_map
            self.take(epoch, network)

    def take(self, epoch: int, network: nn.Module) -> None:
        self.epoch = epoch
        self.weights = {name: tensor.detach().cpu().clone() for name, tensor in network.state_dict().items()}


class TrainingState:
    """Network, running average of its weights, optimizer, and what has come of it."""

    def __init__(
        self,
        network: nn.Module,
        settings: TrainingSettings,
        *,
        steps_an_epoch: int,
        rates: Mapping[str, float] = ONE_RATE,
    ) -> None:
        """`rates`: what share of the learning rate parameters have, by how their names begin."""
        self.settings = settings
        self.network = network
        self.averaged = copy.deepcopy(network).requires_grad_(False)
        self.optimizer = _adamw(network, settings, rates)
        self.rates = [rate for rate in rates.values() for _ in ("decaying", "not decaying")]
        self.total_steps = steps_an_epoch * settings.epochs
        self.warmup_steps = steps_an_epoch * settings.warmup_epochs
        self.epoch = 0  # epochs done
        self.step = 0
        self.chosen = Chosen()
        self.history: list[dict[str, Any]] = []

    @property
    def is_over(self) -> bool:
        waited = self.epoch - self.chosen.best_epoch
        return self.epoch >= self.settings.epochs or (self.chosen.best_epoch > 0 and waited >= self.settings.patience)

    @property
    def learning_rate(self) -> float:
        """Rises in a straight line, then falls along half a cosine."""
        rate = self.settings.learning_rate
        if self.step < self.warmup_steps:
            return rate * (self.step + 1) / self.warmup_steps
        passed = (self.step - self.warmup_steps) / max(1, self.total_steps - self.warmup_steps)
        return rate * 0.5 * (1 + math.cos(math.pi * passed))

    def update(self, loss: Tensor) -> None:
        """One step of the optimizer, and of the average."""
        for group, rate in zip(self.optimizer.param_groups, self.rates, strict=True):
            group["lr"] = self.learning_rate * rate
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.network.parameters(), self.settings.clip_norm)
        self.optimizer.step()
        self.step += 1
        keep = min(self.settings.ema, (1 + self.step) / (4 + self.step))  # at first the average follows at once
        with torch.no_grad():
            for mean, now in zip(self.averaged.parameters(), self.network.parameters(), strict=True):
                mean.lerp_(now, 1 - keep)

    def save(self, path: Path, identity: str) -> None:
        """Raises StopRun when the disk refuses."""
        content = {
            "identity": identity,
            "network": self.network.state_dict(),
            "averaged": self.averaged.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "epoch": self.epoch,
            "step": self.step,
            "chosen": {name: getattr(self.chosen, name) for name in Chosen.__slots__},
            "history": self.history,
        }
        temp = path.with_name(f".{path.name}.tmp")
        with storing(path.parent):
            torch.save(content, temp)
            publish(temp, path)

    def restore(self, path: Path, identity: str) -> None:
        """Go on from a checkpoint. Raises StopRun if it is of another training."""
        try:
            content = torch.load(path, map_location="cpu", weights_only=True)
            same = isinstance(content, dict) and content["identity"] == identity
        except (*MALFORMED, OSError):
            raise StopRun(f"{path} cannot be read: remove it to begin anew, or choose another --out") from None
        if not same:
            raise StopRun(
                f"{path} is of a training with other settings, annotations or videos: "
                "choose another --out, or remove it to begin anew"
            )
        self.network.load_state_dict(content["network"])
        self.averaged.load_state_dict(content["averaged"])
        self.optimizer.load_state_dict(content["optimizer"])
        self.epoch, self.step, self.history = content["epoch"], content["step"], content["history"]
        self.chosen = Chosen(**content["chosen"])


def _adamw(network: nn.Module, settings: TrainingSettings, names: Iterable[str]) -> torch.optim.AdamW:
    """Weights decay, biases and scales do not."""
    groups = []
    for beginning in names:
        named = network.named_parameters()
        own = [one for name, one in named if name.startswith(beginning) and one.requires_grad]
        groups += [
            {"params": [one for one in own if one.ndim > 1], "weight_decay": settings.weight_decay},
            {"params": [one for one in own if one.ndim <= 1], "weight_decay": 0.0},
        ]
    return torch.optim.AdamW(groups, lr=settings.learning_rate)

"""The learning rate, the averaged weights, and which of them are kept."""

from typing import Any

import pytest
import torch
from torch import nn

from pipeline.training_settings import TrainingSettings
from training.state import TOLERANCE, Chosen, TrainingState

pytestmark = pytest.mark.usefixtures("one_thread")


def state(**settings: Any) -> TrainingState:
    defaults = {"epochs": 3, "warmup_epochs": 1, "learning_rate": 0.1, "weight_decay": 0.0}
    return TrainingState(nn.Linear(1, 1), TrainingSettings(**{**defaults, **settings}), steps_an_epoch=4)


def loss_of(one: TrainingState) -> torch.Tensor:
    return (one.network(torch.ones(1, 1)) - 7.0).square().sum()


def test_the_learning_rate_rises_in_a_line_and_falls_along_a_cosine() -> None:
    one, rates = state(), []
    for _ in range(12):
        rates.append(one.learning_rate)
        one.update(loss_of(one))
    assert rates[:5] == pytest.approx([0.025, 0.05, 0.075, 0.1, 0.1])
    assert rates[8] == pytest.approx(0.05) and one.learning_rate == pytest.approx(0.0)
    assert one.optimizer.param_groups[0]["lr"] == rates[-1] > 0


def test_the_average_follows_at_first_and_then_slowly() -> None:
    one = state(ema=0.9)
    expected = one.averaged.weight.clone()
    for step in range(1, 31):
        one.update(loss_of(one))
        keep = min(0.9, (1 + step) / (4 + step))
        expected = keep * expected + (1 - keep) * one.network.weight
    torch.testing.assert_close(one.averaged.weight, expected)


def test_gradients_are_clipped() -> None:
    one = state()
    one.update(1e6 * loss_of(one))
    norm = torch.cat([parameter.grad.flatten() for parameter in one.network.parameters()]).norm()
    assert norm == pytest.approx(one.settings.clip_norm, rel=1e-3)


def test_biases_do_not_decay() -> None:
    one = state(weight_decay=0.5, learning_rate=0.1)
    with torch.no_grad():
        for parameter in one.network.parameters():
            parameter.fill_(1.0)
    one.update(0.0 * loss_of(one))
    assert one.network.bias.item() == 1.0 and one.network.weight.item() == pytest.approx(1 - 0.025 * 0.5)


def test_of_nearly_equal_epochs_the_later_is_kept_and_never_a_worse_one() -> None:
    chosen, network = Chosen(), nn.Linear(1, 1)
    for epoch, average_map in enumerate([0.2, 0.5, 0.5 - TOLERANCE / 2, 0.5 - 2 * TOLERANCE, 0.3], start=1):
        with torch.no_grad():
            network.weight.fill_(epoch)
        chosen.consider(epoch, average_map, network)
    assert (chosen.epoch, chosen.best_epoch, chosen.best_map) == (3, 2, 0.5)
    assert chosen.average_map == 0.5 - TOLERANCE / 2 and chosen.weights["weight"].item() == 3

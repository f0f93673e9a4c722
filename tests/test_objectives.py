"""What networks minimise: finite whatever a batch holds, and blind to what is no part of it.

Shape letters: S steps, C channels.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from feature_videos import CHANNELS, anchor_free, enlivened, made, rcnn
from torch import Tensor, nn
from torch.nn import functional

from detectors.temporal.step_probe import StepProbe
from training.batch import Example, collate
from training.objectives import MOST_FOR_RARE, OBJECTIVES, class_weights

pytestmark = pytest.mark.usefixtures("one_thread")

NETWORKS: dict[str, Any] = {
    "anchor_free": anchor_free,
    "temporal_rcnn": lambda: rcnn(stream_channels=(5, 3)),
    "step_probe": lambda: enlivened(StepProbe(in_channels=CHANNELS, num_classes=3), 0),
}
ALL = pytest.mark.parametrize("name", NETWORKS)


def example(num_steps: int, *actions: tuple[float, float, int], lost: slice = slice(0, 0)) -> Example:
    shown_S = torch.ones(num_steps, dtype=torch.bool)
    shown_S[lost] = False
    spans = torch.tensor([action[:2] for action in actions]).view(-1, 2).float()
    labels = torch.tensor([action[2] for action in actions], dtype=torch.int64)
    return Example(torch.from_numpy(made(num_steps)) * shown_S[:, None], shown_S, spans, labels)


def losses_of(name: str, network: nn.Module, *examples: Example) -> dict[str, Tensor]:
    torch.manual_seed(0)
    return OBJECTIVES[name](network, collate(examples), torch.tensor([0.5, 1.0, 2.0]))


BATCHES = {
    "usual": [example(40, (3.0, 12.0, 0), (20.5, 28.0, 2)), example(25, (0.0, 9.0, 1))],
    "no actions": [example(40), example(25)],
    "everything lost": [example(40, (3.0, 12.0, 0), lost=slice(None)), example(25, lost=slice(None))],
    "an action in the dark": [example(40, (3.0, 12.0, 0), lost=slice(0, 20)), example(30)],
    "one step": [example(1, (0.0, 1.0, 1))],
    "longer and shorter than all": [example(30, (0.0, 30.0, 0), (11.0, 11.05, 1), (11.01, 11.02, 2))],
    "one on the other": [example(30, (4.0, 14.0, 0), (4.0, 14.0, 1), (5.0, 13.0, 0))],
    "mixed": [example(30, lost=slice(None)), example(1), example(50, (3.0, 12.0, 0))],
}


@ALL
@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("narrow", [False, True])
def test_losses_and_gradients_are_finite(name: str, batch: str, narrow: bool) -> None:
    network = NETWORKS[name]().train()
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=narrow):
        losses = losses_of(name, network, *BATCHES[batch])
    total = sum(losses.values(), torch.zeros(()))
    total.backward()
    assert all(bool(torch.isfinite(loss)) and loss >= 0 for loss in losses.values()), losses
    assert total > 0 or batch == "everything lost"
    for key, parameter in network.named_parameters():
        assert parameter.grad is None or bool(torch.isfinite(parameter.grad).all()), key


@ALL
def test_every_parameter_learns(name: str) -> None:
    network = NETWORKS[name]().train()
    sum(losses_of(name, network, *BATCHES["usual"]).values(), torch.zeros(())).backward()
    idle = [key for key, one in network.named_parameters() if one.grad is None or not one.grad.any()]
    assert idle == []


@ALL
def test_what_lost_steps_hold_changes_nothing(name: str) -> None:
    network = NETWORKS[name]()
    before = example(40, (3.0, 12.0, 0), (20.5, 28.0, 2), lost=slice(25, 33))
    features_SC = before.features_SC.clone()
    features_SC[25:33] = 50.0
    after = Example(features_SC, before.shown_S, before.spans_G2, before.labels_G)
    assert losses_of(name, network, before) == losses_of(name, network, after)


@ALL
def test_padding_changes_nothing(name: str) -> None:
    network, batch = NETWORKS[name](), collate(BATCHES["usual"])
    features_NCS, shown_N1S = (functional.pad(one, (0, 33)) for one in (batch.features_NCS, batch.shown_N1S))
    losses = []
    for one in (batch, replace(batch, features_NCS=features_NCS, shown_N1S=shown_N1S)):
        torch.manual_seed(0)
        losses.append(OBJECTIVES[name](network, one, torch.ones(3)))
    torch.testing.assert_close(*losses)


def test_a_network_that_is_right_loses_less() -> None:
    """Of the probe, whose answers can be written down."""
    network = StepProbe(in_channels=CHANNELS, num_classes=3)
    features_SC = torch.zeros(20, CHANNELS)
    features_SC[5:9, 0] = 1.0
    one = Example(features_SC, torch.ones(20, dtype=torch.bool), torch.tensor([[5.0, 9.0]]), torch.tensor([0]))
    with torch.no_grad():
        network.linear.weight.zero_()
        network.linear.bias.copy_(torch.tensor([0.0, 0.0, 0.0, 5.0]))
        before = losses_of("step_probe", network, one)["class"]
        network.linear.weight[0, 0] = 10.0
        assert losses_of("step_probe", network, one)["class"] < 0.1 * before


def test_rare_classes_weigh_more_by_the_root_of_how_rare_they_are() -> None:
    labels = np.repeat([0, 1, 2], [100, 25, 1])
    weights = class_weights(labels, 4, balance=True).numpy()
    assert weights[1] / weights[0] == pytest.approx(2.0) and weights[2] / weights[0] == pytest.approx(MOST_FOR_RARE)
    assert (weights[labels]).mean() == pytest.approx(1.0, abs=0.05)
    assert class_weights(labels, 4, balance=False).tolist() == [1.0] * 4

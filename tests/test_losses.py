"""Losses against formulas by hand and torchvision's; finite gradients whatever comes."""

import math

import pytest
import torch
from torchvision.ops import sigmoid_focal_loss

from training.losses import distance_iou, sigmoid_focal, weighted_cross_entropy

pytestmark = pytest.mark.usefixtures("one_thread")


def test_focal_loss_equals_torchvisions() -> None:
    generator = torch.Generator().manual_seed(0)
    logits_MK = 4 * torch.randn(50, 7, generator=generator)
    targets_MK = (torch.rand(50, 7, generator=generator) < 0.2).float()
    for alpha, gamma in ((0.25, 2.0), (0.5, 0.0), (0.75, 1.5)):
        expected_MK = sigmoid_focal_loss(logits_MK, targets_MK, alpha=alpha, gamma=gamma, reduction="none")
        torch.testing.assert_close(sigmoid_focal(logits_MK, targets_MK, alpha=alpha, gamma=gamma), expected_MK)


def test_focal_loss_by_hand() -> None:
    logit = torch.tensor([[math.log(0.8 / 0.2)]])
    hit, miss = 0.25 * 0.2**2 * -math.log(0.8), 0.75 * 0.8**2 * -math.log(0.2)
    assert sigmoid_focal(logit, torch.ones(1, 1)).item() == pytest.approx(hit)
    assert sigmoid_focal(logit, torch.zeros(1, 1)).item() == pytest.approx(miss)


@pytest.mark.parametrize(
    ("found", "wanted", "loss"),
    [
        ((3.0, 5.0), (3.0, 5.0), 0.0),
        ((3.0, 5.0), (1.0, 5.0), 1 - 6 / 8 + (1 / 8) ** 2),  # (-3, 5) against (-1, 5): middles 1 and 2
        ((1.0, 4.0), (2.0, 2.0), 1 - 3 / 6 + (1.5 / 6) ** 2),
        ((0.0, 4.0), (4.0, 0.0), 1 - 0 / 8 + (4 / 8) ** 2),
    ],
)
def test_distance_iou_by_hand(found: tuple[float, float], wanted: tuple[float, float], loss: float) -> None:
    assert distance_iou(torch.tensor([found]), torch.tensor([wanted])).item() == pytest.approx(loss)


def test_distance_iou_falls_towards_the_target() -> None:
    wanted_M2 = torch.tensor([[4.0, 6.0]]).expand(50, 2)
    found_M2 = torch.tensor([0.5, 12.0]) + torch.linspace(0, 1, 50)[:, None] * torch.tensor([3.5, -6.0])
    assert (distance_iou(found_M2, wanted_M2).diff() < 0).all()


def test_gradients_are_finite_for_degenerate_input() -> None:
    found_M2 = torch.tensor([[0.0, 0.0], [0.0, 0.0], [1e-30, 1e-30], [1e18, 1e18], [2.0, 2.0]], requires_grad=True)
    wanted_M2 = torch.tensor([[0.0, 0.0], [1.0, 1.0], [1e-30, 0.0], [1e-3, 1e-3], [2.0, 2.0]])
    logits_MK = torch.tensor([[-200.0, 200.0, 0.0], [200.0, -200.0, 1e30]], requires_grad=True)
    losses = [
        distance_iou(found_M2, wanted_M2),
        sigmoid_focal(logits_MK, torch.tensor([[1.0, 0.0, 0.5], [1.0, 0.0, 0.0]])),
    ]
    sum(loss.sum() for loss in losses).backward()
    for tensor in (*losses, found_M2.grad, logits_MK.grad):
        assert torch.isfinite(tensor).all()


def test_weighted_cross_entropy_is_torchs_and_0_of_nothing() -> None:
    logits_MK, labels_M = torch.randn(9, 4), torch.arange(9) % 4
    weights_K = torch.tensor([0.5, 2.0, 1.0])
    expected = torch.nn.functional.cross_entropy(logits_MK, labels_M, weight=torch.tensor([0.5, 2.0, 1.0, 1.0]))
    torch.testing.assert_close(weighted_cross_entropy(logits_MK, labels_M, weights_K), expected)
    assert weighted_cross_entropy(logits_MK[:0], labels_M[:0], weights_K).item() == 0.0

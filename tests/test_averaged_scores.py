"""Scores of several streams: the mean of their probabilities, and lessons for each alone."""

import torch
from torch.nn import functional

from detectors.backbones.families.averaged_scores import AveragedScores


def made() -> AveragedScores:
    torch.manual_seed(0)
    return AveragedScores({"spatial": 3, "temporal": 5}, 4)


def test_probabilities_are_the_mean_of_the_streams() -> None:
    head, features = made(), torch.randn(2, 7, 8)
    spatial = head.streams["spatial"](features[..., :3]).softmax(-1)
    temporal = head.streams["temporal"](features[..., 3:]).softmax(-1)
    torch.testing.assert_close(head(features).exp(), (spatial + temporal) / 2)
    torch.testing.assert_close(head(features).softmax(-1), (spatial + temporal) / 2)


def test_scores_stay_finite_where_streams_are_sure() -> None:
    head = made()
    assert torch.isfinite(head(1e4 * torch.randn(6, 8))).all()


def test_each_stream_has_a_loss_of_its_own_that_reaches_only_its_features() -> None:
    head, features_NC = made(), torch.randn(6, 8, requires_grad=True)
    losses = head.losses(functional.cross_entropy, torch.arange(6) % 4, features_NC)
    assert list(losses) == ["spatial", "temporal"]
    losses["temporal"].backward()
    assert features_NC.grad is not None
    assert not features_NC.grad[:, :3].any() and features_NC.grad[:, 3:].any()

"""Claims about span-of-interest pooling: it is RoIAlign in one dimension, and has the right gradient."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from detectors.temporal.soi_pooling import MAX_SAMPLES, soi_pool


def slow_pooling(features_CS: np.ndarray, start: float, stop: float, bins: int) -> np.ndarray:
    """The definition, sample by sample: (C, B)."""
    num_steps = features_CS.shape[1]
    length = max(stop - start, 0.0) / bins
    count = min(max(math.ceil(length), 1), MAX_SAMPLES)
    pooled = np.zeros((len(features_CS), bins))
    for number in range(bins):
        samples = []
        for sample in range(count):
            position = start + (number + (sample + 0.5) / count) * length - 0.5  # in step middles
            if position < -1 or position > num_steps:
                samples.append(np.zeros(len(features_CS)))
                continue
            position = min(max(position, 0.0), num_steps - 1.0)
            left = int(position)
            right = min(left + 1, num_steps - 1)
            part = position - left
            samples.append(features_CS[:, left] * (1 - part) + features_CS[:, right] * part)
        pooled[:, number] = np.max(samples, axis=0)
    return pooled


def made(count: int, *, seed: int = 0, num_steps: int = 37) -> tuple[Tensor, Tensor, Tensor]:
    """Features of 3 sequences, and spans in them: inside, over both ends, beyond them, tiny and longer than all."""
    rng = np.random.default_rng(seed)
    middles, lengths = rng.uniform(-8, num_steps + 8, count), np.exp(rng.uniform(-3, 6, count))
    spans = np.stack([middles - lengths / 2, middles + lengths / 2], axis=1)
    features = torch.from_numpy(rng.standard_normal((3, 5, num_steps)))
    return features, torch.from_numpy(rng.integers(0, 3, count)), torch.from_numpy(spans)


@pytest.mark.parametrize("bins", [1, 4, 7])
def test_pooling_equals_its_definition(bins: int) -> None:
    features, sequence, spans = made(300)
    pooled = soi_pool(features, sequence, spans, bins=bins)
    for row, (start, stop) in enumerate(spans.tolist()):
        expected = slow_pooling(features[sequence[row]].numpy(), start, stop, bins)
        np.testing.assert_allclose(pooled[row].numpy(), expected, atol=1e-9)
    single = soi_pool(features.float(), sequence, spans, bins=bins)
    np.testing.assert_allclose(single.numpy(), pooled.numpy(), atol=1e-5)


def test_gradient_is_that_of_the_function() -> None:
    features, sequence, _ = made(6, num_steps=12)
    spans = torch.tensor([[1.3, 8.9], [0.2, 2.1], [-3.1, 4.4], [5.2, 5.9], [-2.3, 17.8], [6.6, 11.7]]).double()
    assert torch.autograd.gradcheck(
        lambda features, spans: soi_pool(features, sequence, spans, bins=4),
        (features[..., :12].clone().requires_grad_(), spans.requires_grad_()),
    )


def test_a_span_is_pooled_alike_in_any_company() -> None:
    features, sequence, spans = made(50)
    together = soi_pool(features, sequence, spans, bins=7)
    alone = [soi_pool(features, sequence[row : row + 1], spans[row : row + 1], bins=7) for row in range(50)]
    assert torch.equal(together, torch.cat(alone))


def test_a_constant_inside_stays_the_constant() -> None:
    features = torch.full((1, 2, 30), 3.0)
    assert torch.equal(
        soi_pool(features, torch.zeros(1, dtype=torch.int64), torch.tensor([[2.0, 27.5]]), bins=7),
        torch.full((1, 2, 7), 3.0),
    )


def test_nothing_to_pool_is_no_error() -> None:
    features = torch.zeros(1, 4, 10)
    assert soi_pool(features, torch.zeros(0, dtype=torch.int64), torch.zeros(0, 2), bins=7).shape == (0, 4, 7)


def test_by_hand() -> None:
    ramp = torch.arange(10.0)[None, None]
    spans = torch.tensor([[2.0, 4.0], [1.0, 7.0], [-1.0, 1.0], [8.0, 12.0], [20.0, 22.0], [3.0, 3.0]])
    pooled = soi_pool(ramp, torch.zeros(6, dtype=torch.int64), spans, bins=2)
    assert pooled[:, 0].tolist() == [[2, 3], [3, 6], [0, 0], [9, 9], [0, 0], [2.5, 2.5]]


def test_a_padded_sequence_ends_where_it_ended() -> None:
    features, _, _ = made(0, num_steps=7)
    padded = torch.cat([features, torch.zeros(3, 5, 5).double()], dim=2)
    spans = torch.tensor([[5.0, 7.0], [6.0, 8.0], [4.0, 30.0], [7.5, 9.0]]).double()
    rows = torch.tensor([1, 1, 1, 1])
    found = soi_pool(padded, rows, spans, bins=3, num_steps_N=torch.tensor([12, 7, 12]))
    assert torch.equal(found, soi_pool(features, rows, spans, bins=3))


def test_pooling_is_as_exact_far_along_a_sequence() -> None:
    features, sequence, spans = made(100)
    far = torch.cat([torch.zeros(3, 5, 5000), features.float(), torch.zeros(3, 5, 100)], dim=2)
    near = torch.cat([torch.zeros(3, 5, 100), features.float(), torch.zeros(3, 5, 100)], dim=2)
    short = (spans[:, 1] - spans[:, 0] < 150)[:, None]  # neither sequence ends within it
    found = soi_pool(far, sequence, spans + 5000, bins=7) * short[..., None]
    np.testing.assert_allclose(found, soi_pool(near, sequence, spans + 100, bins=7) * short[..., None], atol=1e-5)


def test_the_last_digit_of_a_round_length_changes_little() -> None:
    features, sequence, _ = made(4)
    spans = torch.tensor([[3.0, 15.0], [1.5, 29.5], [-8.0, 8.0], [30.0, 46.0]]).double()
    for apart in (-1e-9, 1e-9):
        wider = spans + torch.tensor([-apart, apart])
        found = soi_pool(features, sequence, wider, bins=4)
        torch.testing.assert_close(found, soi_pool(features, sequence, spans, bins=4), atol=1e-7, rtol=0)

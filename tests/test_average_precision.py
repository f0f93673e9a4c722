"""interpolated_ap by hand."""

import numpy as np
import pytest

from evaluation.average_precision import interpolated_ap

HITS_15 = np.array([[1, 0, 1, 0, 1]], dtype=bool)


@pytest.mark.parametrize(("num_truth", "ap"), [(3, 0.755556), (4, 0.566667)])
def test_hit_miss_hit_miss_hit(num_truth: int, ap: float) -> None:
    np.testing.assert_allclose(interpolated_ap(HITS_15, num_truth), [ap], atol=1e-6)


def test_precision_is_made_monotone() -> None:
    # Precision at the hits is 1/2 and 2/3; the first hit gets the better one that is to come.
    assert interpolated_ap(np.array([[0, 1, 1]], dtype=bool), 2) == pytest.approx([2 / 3])


def test_nothing_predicted_is_zero_at_every_threshold() -> None:
    assert interpolated_ap(np.zeros((2, 0), dtype=bool), 3).tolist() == [0, 0]


def test_normalised_by_its_own_count_is_plain() -> None:
    plain = interpolated_ap(HITS_15, 4)
    assert interpolated_ap(HITS_15, 4, norm_count=4.0) == pytest.approx(plain)


def test_normalised_by_hand() -> None:
    # Recall 1/4 and 2/4, no miss and one miss: precision 1 and 2*.5 / (2*.5 + 1) = 1/2.
    assert interpolated_ap(np.array([[1, 0, 1]], dtype=bool), 4, norm_count=2.0) == pytest.approx([0.25 + 0.25 / 2])

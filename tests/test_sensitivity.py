"""by_length by hand-made cases, and what must hold on the golden set."""

import numpy as np
import pytest
from labelled import golden_found, golden_truth, nothing_found, spans

from evaluation.sensitivity import by_length

SHORT, MIDDLE, LONG = ("a", 0, 3, "run"), ("a", 20, 30, "run"), ("a", 100, 200, "run")
EDGES_S = (0.0, 3.0, 6.0, 12.0, 18.0, np.inf)  # as DETAD has them for THUMOS


def test_bins_hold_what_is_above_their_low_edge_up_to_their_high_one() -> None:
    lengths_s = [0.5, 3, 3.1, 6, 12, 18, 18.1, 500]
    truth = spans([("a", 0, length, "run") for length in lengths_s])
    assert by_length(truth, nothing_found(), edges_s=EDGES_S).num_truth_B.tolist() == [2, 2, 1, 1, 2]


def test_recall_and_normalised_map_by_hand() -> None:
    truth = spans([SHORT, MIDDLE, LONG, ("b", 0, 10, "jump")])
    found = spans([(*MIDDLE, 0.9), ("a", 50, 60, "run", 0.8), (*LONG, 0.7)])
    result = by_length(truth, found, edges_s=EDGES_S)
    assert result.num_truth_B.tolist() == [1, 0, 2, 0, 1]
    np.testing.assert_equal(result.recall_B, [0, np.nan, 0.5, np.nan, 1])
    assert result.recall == 0.5
    # The mean count is 2. M: "run" has precision 1 at recall 1, "jump" nothing. XL: after one miss, 1*2 / (1*2 + 1).
    np.testing.assert_allclose(result.map_normalised_B, [0, np.nan, 0.5, np.nan, 2 / 3])
    # "run" over all: recall 1/3 at precision 1, then 2/3 at (2/3 * 2) / (2/3 * 2 + 1).
    assert result.map_normalised == pytest.approx((1 / 3 + 1 / 3 * 4 / 7) / 2)


def test_prediction_that_took_another_bins_instance_is_no_false_positive() -> None:
    result = by_length(spans([MIDDLE, LONG]), spans([(*MIDDLE, 0.9), (*LONG, 0.7)]), edges_s=EDGES_S)
    np.testing.assert_allclose(result.map_normalised_B, [np.nan, np.nan, 1, np.nan, 1])


def test_without_edges_each_bin_holds_a_fifth() -> None:
    truth = golden_truth()
    result = by_length(truth, golden_found())
    assert result.num_truth_B.sum() == len(truth)
    assert (abs(result.num_truth_B - len(truth) / 5) <= 3).all()
    assert result.recall == pytest.approx((result.recall_B * result.num_truth_B).sum() / len(truth))


@pytest.mark.filterwarnings("error")
def test_truth_without_length_is_in_no_bin() -> None:
    result = by_length(spans([("a", 5, 5, "run"), ("a", 9, 7, "run")]), nothing_found())
    assert (result.num_in_no_bin, result.num_truth_B.sum(), result.recall) == (2, 0, 0)


@pytest.mark.filterwarnings("error")
def test_no_truth_is_nan() -> None:
    result = by_length(spans([]), golden_found())
    assert np.isnan([result.recall, result.map_normalised, *result.recall_B, *result.map_normalised_B]).all()


def test_wrong_edges_are_refused() -> None:
    truth = golden_truth()
    with pytest.raises(ValueError, match="6 rising numbers"):
        by_length(truth, nothing_found(), edges_s=[0, 1, 2])
    with pytest.raises(ValueError, match="6 rising numbers"):
        by_length(truth, nothing_found(), edges_s=[0, 5, 4, 3, 2, 1])

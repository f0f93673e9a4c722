"""temporal_map against ActivityNet's own figures (temporal_map_small.json), hand cases and properties."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from labelled import GOLDEN, LABELS, VIDEOS, golden_found, golden_truth, nothing_found, spans

from evaluation.matching import match
from evaluation.temporal import PROTOCOLS, temporal_map


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_equals_the_official_code(protocol: str) -> None:
    expected = GOLDEN["expected"][protocol]
    result = temporal_map(golden_truth(), golden_found(), PROTOCOLS[protocol])
    assert result.protocol == protocol
    np.testing.assert_allclose(result.tious, expected["tiou"], atol=1e-12)
    np.testing.assert_allclose(result.map_T, expected["mAP"], atol=1e-9)
    assert result.average_map == pytest.approx(expected["average_mAP"], abs=1e-9)
    at_half = result.tious.index(0.5)
    assert {label: ap_T[at_half] for label, ap_T in result.per_class.items()} == pytest.approx(expected["ap_at_0_5"])
    assert (result.num_truth, result.num_found) == (len(GOLDEN["truth"]), len(GOLDEN["found"]))


@pytest.mark.parametrize(("num_truth", "ap"), [(3, 0.755556), (4, 0.566667)])
def test_hit_miss_hit_miss_hit(num_truth: int, ap: float) -> None:
    truth = spans([("a", 20 * number, 20 * number + 10, "run") for number in range(num_truth)])
    starts = [0, 100, 20, 100, 40]
    found = spans([("a", start, start + 10, "run", 1 - place / 10) for place, start in enumerate(starts)])
    result = temporal_map(truth, found, [0.5])
    assert result.protocol == "custom"
    assert result.average_map == pytest.approx(ap, abs=1e-6)


def test_class_without_predictions_counts_zero_and_one_without_truth_does_not_count() -> None:
    truth = spans([("a", 0, 10, "run"), ("b", 0, 10, "jump")])
    found = spans([("a", 0, 10, "run", 0.9), ("a", 0, 10, "swim", 0.9)])
    result = temporal_map(truth, found, [0.5])
    assert {label: ap_T.tolist() for label, ap_T in result.per_class.items()} == {"run": [1], "jump": [0]}
    assert (result.average_map, result.num_found) == (0.5, 2)


def test_prediction_in_a_listed_video_without_truth_is_false_one_in_an_unlisted_is_told() -> None:
    truth = spans([("a", 0, 10, "run")])
    right = ("a", 0, 10, "run", 0.8)
    in_listed = temporal_map(truth, spans([("b", 0, 10, "run", 0.9), right]), [0.5])
    in_unlisted = temporal_map(truth, spans([("x", 0, 10, "run", 0.9), right], ("a", "x")), [0.5])
    assert (in_listed.average_map, in_listed.left_out.videos) == (0.5, {})
    assert (in_unlisted.average_map, in_unlisted.left_out.videos) == (1.0, {"x": 1})


def test_truth_without_length_counts_and_is_never_found() -> None:
    truth = spans([("a", 0, 10, "run"), ("a", 5, 5, "run")])
    found = spans([("a", 0, 10, "run", 0.9), ("a", 5, 5, "run", 0.8)])
    assert temporal_map(truth, found, [0.5]).average_map == 0.5


def test_nothing_found_is_zero() -> None:
    assert temporal_map(golden_truth(), nothing_found(), PROTOCOLS["thumos"]).map_T.tolist() == [0] * 5


@pytest.mark.filterwarnings("error")
def test_no_truth_is_nan_and_no_class() -> None:
    result = temporal_map(spans([]), spans([("a", 0, 10, "run", 0.9)]), PROTOCOLS["thumos"])
    assert math.isnan(result.average_map)
    assert np.isnan(result.map_T).all()
    assert result.per_class == {}


truth_row = st.tuples(st.sampled_from(VIDEOS), st.integers(0, 15), st.integers(1, 15), st.sampled_from(LABELS)).map(
    lambda row: (row[0], row[1], row[1] + row[2], row[3])
)
found_row = st.tuples(truth_row, st.integers(0, 9)).map(lambda pair: (*pair[0], float(pair[1])))
truths = st.lists(truth_row, min_size=1, max_size=10)
founds = st.lists(found_row, min_size=1, max_size=25)


@settings(deadline=None)
@given(truths, founds)
def test_without_a_false_positive_no_ap_is_lower(truth_rows: list[tuple], found_rows: list[tuple]) -> None:
    truth = spans(truth_rows)
    matches = match(truth, spans(found_rows), np.array([0.5]))
    before = temporal_map(truth, matches.found, [0.5])
    for place in np.flatnonzero(matches.truth_TN[0] < 0):
        after = temporal_map(truth, matches.found.where(np.arange(len(matches.found)) != place), [0.5])
        assert all(after.per_class[label] >= ap_T for label, ap_T in before.per_class.items())


@settings(deadline=None)
@given(truths, founds)
def test_only_the_order_of_scores_matters(truth_rows: list[tuple], found_rows: list[tuple]) -> None:
    stretched = [(*row[:4], math.exp(row[4]) - 3) for row in found_rows]
    plain, other = (temporal_map(spans(truth_rows), spans(rows), [0.3, 0.7]) for rows in (found_rows, stretched))
    assert plain.map_T.tolist() == other.map_T.tolist()


@settings(deadline=None)
@given(truths, st.randoms())
def test_the_truth_as_predictions_is_perfect(truth_rows: list[tuple], random) -> None:
    found = spans([(*row, random.random()) for row in truth_rows])
    assert temporal_map(spans(truth_rows), found, PROTOCOLS["activitynet"]).map_T == pytest.approx([1.0] * 10)

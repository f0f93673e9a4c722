"""error_profile by hand-made cases of each kind, and what must hold on the golden set."""

import numpy as np
import pytest
from labelled import golden_found, golden_truth, nothing_found, spans

from evaluation.error_profile import Kind, error_profile
from evaluation.temporal import PROTOCOLS, temporal_map

TRUTH = [("a", 0, 10, "run"), ("a", 100, 110, "jump")]
RIGHT = ("a", 0, 10, "run", 0.9)


@pytest.mark.parametrize(
    ("row", "kind"),
    [
        (("a", 0, 9, "run"), Kind.DOUBLE_DETECTION),
        (("a", 100, 110, "run"), Kind.WRONG_LABEL),
        (("a", 6, 16, "run"), Kind.LOCALIZATION),
        (("a", 8, 18, "run"), Kind.LOCALIZATION),
        (("a", 8.5, 18.5, "run"), Kind.BACKGROUND),
        (("a", 106, 116, "run"), Kind.CONFUSION),
        (("a", 50, 60, "run"), Kind.BACKGROUND),
        (("b", 0, 10, "run"), Kind.BACKGROUND),
        (("a", 5, 5, "run"), Kind.BACKGROUND),
        (("a", 0, 10, "run"), Kind.DOUBLE_DETECTION),
    ],
)
def test_kind_of_a_false_positive(row: tuple, kind: Kind) -> None:
    profile = error_profile(spans(TRUTH), spans([RIGHT, (*row, 0.5)]))
    # One ground truth a class: each step holds one prediction of "run".
    assert profile.counts_SK[0].tolist() == np.eye(len(Kind), dtype=int)[Kind.TRUE_POSITIVE].tolist()
    assert profile.counts_SK[1].tolist() == np.eye(len(Kind), dtype=int)[kind].tolist()
    assert profile.counts_SK[2:].sum() == 0


def test_threshold_moves_localization_errors_among_the_hits() -> None:
    found = spans([("a", 0, 6, "run", 0.9)])
    assert error_profile(spans(TRUTH), found, tiou=0.6).counts_SK[0, Kind.TRUE_POSITIVE] == 1
    assert error_profile(spans(TRUTH), found, tiou=0.7).counts_SK[0, Kind.LOCALIZATION] == 1


def test_own_label_wins_where_two_classes_annotate_the_same_span() -> None:
    truth = spans([("a", 0, 10, "run"), ("a", 0, 10, "jump")])
    found = spans([("a", 0, 10, "jump", 0.9), ("a", 0, 10, "jump", 0.8), ("a", 0, 2, "jump", 0.7)])
    counts_SK = error_profile(truth, found).counts_SK
    assert counts_SK[:3].argmax(axis=1).tolist() == [Kind.TRUE_POSITIVE, Kind.DOUBLE_DETECTION, Kind.LOCALIZATION]


@pytest.mark.parametrize(("stop", "kind"), [(10, Kind.WRONG_LABEL), (4, Kind.CONFUSION)])
def test_label_of_the_most_overlapped_counts_though_the_own_is_near(stop: float, kind: Kind) -> None:
    truth = spans([("a", 0, 20, "run"), ("a", 0, 10, "jump")])
    assert error_profile(truth, spans([("a", 0, stop, "run", 0.9)]), tiou=0.7).counts_SK[0, kind] == 1


def test_average_map_is_of_the_best_ten_for_each_ground_truth() -> None:
    truth = spans([("a", 0, 10, "run")])
    wrong = [("b", 0, 10, "run", 0.95)] * 10
    assert error_profile(truth, spans([*wrong[1:], RIGHT])).average_map == pytest.approx(0.1)
    assert error_profile(truth, spans([*wrong, RIGHT])).average_map == 0


def test_steps_hold_as_many_as_the_class_has_ground_truths_and_end_at_ten() -> None:
    truth = spans([("a", 0, 10, "run"), ("a", 20, 30, "run"), ("a", 40, 50, "jump")])
    found = spans(
        [("b", 0, 10, label, 1 - place / 100) for label in ("run", "jump", "swim") for place in range(25)]
        + [("a", 0, 10, "run", 0.1)]
    )
    counts_SK = error_profile(truth, found).counts_SK
    assert counts_SK[:, Kind.BACKGROUND].tolist() == [3] * 10
    assert counts_SK.sum() == 30


def test_shares_of_the_best() -> None:
    profile = error_profile(spans(TRUTH), spans([RIGHT, ("a", 50, 60, "run", 0.8), ("a", 106, 116, "run", 0.7)]))
    assert profile.counts_SK[1].tolist() == [0, 0, 0, 0, 0, 1] and profile.counts_SK[3:].sum() == 0
    np.testing.assert_allclose(profile.top_shares[2], [1 / 3, 0, 0, 0, 1 / 3, 1 / 3])
    np.testing.assert_allclose(profile.top_shares.sum(axis=1), 1)
    assert np.isnan(error_profile(spans(TRUTH), nothing_found()).top_shares).all()


def test_gain_is_what_the_average_map_grows_by() -> None:
    found = spans([("a", 50, 60, "run", 0.95), RIGHT, ("a", 100, 110, "jump", 0.9)])
    profile = error_profile(spans(TRUTH), found, tious=[0.5, 0.7])
    assert profile.average_map == 0.75
    assert profile.gains_K.tolist() == [0, 0, 0, 0, 0, 0.25]
    # Both classes have the mean count of ground truths, so that normalising changes nothing.
    assert error_profile(spans(TRUTH), found, tious=[0.5, 0.7], normalised=True).gains_K.tolist() == [0] * 5 + [0.25]


def test_normalised_gain_by_hand() -> None:
    truth = spans([("a", 0, 10, "run"), ("a", 20, 30, "run"), ("a", 40, 50, "run"), ("a", 100, 110, "jump")])
    found = spans([("a", 70, 80, "run", 0.95), RIGHT])
    # The mean count is 2: precision of "run" at its hit is (1/3 * 2) / (1/3 * 2 + 1) = 0.4, recall 1/3.
    profile = error_profile(truth, found, tious=[0.5], normalised=True)
    assert profile.average_map == pytest.approx(0.4 / 3 / 2)
    assert profile.gains_K[Kind.BACKGROUND] == pytest.approx((1 - 0.4) / 3 / 2)


def test_golden_set_counts_every_judged_prediction_and_gains_nothing_below_zero() -> None:
    truth, found = golden_truth(), golden_found()
    profile = error_profile(truth, found, tious=PROTOCOLS["thumos"])
    # No class has more than ten predictions for each ground truth, so that all are judged.
    assert profile.counts_SK.sum() == len(found)
    assert profile.average_map == pytest.approx(temporal_map(truth, found, PROTOCOLS["thumos"]).average_map)
    assert (profile.gains_K[1:] > 0).all()


@pytest.mark.filterwarnings("error")
def test_nothing_found_and_nothing_there() -> None:
    empty = error_profile(golden_truth(), nothing_found())
    assert (empty.counts_SK.sum(), empty.average_map, empty.gains_K.tolist()) == (0, 0, [0] * 6)
    no_truth = error_profile(spans([]), spans([RIGHT]))
    assert no_truth.counts_SK.sum() == 0
    assert np.isnan(no_truth.average_map)


def test_what_is_left_out_is_told() -> None:
    truth = spans([("a", 0, 10, "run")], ("a",), ("run",))
    assert error_profile(truth, spans([("a", 0, 1, "fly", 0.5)], ("a",), ("fly",))).left_out.labels == {"fly": 1}

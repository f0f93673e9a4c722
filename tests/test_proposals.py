"""proposal_recall by hand, and against its definition written out as loops."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from labelled import LABELS, VIDEOS, golden_found, golden_truth, nothing_found, spans

from annotations.records import LabelledSpans
from evaluation.pairs import paired_tiou
from evaluation.proposals import proposal_recall


def test_one_video_spends_as_many_as_the_number_says() -> None:
    truth = spans([("a", 0, 10, "run"), ("a", 20, 30, "jump")])
    found = spans([("a", 50, 60, "run", 0.9), ("a", 0, 10, "swim", 0.8), ("a", 20, 26, "run", 0.7)])
    result = proposal_recall(truth, found, [0.5, 0.7], max_per_video=4)
    assert result.numbers_A.tolist() == [1, 2, 3, 4]
    assert result.recall_TA.tolist() == [[0, 0.5, 1, 1], [0, 0.5, 0.5, 0.5]]
    assert result.average_recall_A.tolist() == [0, 0.5, 0.75, 0.75]
    assert result.area == pytest.approx((0.25 + 0.625 + 0.75) / 4)


def test_number_is_an_average_that_each_video_spends_in_proportion() -> None:
    truth = spans([("a", 0, 10, "run"), ("b", 0, 10, "run")])
    wrong = [("a", 90, 99, "run", 0.9)] * 5
    found = spans([*wrong, ("a", 0, 10, "run", 0.1), ("b", 90, 99, "run", 0.9), ("b", 0, 10, "run", 0.1)])
    # 6 proposals in a, 2 in b: at 2 per video a spends 3 and b 1; at 4 both spend all.
    result = proposal_recall(truth, found, [0.5], max_per_video=4)
    assert result.recall_TA.tolist() == [[0, 0, 0, 1]]


def test_one_proposal_may_find_several() -> None:
    truth = spans([("a", 0, 10, "run"), ("a", 0, 10, "jump"), ("a", 1, 10, "run")])
    assert proposal_recall(truth, spans([("a", 0, 10, "run", 0.5)]), [0.5], max_per_video=1).recall_TA.tolist() == [[1]]


def test_perfect_proposals_reach_an_area_of_99_hundredths() -> None:
    result = proposal_recall(spans([("a", 0, 10, "run")]), spans([("a", 0, 10, "run", 0.5)]))
    assert result.recall_TA.min() == 1
    assert result.area == pytest.approx(0.99)


def test_videos_without_truth_play_no_part_and_unlisted_are_told() -> None:
    truth = spans([("a", 0, 10, "run")])
    right = ("a", 0, 10, "run", 0.1)
    alone = proposal_recall(truth, spans([right]))
    others = spans([right, *[("b", 0, 10, "run", 0.9)] * 50, ("x", 0, 10, "run", 0.9)], ("a", "b", "x"))
    crowded = proposal_recall(truth, others)
    assert crowded.recall_TA.tolist() == alone.recall_TA.tolist()
    assert crowded.unlisted_videos == {"x": 1}


@pytest.mark.filterwarnings("error")
def test_nothing_found_is_zero_and_no_truth_is_nan() -> None:
    assert proposal_recall(golden_truth(), nothing_found()).area == 0
    result = proposal_recall(spans([]), golden_found())
    assert math.isnan(result.area)
    assert np.isnan(result.recall_TA).all()


def test_missing_scores_are_refused() -> None:
    with pytest.raises(ValueError, match="without scores"):
        proposal_recall(golden_truth(), golden_truth())


def as_told(truth: LabelledSpans, found: LabelledSpans, tiou: float, most: int) -> list[float]:
    videos = sorted(set(truth.video_N.tolist()))
    of = {video: np.flatnonzero(found.video_N == video) for video in videos}
    of = {video: rows[np.argsort(-found.scores_N[rows], kind="stable")] for video, rows in of.items()}
    ratio = most * len(videos) / max(sum(map(len, of.values())), 1)
    kept = {video: rows[: math.floor(len(rows) * ratio)] for video, rows in of.items()}
    total = max(sum(map(len, kept.values())), 1)
    recalls = []
    for number in range(1, most + 1):
        hits = 0
        for video, span in zip(truth.video_N.tolist(), truth.spans_N2, strict=True):
            spent = kept[video][: math.floor(len(kept[video]) * (number / most * (most * len(videos) / total)))]
            hits += (paired_tiou(found.spans_N2[spent], np.tile(span, (len(spent), 1))) >= tiou).any()
        recalls.append(hits / len(truth))
    return recalls


row = st.tuples(st.sampled_from(VIDEOS), st.integers(0, 9), st.integers(-1, 9), st.sampled_from(LABELS)).map(
    lambda row: (row[0], row[1], row[1] + row[2], row[3])
)


@settings(deadline=None)
@given(st.lists(row, min_size=1, max_size=8), st.lists(row, min_size=1, max_size=30), st.integers(1, 12))
def test_equals_the_definition(truth_rows: list[tuple], found_rows: list[tuple], most: int) -> None:
    truth, found = spans(truth_rows), spans([(*row, -place) for place, row in enumerate(found_rows)])
    result = proposal_recall(truth, found, [0.4], max_per_video=most)
    assert result.recall_TA[0] == pytest.approx(as_told(truth, found, 0.4, most))

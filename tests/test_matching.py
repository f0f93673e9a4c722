"""claim and match: hand cases, and the rule written out as loops."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from labelled import LABELS, VIDEOS, nothing_found, spans

from annotations.records import LabelledSpans
from evaluation import pairs as pairs_module
from evaluation.matching import checked_tious, match
from evaluation.pairs import paired_tiou

HALF = np.array([0.5])


def taken(truth: LabelledSpans, found: LabelledSpans) -> list[int]:
    return match(truth, found, HALF).truth_TN[0].tolist()


def test_who_finds_the_best_taken_takes_the_next_best() -> None:
    truth = spans([("a", 0, 10, "run"), ("a", 3, 13, "run")])
    found = spans([("a", 1, 11, "run", 0.9), ("a", 1, 11, "run", 0.8), ("a", 1, 11, "run", 0.7)])
    assert taken(truth, found) == [0, 1, -1]


def test_next_best_must_reach_the_threshold() -> None:
    truth = spans([("a", 0, 10, "run"), ("a", 8, 18, "run")])
    found = spans([("a", 0, 10, "run", 0.9), ("a", 0, 10, "run", 0.8)])
    assert taken(truth, found) == [0, -1]


def test_threshold_itself_is_enough() -> None:
    assert taken(spans([("a", 0, 10, "run")]), spans([("a", 0, 5, "run", 0.9)])) == [0]


def test_better_score_pushes_out_along_a_chain() -> None:
    truth = spans([("a", 0, 10, "run"), ("a", 2, 12, "run"), ("a", 4, 14, "run")])
    found = spans([("a", 0, 10, "run", 0.9), ("a", 0.5, 10.5, "run", 0.8), ("a", 2, 12, "run", 0.7)])
    # The second would be nearest to the first, falls through, and leaves the third the last.
    assert taken(truth, found) == [0, 1, 2]


def test_of_two_ground_truths_as_near_the_later_is_taken() -> None:
    truth = spans([("a", 0, 10, "run"), ("a", 2, 12, "run")])
    assert taken(truth, spans([("a", 1, 11, "run", 0.9)])) == [1]


def test_other_videos_and_classes_are_out_of_reach() -> None:
    truth = spans([("a", 0, 10, "run")])
    found = spans([("b", 0, 10, "run", 0.9), ("a", 0, 10, "jump", 0.8)])
    assert taken(truth, found) == [-1, -1]


def test_degenerate_spans_take_nothing_and_are_not_taken() -> None:
    truth = spans([("a", 5, 5, "run"), ("a", 9, 7, "run"), ("a", 0, 10, "run")])
    found = spans(
        [("a", 5, 5, "run", 0.9), ("a", 9, 7, "run", 0.8), ("a", 12, -2, "run", 0.7), ("a", 0, 9, "run", 0.6)]
    )
    assert taken(truth, found) == [-1, -1, -1, 2]


def test_equal_scores_go_by_video_name_then_start_then_row() -> None:
    rows = [("b", 0, 1, "run", 0.5), ("a", 7, 8, "run", 0.5), ("a", 2, 9, "run", 0.5), ("a", 2, 3, "run", 0.5)]
    for videos in (("a", "b"), ("b", "a")):
        ordered = match(spans([("b", 0, 1, "run")], videos), spans(rows), HALF).found
        assert [videos[video] for video in ordered.video_N] == ["a", "a", "a", "b"]
        assert ordered.spans_N2.tolist() == [[2, 9], [2, 3], [7, 8], [0, 1]]


def test_names_decide_not_numbers() -> None:
    truth = spans([("a", 0, 10, "run"), ("b", 0, 10, "jump")], ("a", "b"), ("run", "jump"))
    found = spans([("a", 0, 10, "run", 0.9), ("b", 0, 10, "jump", 0.8)], ("b", "a"), ("swim", "jump", "run"))
    assert taken(truth, found) == [0, 1]


def test_unknown_labels_and_unlisted_videos_are_told_and_left_out() -> None:
    truth = spans([("a", 0, 10, "run")], ("a",), ("run",))
    rows = [("a", 0, 10, "run"), ("a", 0, 1, "fly"), ("x", 0, 1, "run"), ("x", 0, 1, "fly"), ("x", 0, 1, "fly")]
    found = spans([(*row, 0.5) for row in rows], ("a", "x"), ("run", "fly", "walk"))
    matches = match(truth, found, HALF)
    assert (len(matches.found), matches.truth_TN.tolist()) == (1, [[0]])
    assert matches.left_out.labels == {"fly": 3}
    assert matches.left_out.videos == {"x": 3}


def test_slices_hold_each_class() -> None:
    found = spans([("a", 0, 1, "swim", 0.5), ("a", 0, 1, "run", 0.4), ("a", 0, 1, "run", 0.6)])
    matches = match(spans([("a", 0, 1, "run")]), found, HALF)
    assert matches.slices == (slice(0, 2), slice(2, 2), slice(2, 3))
    assert matches.found.scores_N is not None
    assert matches.found.scores_N.tolist() == [0.6, 0.4, 0.5]


def test_nothing_found_and_nothing_there() -> None:
    truth, found = spans([("a", 0, 10, "run")]), spans([("a", 0, 10, "run", 0.5)])
    assert match(truth, nothing_found(), HALF).truth_TN.shape == (1, 0)
    assert match(spans([]), found, HALF).truth_TN.tolist() == [[-1]]


def test_missing_scores_are_refused() -> None:
    truth = spans([("a", 0, 10, "run")])
    with pytest.raises(ValueError, match="without scores"):
        match(truth, truth, HALF)


@pytest.mark.parametrize("tious", [[], [0.0], [0.5, 1.1], [float("nan")]])
def test_wrong_thresholds_are_refused(tious: list[float]) -> None:
    with pytest.raises(ValueError, match="above 0 and at most 1"):
        checked_tious(tious)


def one_after_the_other(truth: LabelledSpans, found: LabelledSpans, tiou: float) -> list[int]:
    """The rule as it is told; `found` is in the order in which it chooses."""
    free, taken = set(range(len(truth))), []
    for video, label, span in zip(found.video_N, found.label_N, found.spans_N2, strict=True):
        near = [g for g in sorted(free) if truth.video_N[g] == video and truth.label_N[g] == label]
        ious = paired_tiou(np.tile(span, (len(near), 1)), truth.spans_N2[near])
        best = max(zip(ious, near, strict=True), default=(0.0, -1))
        taken.append(best[1] if best[0] >= tiou else -1)
        free.discard(taken[-1])
    return taken


# Small numbers make ties, duplicates and spans that stop before they start.
row = st.tuples(st.sampled_from(VIDEOS[:2]), st.integers(0, 6), st.integers(0, 10), st.sampled_from(LABELS[:2]))
scored_row = st.tuples(row, st.integers(0, 5)).map(lambda pair: (*pair[0], float(pair[1])))


@settings(deadline=None)
@given(st.lists(row, max_size=12), st.lists(scored_row, min_size=1, max_size=30), st.sampled_from([0.1, 0.3, 0.5, 1.0]))
def test_asking_all_at_once_is_choosing_one_after_the_other(
    truth_rows: list[tuple], found_rows: list[tuple], tiou: float
) -> None:
    truth = spans(truth_rows)
    matches = match(truth, spans(found_rows), np.array([0.9, tiou]))
    assert matches.truth_TN[1].tolist() == one_after_the_other(truth, matches.found, tiou)


def test_blocks_of_pairs_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    starts = rng.uniform(0, 30, (2, 60))
    truth = spans([("a", start, start + 10, "run") for start in starts[0]])
    found = spans([("a", start, start + 10, "run", start) for start in starts[1]])
    whole = taken(truth, found)
    assert max(whole) > 0
    monkeypatch.setattr(pairs_module, "PAIRS_AT_ONCE", 7)
    assert taken(truth, found) == whole

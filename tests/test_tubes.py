"""Tubes from scores on key frames: by hand, against a loop over tracks and labels, and at different key-frame rates.

Shape letters: N boxes, A actions.
"""

import time
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.persons.tubes import tubes, with_idle_tracks
from pipeline.records import Tubes

SETTINGS: dict[str, Any] = {
    "period_s": 1.0,
    "duration_s": 100.0,
    "start_score": 0.6,
    "keep_score": 0.3,
    "max_gap_s": 1.0,
    "min_duration_s": 1.0,
}
Action = tuple[float, int, int, float]  # time, track, label, score
Row = tuple[int, int, float, float, float]  # track, label, start, stop, score


def join(actions: list[Action], **changes: Any) -> list[Row]:
    """Tubes of actions with one box each."""
    actions = sorted(actions, key=lambda action: action[0])
    times_N, scores_N = (np.array([action[column] for action in actions], dtype=np.float64) for column in (0, 3))
    tracks_N, labels_N = (np.array([action[column] for action in actions], dtype=np.int64) for column in (1, 2))
    return rows_of(tubes(times_N, tracks_N, np.arange(len(actions)), labels_N, scores_N, **SETTINGS | changes))


def rows_of(found: Tubes) -> list[Row]:
    starts, stops = found.spans_U2.T.tolist()
    return list(
        zip(found.tracks_U.tolist(), found.labels_U.tolist(), starts, stops, found.scores_U.tolist(), strict=True)
    )


def spans(actions: list[Action], **changes: Any) -> list[tuple[float, float]]:
    return [(start_s, stop_s) for *_, start_s, stop_s, _ in join(actions, **changes)]


def scored(first_s: float, *scores: float, track: int = 0, label: int = 0) -> list[Action]:
    """One action a second."""
    return [(first_s + second, track, label, score) for second, score in enumerate(scores)]


def test_tube_reaches_back_and_on_from_its_start_while_scores_are_kept() -> None:
    assert join(scored(10, 0.1, 0.4, 0.3, 0.6, 0.5, 0.2)) == [(0, 0, 10.5, 14.5, pytest.approx(1.8 / 4))]


def test_scores_that_never_reach_the_start_make_no_tube() -> None:
    assert join(scored(10, 0.5, 0.59, 0.59, 0.5)) == []


def test_gap_of_low_scores_or_of_a_missed_person_is_bridged_up_to_its_limit() -> None:
    low, missed = scored(10, 0.9, 0.1, 0.9), [*scored(10, 0.9), *scored(12, 0.9)]
    assert spans(low) == spans(missed) == [(9.5, 12.5)]
    assert spans(scored(10, 0.9, 0.1, 0.1, 0.9)) == [(9.5, 10.5), (12.5, 13.5)]
    assert spans(scored(10, 0.9, 0.1, 0.1, 0.9), max_gap_s=2.0) == [(9.5, 13.5)]
    assert spans(low, max_gap_s=0.0) == [(9.5, 10.5), (11.5, 12.5)]


def test_tube_goes_on_over_gaps_but_never_ends_in_one() -> None:
    assert spans(scored(10, 0.1, 0.4, 0.1, 0.9, 0.1, 0.4, 0.1)) == [(10.5, 15.5)]


def test_tracks_and_labels_are_never_joined() -> None:
    actions = [*scored(10, 0.9, 0.9, track=3), *scored(12, 0.9, 0.9, track=1), *scored(10, 0.7, 0.7, track=3, label=8)]
    assert join(actions) == [
        (3, 0, 9.5, 11.5, pytest.approx(0.9)),
        (3, 8, 9.5, 11.5, pytest.approx(0.7)),
        (1, 0, 11.5, 13.5, pytest.approx(0.9)),
    ]


def test_rows_are_looked_up_and_may_have_no_action_or_several() -> None:
    times_N, tracks_N = np.array([0.0, 0.0, 1.0, 1.0, 2.0]), np.array([4, 9, 4, 9, 9])
    rows_A, labels_A = np.array([0, 1, 1, 3, 3, 4]), np.array([2, 5, 2, 2, 5, 5])
    found = tubes(times_N, tracks_N, rows_A, labels_A, np.full(6, 0.8), **SETTINGS | {"min_duration_s": 0.0})
    assert [row[:4] for row in rows_of(found)] == [(4, 2, 0.0, 0.5), (9, 2, 0.0, 1.5), (9, 5, 0.0, 2.5)]


def test_spans_end_with_the_video_and_its_first_and_last_key_frame_weigh_less() -> None:
    assert join(scored(0, 0.9, 0.6, 0.3), duration_s=2.25) == [
        (0, 0, 0.0, 2.25, pytest.approx((0.9 * 0.5 + 0.6 * 1 + 0.3 * 0.75) / 2.25))
    ]
    assert join(scored(5, 0.9), duration_s=4.0, min_duration_s=0.0) == []  # nothing is left of it


def test_bridged_gap_has_no_say_in_the_score() -> None:
    assert join(scored(10, 0.9, 0.2, 0.7)) == [(0, 0, 9.5, 12.5, pytest.approx(0.8))]


def test_short_tubes_are_dropped() -> None:
    actions = [*scored(10, 0.9), *scored(20, 0.9, 0.9)]
    assert spans(actions, min_duration_s=1.0) == [(9.5, 10.5), (19.5, 21.5)]
    assert spans(actions, min_duration_s=1.5) == [(19.5, 21.5)]


def test_tenths_of_a_second_neither_break_a_gap_nor_a_length_by_rounding() -> None:
    frames = [(tick / 10, 0, 0, 0.9) for tick in (*range(1, 8), *range(11, 18))]
    tenths = {"period_s": 0.1, "min_duration_s": 1.7}
    assert spans(frames, max_gap_s=0.3, **tenths) == [(pytest.approx(0.05), pytest.approx(1.75))]
    assert spans(frames, max_gap_s=0.29, **tenths | {"min_duration_s": 0.7}) == [
        (pytest.approx(0.05), pytest.approx(0.75)),
        (pytest.approx(1.05), pytest.approx(1.75)),
    ]


def test_lost_span_longer_than_a_gap_is_not_claimed() -> None:
    actions = [*scored(10, 0.9, 0.9), *scored(13, 0.9, 0.9)]
    assert spans(actions) == [(9.5, 14.5)]
    assert spans(actions, lost=[(11.25, 12.75)]) == [(9.5, 11.25), (12.75, 14.5)]
    assert spans(actions, lost=[(11.25, 12.25)]) == [(9.5, 14.5)]  # no longer than a gap may be
    assert spans(actions, lost=[(11.25, 12.75), (11.5, 11.75)]) == [(9.5, 11.25), (12.75, 14.5)]  # one in another
    assert spans(actions, lost=[(12.0, 12.75), (11.25, 12.0)]) == [(9.5, 11.25), (12.75, 14.5)]  # lost in two pieces


def test_key_frame_inside_a_lost_span_does_not_count() -> None:
    """What was on screen before the loss is all there is to see."""
    assert spans(scored(10, *[0.9] * 6), lost=[(11.25, 14.0)]) == [(9.5, 11.25), (14.0, 15.5)]


def test_tube_ends_at_a_cut() -> None:
    actions = [*scored(10, 0.9, 0.9, track=0), *scored(12, 0.9, 0.9, track=1)]
    assert spans(actions, cuts_s=np.array([11.75])) == [(9.5, 11.5), (11.75, 13.5)]
    assert spans(actions, cuts_s=np.array([11.25])) == [(9.5, 11.25), (11.5, 13.5)]
    assert spans(actions, cuts_s=[12.0]) == [(9.5, 11.5), (12.0, 13.5)]
    assert spans(scored(12, 0.9), cuts_s=[12.0], min_duration_s=0.0) == [(12.0, 12.5)]
    assert spans(actions, cuts_s=[13.4], duration_s=13.25) == [(9.5, 11.5), (11.5, 13.25)]


def test_no_actions_give_no_tubes_of_the_right_types() -> None:
    none, nothing = np.zeros(0, dtype=np.int64), np.zeros(0)
    found = tubes(nothing, none, none, none, nothing, **SETTINGS, lost=[(0.0, 50.0)], cuts_s=[3.0])
    assert (found.tracks_U.dtype, found.labels_U.dtype, found.scores_U.dtype) == (np.int64, np.int64, np.float64)
    assert (len(found), found.spans_U2.shape) == (0, (0, 2))


seconds = st.sampled_from([None, 0.1, 0.3, 0.45, 0.6, 0.95])


@given(st.lists(seconds, min_size=1, max_size=30), st.sampled_from([0.0, 1.0, 3.0]), st.sampled_from([0.0, 1.0, 2.5]))
def test_key_frame_rate_changes_nothing(scores: list[float | None], max_gap_s: float, min_duration_s: float) -> None:
    """A score that holds for the second around each whole one; None: the person is not found."""

    def at(rate: int) -> list[Row]:
        actions = []
        for tick in range((len(scores) - 1) * rate + rate // 2 + 1):
            score = scores[round(tick / rate)]
            if score is not None:
                actions.append((tick / rate, 0, 0, score))
        settings = {"max_gap_s": max_gap_s, "min_duration_s": min_duration_s, "duration_s": len(scores) - 0.5}
        return join(actions, period_s=1 / rate, **settings)

    slow, fast = np.array(at(1)).reshape(-1, 5), np.array(at(5)).reshape(-1, 5)
    assert slow.shape == fast.shape
    np.testing.assert_allclose(slow, fast, rtol=0, atol=1e-9)


quarter = st.integers(0, 73).map(lambda quarters: quarters / 4)
score = st.sampled_from([0.1, 0.3, 0.5, 0.6, 0.9])
action = st.tuples(quarter, st.integers(0, 2), st.integers(0, 1), score)
span = st.tuples(quarter, st.integers(1, 20)).map(lambda one: (one[0], one[0] + one[1] / 4))


@given(
    st.lists(action, max_size=60, unique_by=lambda one: one[:3]),
    st.lists(span, max_size=3),
    st.lists(quarter.map(lambda cut_s: cut_s + 0.125), max_size=2),
    st.sampled_from([0.25, 0.5, 1.0]),
    st.sampled_from([0.0, 0.25, 1.0, 2.5]),
    st.sampled_from([0.0, 0.5, 1.0]),
)
def test_equals_a_loop_over_tracks_and_labels(
    actions: list[Action],
    lost: list[tuple[float, float]],
    cuts_s: list[float],
    period_s: float,
    max_gap_s: float,
    min_duration_s: float,
) -> None:
    settings = {"period_s": period_s, "duration_s": 18.3, "max_gap_s": max_gap_s, "min_duration_s": min_duration_s}
    expected = by_loop(actions, lost, cuts_s, **SETTINGS | settings)
    found = join(actions, lost=lost, cuts_s=cuts_s, **settings)
    assert [row[:2] for row in found] == [row[:2] for row in expected]
    np.testing.assert_allclose(np.array(found), np.array(expected), rtol=0, atol=1e-9)


def by_loop(
    actions: list[Action],
    lost: list[tuple[float, float]],
    cuts_s: list[float],
    *,
    period_s: float,
    duration_s: float,
    start_score: float,
    keep_score: float,
    max_gap_s: float,
    min_duration_s: float,
) -> list[Row]:
    """Walks on and back from each key frame that reaches `start_score`."""
    dark = {quarters for start_s, stop_s in lost for quarters in range(round(start_s * 4), round(stop_s * 4))}
    runs = [(start, stop) for start in dark for stop in range(start + 1, 200) if dark.issuperset(range(start, stop))]
    long = [(start / 4, stop / 4) for start, stop in runs if (stop - start) / 4 > max_gap_s]
    limits = [limit for one in long for limit in one] + cuts_s + [0.0, duration_s]

    def around(at_s: float) -> tuple[float, float]:
        start_s = max([at_s - period_s / 2, *(limit for limit in limits if limit <= at_s)])
        stop_s = min([at_s + period_s / 2, *(limit for limit in limits if limit > at_s)])
        return start_s, stop_s

    rows: list[Row] = []
    for track, label in sorted({one[1:3] for one in actions}):
        frames = sorted((one[0], one[3]) for one in actions if one[1:3] == (track, label) and one[3] >= keep_score)
        frames = [one for one in frames if not any(start_s <= one[0] < stop_s for start_s, stop_s in long)]
        frames = [one for one in frames if one[0] < duration_s]
        about = [around(at_s) for at_s, _ in frames]
        joins = [after[0] - before[1] <= max_gap_s for before, after in pairwise(about)]
        tubes_of_it = set()
        for number, (_, peak) in enumerate(frames):
            first = last = number
            while first > 0 and joins[first - 1]:
                first -= 1
            while last < len(joins) and joins[last]:
                last += 1
            if peak >= start_score:
                tubes_of_it.add((first, last + 1))
        for first, stop in tubes_of_it:
            start_s, stop_s = about[first][0], about[stop - 1][1]
            stood = [one[1] - one[0] for one in about[first:stop]]
            mean = np.average([one[1] for one in frames[first:stop]], weights=stood)
            if stop_s - start_s >= min_duration_s:
                rows.append((track, label, start_s, stop_s, float(mean)))
    return sorted(rows, key=lambda row: (row[2], row[0], row[1]))


def test_a_million_actions_are_quick() -> None:
    rng = np.random.default_rng(0)
    times_N = np.repeat(np.arange(40_000.0), 10)
    tracks_N = np.tile(np.arange(10), 40_000) + times_N.astype(np.int64) // 60 * 10
    rows_A = np.sort(rng.integers(0, len(times_N), 1_000_000))
    labels_A, scores_A = rng.integers(0, 20, len(rows_A)), rng.random(len(rows_A))
    begin = time.process_time()
    found = tubes(times_N, tracks_N, rows_A, labels_A, scores_A, **SETTINGS | {"duration_s": 40_000.0})
    assert time.process_time() - begin < 2
    assert len(found) > 100_000


def test_a_track_without_a_tube_is_told_from_its_beginning_to_its_end() -> None:
    times_N, tracks_N = np.array([0.0, 0.0, 1.0, 1.0, 4.0, 5.0]), np.array([0, 1, 0, 1, 1, 2])
    clock: dict[str, Any] = {"period_s": 1.0, "duration_s": 5.2, "cuts_s": [4.25]}
    settings = {"start_score": 0.5, "keep_score": 0.3, "max_gap_s": 1.0, "min_duration_s": 0.0}
    rows_A, labels_A, scores_A = np.array([0, 1]), np.array([7, 7]), np.array([0.75, 0.4])
    found = tubes(times_N, tracks_N, rows_A, labels_A, scores_A, **clock, **settings)
    everyone = with_idle_tracks(found, times_N, tracks_N, **clock)
    assert everyone.tracks_U.tolist() == [0, 1, 2]
    assert everyone.spans_U2.tolist() == [[0.0, 0.5], [0.0, 4.25], [4.5, 5.2]]
    assert everyone.labels_U.tolist() == [7, -1, -1]
    assert everyone.scores_U.tolist()[0] == 0.75 and np.isnan(everyone.scores_U[1:]).all()


def test_without_people_no_track_is_idle() -> None:
    nobody = Tubes(np.zeros(0, np.int64), np.zeros((0, 2)), np.zeros(0, np.int64), np.zeros(0))
    assert len(with_idle_tracks(nobody, np.zeros(0), np.zeros(0, np.int64), period_s=1.0, duration_s=9.0)) == 0

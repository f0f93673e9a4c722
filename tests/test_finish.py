"""Claims about the account of losses: what was lost does not tell how the video was cut."""

from itertools import pairwise
from random import Random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.finish import counts, merged
from pipeline.records import Detections, Failure, Outcome, People, PersonActions, Source, Span, Tracks, Tubes


def lost(start_s: float, stop_s: float, message: str = "damaged") -> Failure:
    return Failure("a.mp4", "decode", "Damaged", message, (start_s, stop_s))


def spans(failures: list[Failure]) -> list[Span | None]:
    return [failure.span_s for failure in failures]


def test_spans_that_touch_are_joined_in_whatever_order_they_come() -> None:
    assert merged([lost(60, 80), lost(50, 60), lost(80, 81)]) == [lost(50, 81)]


def test_spans_apart_stay_apart() -> None:
    assert merged([lost(60, 70), lost(0, 59)]) == [lost(0, 59), lost(60, 70)]


def test_overlapping_and_contained_spans_are_joined() -> None:
    assert merged([lost(0, 10), lost(2, 5), lost(4, 12)]) == [lost(0, 12)]


def test_rounding_at_a_border_does_not_split_a_span() -> None:
    assert merged([lost(0, 59.99999999), lost(60.0, 61)]) == [lost(0, 61)]


def test_different_reasons_are_told_apart() -> None:
    both = [lost(0, 10, "cannot be read"), lost(10, 20, "cannot be decoded")]
    assert merged(both) == both


def test_nothing_lost_is_nothing_to_tell() -> None:
    assert merged([]) == []


def test_failure_of_the_whole_video_comes_before_spans() -> None:
    whole = Failure("a.mp4", "probe", "NotAVideo", "not a video")
    assert merged([lost(0, 10), whole, whole]) == [whole, whole, lost(0, 10)]


cuts = st.lists(st.integers(1, 99), unique=True, max_size=20).map(sorted)


@settings(deadline=None)
@given(cuts, st.randoms(use_true_random=False))
def test_a_span_cut_anywhere_is_one_span_again(borders: list[int], random: Random) -> None:
    edges = [0, *borders, 100]
    pieces = [lost(start, stop) for start, stop in pairwise(edges)]
    random.shuffle(pieces)
    assert spans(merged(pieces)) == [(0, 100)]


def outcome(people: People | None) -> Outcome:
    none = Detections(np.zeros((0, 2)), np.zeros(0, np.int64), np.zeros(0))
    return Outcome(Source("a.mp4", "a.mp4", 1), "f", None, none, people=people)


def test_what_was_not_looked_for_is_not_counted() -> None:
    times_N, numbers_N, nothing = np.array([0.0, 0.0, 1.0]), np.array([0, 1, 0]), np.zeros(0, np.int64)
    tracks = Tracks(times_N, np.zeros((3, 4), np.float32), np.ones(3, np.float32), numbers_N)
    tubes = Tubes(np.array([0, 0, 1]), np.zeros((3, 2)), np.array([4, 7, -1]), np.array([0.5, 0.5, np.nan]))
    people = People(tracks, PersonActions(nothing, nothing, np.zeros(0)), tubes)
    assert counts(outcome(people), localized=False) == {"people": 2, "tubes": 2}
    assert counts(outcome(None), localized=True) == {"actions": 0}

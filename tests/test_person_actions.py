"""Actions of people from class logits: by hand, against a loop over boxes, and in bounded memory.

Shape letters: N boxes, K classes.
"""

import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.persons.actions import BOXES_AT_ONCE, Boxes, best_labels, independent_classes, own_classes
from pipeline.person_settings import OwnClassesSettings
from pipeline.records import PersonActions

EVIDENCE: dict[str, Any] = {"midpoint": 0.8, "scale": 0.1, "temperature": 0.5}  # for a handful of classes


def boxes(times: list[float], tracks: list[int], logits: Any) -> Boxes:
    return np.array(times, dtype=np.float64), np.array(tracks, dtype=np.int64), np.array(logits, dtype=np.float32)


def found(actions: PersonActions) -> dict[tuple[int, int], float]:
    columns = (actions.rows_A.tolist(), actions.labels_A.tolist(), actions.scores_A.tolist())
    return {(row, label): score for row, label, score in zip(*columns, strict=True)}


def one_by_one(logits_NK: np.ndarray) -> np.ndarray:
    """Evidence of each class, as EVIDENCE has it."""
    rows = []
    for logits_K in logits_NK.astype(float):
        spread = np.sqrt(np.mean((logits_K - np.mean(logits_K)) ** 2)) or 1.0
        deviations = [(logit - np.mean(logits_K)) / spread for logit in logits_K]
        rows.append([np.exp(-(max(deviations) - one) / 0.5) / (1 + np.exp(-(one - 0.8) / 0.1)) for one in deviations])
    return np.array(rows)


def test_own_class_scores_half_at_the_midpoint_and_a_rival_behind_it_less() -> None:
    logits = [10.0, 7.0, 2.5]
    deviations = (np.array(logits) - np.mean(logits)) / np.std(logits)
    settings = {"midpoint": deviations[0], "scale": 0.1, "temperature": 0.5}
    scores = found(own_classes([boxes([0.0], [5], [logits])], **settings, smooth_s=0.0, min_score=0.0))
    assert scores[0, 0] == pytest.approx(0.5, abs=1e-6)
    behind = deviations[0] - deviations[1]
    assert scores[0, 1] == pytest.approx(np.exp(-behind / 0.5) / (1 + np.exp(behind / 0.1)), rel=1e-5)


def test_how_large_all_logits_are_does_not_matter() -> None:
    logits_NK = np.random.default_rng(3).normal(size=(5, 40)) ** 3
    one, other = (
        own_classes([boxes([0.0] * 5, [0, 1, 2, 3, 4], factor * logits_NK)], **EVIDENCE, smooth_s=0, min_score=0.01)
        for factor in (1.0, 7.0)
    )
    np.testing.assert_array_equal(one.labels_A, other.labels_A)
    np.testing.assert_allclose(one.scores_A, other.scores_A, rtol=1e-4)


def test_person_who_does_nothing_known_has_no_label_by_the_defaults() -> None:
    """400 logits that mean nothing, small ones and large ones; and a class that stands out among them has one."""
    defaults = OwnClassesSettings().model_dump()
    logits_NK = np.random.default_rng(0).normal(size=(50, 400)) * np.linspace(0.5, 20, 50)[:, None]
    nothing = own_classes([boxes([0.0] * 50, list(range(50)), logits_NK)], **defaults, smooth_s=2.0, min_score=0.3)
    assert found(nothing) == {}
    logits_NK[7, 300] = 6.5 * logits_NK[7].std()
    something = own_classes([boxes([0.0] * 50, list(range(50)), logits_NK)], **defaults, smooth_s=2.0, min_score=0.3)
    assert list(found(something)) == [(7, 300)]


def test_scores_are_averaged_over_the_track_by_a_triangle_in_time() -> None:
    logits = [[30.0, 0.0, 0.0], [0.0, 0.0, 0.0], [15.0, 10.0, 0.0], [0.0, 0.0, 0.0]]
    piece = boxes([0.0, 1.0, 2.0, 4.0], [0, 0, 0, 0], logits)
    smooth = found(own_classes([piece], **EVIDENCE, smooth_s=2.0, min_score=0.0))
    own_N = one_by_one(np.array(logits))[:, 0]
    assert smooth[0, 0] == pytest.approx((own_N[0] + own_N[1] / 2) / 1.5)
    assert smooth[1, 0] == pytest.approx((own_N[0] / 2 + own_N[1] + own_N[2] / 2) / 2)
    assert smooth[2, 0] == pytest.approx((own_N[1] / 2 + own_N[2]) / 1.5)
    assert smooth[3, 0] == pytest.approx(own_N[3])  # its neighbour is just as far as the triangle reaches


def test_what_one_person_does_is_never_averaged_into_another() -> None:
    waves, stands = [30.0, 0.0], [0.0, 0.0]
    piece = boxes([0.0, 0.0, 1.0, 1.0, 2.0, 2.0], [0, 1] * 3, [waves, stands] * 3)
    actions = own_classes([piece], **EVIDENCE, smooth_s=5.0, min_score=0.3)
    assert (actions.rows_A.tolist(), actions.labels_A.tolist()) == ([0, 2, 4], [0, 0, 0])


def test_ava_names_any_number_of_classes_at_once() -> None:
    piece = boxes([0.0, 1.0], [0, 0], [[0.0, 3.0, 2.0, -9.0], [-9.0, -9.0, -9.0, 0.0]])
    scores = found(independent_classes([piece], smooth_s=0.0, min_score=0.05))
    expected = {(0, 0): 0.5, (0, 1): 1 / (1 + np.exp(-3)), (0, 2): 1 / (1 + np.exp(-2)), (1, 3): 0.5}
    assert scores == pytest.approx(expected)


def test_box_on_no_track_counts_as_a_row_and_does_nothing() -> None:
    pieces = [
        boxes([0.0, 0.0], [-1, 3], [[40.0, 0.0], [20.0, 0.0]]),
        boxes([1.0, 1.0], [-1, 3], [[40.0, 0.0], [20.0, 0.0]]),
    ]
    assert list(found(own_classes(pieces, **EVIDENCE, smooth_s=2.0, min_score=0.3))) == [(1, 0), (3, 0)]
    assert found(independent_classes([boxes([0.0], [-1], [[9.0]])], smooth_s=0.0, min_score=0.0)) == {}


@pytest.mark.parametrize("pieces", [[], [boxes([], [], np.zeros((0, 4)))]], ids=["no piece", "empty piece"])
def test_video_without_people_has_no_actions(pieces: list[Boxes]) -> None:
    for actions in (
        own_classes(pieces, **EVIDENCE, smooth_s=2.0, min_score=0.0),
        independent_classes(pieces, smooth_s=0, min_score=0),
    ):
        assert (actions.rows_A.dtype, actions.labels_A.dtype, actions.scores_A.dtype) == (np.int64, np.int64, float)
        assert len(actions.rows_A) == len(actions.labels_A) == len(actions.scores_A) == 0
        assert found(best_labels(actions, min_score=0.5, labels_per_person=2)) == {}


def test_best_labels_are_the_highest_of_each_box_best_first() -> None:
    rows, labels, scores = [2, 2, 2, 5, 5, 7], [0, 1, 4, 3, 1, 0], [0.4, 0.9, 0.6, 0.7, 0.7, 0.1]
    actions = PersonActions(np.array(rows), np.array(labels), np.array(scores))
    two = best_labels(actions, min_score=0.3, labels_per_person=2)
    assert two.rows_A.tolist() == [2, 2, 5, 5]
    assert two.labels_A.tolist() == [1, 4, 1, 3]
    assert two.scores_A.tolist() == [0.9, 0.6, 0.7, 0.7]
    everything = best_labels(actions, min_score=0.0, labels_per_person=None)
    assert found(everything) == found(actions)


box = st.tuples(st.integers(0, 40), st.integers(-1, 3), st.tuples(*[st.floats(-5, 40, width=16)] * 3))


@given(
    st.lists(box, max_size=30, unique_by=lambda one: one[:2]),
    st.sampled_from([0.0, 0.3, 1.0, 2.5, 100.0]),
    st.lists(st.integers(0, 30), max_size=5),
    st.sampled_from(["own_classes", "ava"]),
)
def test_equals_a_loop_over_boxes_wherever_the_input_is_cut(
    rows: list[tuple[int, int, tuple[float, ...]]], smooth_s: float, points: list[int], head: str
) -> None:
    rows.sort(key=lambda one: one[0])
    whole = boxes([tick / 5 for tick, *_ in rows], [track for _, track, _ in rows], [logits for *_, logits in rows])
    whole = (whole[0], whole[1], whole[2].reshape(-1, 3))
    cuts = sorted(min(point, len(rows)) for point in points)
    pieces: list[Any] = list(zip(*(np.split(column, cuts) for column in whole), strict=True))
    if head == "ava":
        actions = independent_classes(pieces, smooth_s=smooth_s, min_score=0.2)
        expected = by_loop(*whole, lambda logits_K: 1 / (1 + np.exp(-logits_K)), smooth_s)
    else:
        actions = own_classes(pieces, **EVIDENCE, smooth_s=smooth_s, min_score=0.2)
        expected = by_loop(*whole, lambda logits_K: one_by_one(logits_K[None])[0], smooth_s)
    clear = {key: score for key, score in expected.items() if abs(score - 0.2) > 1e-9}
    scores = found(actions)
    assert scores.keys() - (expected.keys() - clear.keys()) == {key for key, score in clear.items() if score > 0.2}
    assert all(score == pytest.approx(expected[key], abs=1e-9) for key, score in scores.items())
    assert (np.diff(actions.rows_A) >= 0).all()


def by_loop(
    times_N: np.ndarray,
    tracks_N: np.ndarray,
    logits_NK: np.ndarray,
    scores_of: Callable[[np.ndarray], np.ndarray],
    smooth_s: float,
) -> dict[tuple[int, int], float]:
    scores: dict[tuple[int, int], float] = {}
    for row in np.flatnonzero(tracks_N >= 0).tolist():
        total_K, total_weight = scores_of(logits_NK[row].astype(np.float64)), 1.0
        for other in np.flatnonzero(tracks_N == tracks_N[row]).tolist():
            apart_s = abs(times_N[other] - times_N[row])
            if other != row and apart_s < smooth_s:
                total_K = total_K + (1 - apart_s / smooth_s) * scores_of(logits_NK[other].astype(np.float64))
                total_weight += 1 - apart_s / smooth_s
        scores |= {(row, label): float(score) for label, score in enumerate(total_K / total_weight)}
    return scores


def crowd(count: int, classes: int) -> Boxes:
    """Ten people side by side at 1 Hz, each with one class at a time."""
    rng = np.random.default_rng(0)
    logits_NK = rng.normal(2, 2, (count, classes)).astype(np.float32)
    logits_NK[np.arange(count), np.arange(count) % classes] += 15
    return np.arange(count) // 10 / 1.0, np.arange(count) % 10, logits_NK


def test_piece_of_any_length_gives_the_same_as_many_short_ones() -> None:
    columns = crowd(2 * BOXES_AT_ONCE + 77, 10)
    short: list[Any] = list(zip(*(np.array_split(column, 100) for column in columns), strict=True))
    one, many = (own_classes(pieces, **EVIDENCE, smooth_s=2.0, min_score=0.3) for pieces in ([columns], short))
    assert len(one.rows_A) > BOXES_AT_ONCE
    assert (one.rows_A.tolist(), one.labels_A.tolist()) == (many.rows_A.tolist(), many.labels_A.tolist())
    np.testing.assert_allclose(one.scores_A, many.scores_A, rtol=0, atol=1e-9)


def test_memory_does_not_grow_with_the_video() -> None:
    def pieces(count: int) -> Iterator[Boxes]:
        times_N, tracks_N, logits_NK = crowd(500, 100)
        for number in range(count):
            yield times_N + 50.0 * number, tracks_N, logits_NK

    def peak(count: int) -> int:
        tracemalloc.start()
        own_classes(pieces(count), **EVIDENCE, smooth_s=3.0, min_score=0.999)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    assert peak(80) < 1.2 * peak(4)  # 32 MB of scores against 1.6 MB

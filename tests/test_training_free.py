"""The training-free localizer: its pure functions by hand and by property, and the whole on made-up class scores.

Shape letters: S steps, K classes, N spans.
"""

import weakref
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.temporal import LOCALIZERS
from detectors.temporal.evidence import Smoother, Steps, covered, evidence, read_steps
from detectors.temporal.grouping import Grouper
from detectors.temporal.pooling import Pooled, pool_spans
from detectors.temporal.select import best_of_overlapping, select, touching
from detectors.temporal.training_free import TrainingFree
from pipeline.records import Detections, FeatureSequence, Proposals

STEP_S = 0.32
SETTINGS: dict[str, Any] = {
    "midpoint": 7.0,
    "scale": 2.0,
    "rival_margin": 2.0,
    "smoothing_steps": 1,
    "thresholds": (0.1, 0.25, 0.5, 0.75, 0.9),
    "min_duration_s": 0.8,
    "duration_scale_s": 2.0,
    "context": 1.0,
    "min_context_s": 1.0,
    "max_context_s": 10.0,
    "labels_per_span": 2,
    "min_score": 0.02,
    "max_overlap": 0.4,
    "vote_iou": 0.3,
}
unit = st.floats(0, 1)
cut_points = st.lists(st.integers(0, 150), max_size=6)


def cut(rows: np.ndarray, points: Sequence[int]) -> list[np.ndarray]:
    return np.split(rows, sorted(min(point, len(rows)) for point in points))


def blocks_of(logits_SK: np.ndarray, points: Sequence[int] = ()) -> list[FeatureSequence]:
    first, blocks = 0, []
    for part in cut(logits_SK, points):
        features = np.zeros((len(part), 1), dtype=np.float16)
        blocks.append(FeatureSequence("v", features, part.astype(np.float32), first * STEP_S, STEP_S))
        first += len(part)
    return blocks


def find(logits_SK: np.ndarray, points: Sequence[int] = (), **options: Any) -> Detections:
    detector = TrainingFree(**SETTINGS)
    blocks = blocks_of(logits_SK, points)
    proposals = detector.propose(blocks, duration_s=options.pop("duration_s", len(logits_SK) * STEP_S), **options)
    return detector.classify(blocks, proposals, **options)


def scene(*actions: tuple[int, int, int], steps: int = 150, classes: int = 8) -> np.ndarray:
    """Low wandering logits, and 20 for class k in steps [start, stop) of each (start, stop, k)."""
    logits_SK = np.random.default_rng(1).normal(0, 1.5, (steps, classes))
    for start, stop, label in actions:
        logits_SK[start:stop, label] += 20.0
    return logits_SK


# The per-step evidence.


def test_evidence_is_half_at_the_midpoint_and_never_overflows() -> None:
    options = {"midpoint": 7.0, "scale": 2.0, "rival_margin": 2.0}
    evidence_SK = evidence(np.array([[7.0, 5.0], [9.0, 7.0], [1e6, -1e6]]), **options)
    np.testing.assert_allclose(evidence_SK[:2], [[0.5, 1 / (1 + np.e)], [1 / (1 + 1 / np.e), 0.5]])
    np.testing.assert_allclose(evidence_SK[2], [1, 0], atol=1e-12)


def test_a_class_far_behind_its_rival_is_set_back_by_as_much_again() -> None:
    evidence_SK = evidence(np.array([[15.0, 10.0]]), midpoint=7.0, scale=2.0, rival_margin=2.0)
    np.testing.assert_allclose(evidence_SK[0, 1], 0.5)


def test_covered_counts_parts_of_steps() -> None:
    np.testing.assert_allclose(covered(np.arange(5.0), [(0.5, 2.25), (2.0, 2.5)]), [0.5, 1.0, 0.75, 0.0])


def test_steps_missing_between_blocks_are_lost_steps() -> None:
    first, _, last = blocks_of(scene(steps=30), [10, 20])
    steps = list(read_steps([first, last], lost=[]))
    assert [(part.first, len(part.logits_SK)) for part in steps] == [(0, 10), (10, 10), (20, 10)]
    assert [part.shown_S.sum() for part in steps] == [10, 0, 10]


def test_a_backbone_without_a_head_is_refused() -> None:
    with pytest.raises(ValueError, match="classification head"):
        TrainingFree(**SETTINGS).propose([FeatureSequence("v", np.zeros((4, 1), np.float32), None, 0.0, STEP_S)])


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 4), cut_points)
def test_smoothing_does_not_depend_on_cuts(radius: int, points: list[int]) -> None:
    rows = np.random.default_rng(0).random((60, 3))
    np.testing.assert_array_equal(smoothed(rows, radius, points), smoothed(rows, radius, []))


def test_smoothing_is_a_triangle() -> None:
    impulse = np.array([[0.0], [0.0], [9.0], [0.0], [0.0]])
    np.testing.assert_allclose(smoothed(impulse, 2, [])[:, 0], [1, 2, 3, 2, 1])


def smoothed(rows: np.ndarray, radius: int, points: Sequence[int]) -> np.ndarray:
    smoother = Smoother(radius)
    return np.concatenate([*(smoother.push(part) for part in cut(rows, points)), smoother.finish()])


# Grouping.


def grouped(values_SK: np.ndarray, thresholds: Sequence[float], points: Sequence[int] = ()) -> list[list[float]]:
    """Rows of threshold, start, stop, sorted."""
    grouper = Grouper(thresholds, 1.0)
    parts = [*(grouper.push(part) for part in cut(values_SK, points)), grouper.finish()]
    return sorted([level, *span] for spans, levels in parts for level, span in zip(levels, spans.tolist(), strict=True))


def test_spans_end_where_the_line_between_step_centres_crosses() -> None:
    values_SK = np.array([[0.0, 1.0], [0.8, 1.0], [0.8, 0.0], [0.0, 0.0]])
    expected = [[0.4, -0.1, 2.1], [0.4, 1.0, 3.0]]
    np.testing.assert_allclose(grouped(values_SK, [0.4]), expected)


curves = st.lists(st.tuples(unit, unit, unit), min_size=1, max_size=40).map(np.array)


@settings(max_examples=50, deadline=None)
@given(curves, cut_points)
def test_grouping_does_not_depend_on_cuts(values_SK: np.ndarray, points: list[int]) -> None:
    assert grouped(values_SK, [0.3, 0.6], points) == grouped(values_SK, [0.3, 0.6])


@settings(max_examples=50, deadline=None)
@given(curves, st.floats(0.05, 0.9), st.floats(0.01, 0.1))
def test_a_span_lies_inside_one_of_a_lower_threshold(values_SK: np.ndarray, low: float, more: float) -> None:
    for curve_S1 in np.split(values_SK, values_SK.shape[1], axis=1):
        wide = grouped(curve_S1, [low])
        for _, start, stop in grouped(curve_S1, [low + more]):
            assert any(left - 1e-9 <= start <= stop <= right + 1e-9 for _, left, right in wide)


# Pooling.


def pooled(logits_SK: np.ndarray, spans: np.ndarray, context_s: float, points: Sequence[int] = ()) -> Pooled:
    """In the order of the spans; a step is a second."""
    first, video = 0, []
    for part in cut(logits_SK, points):
        video.append(Steps(first, 1.0, part, np.ones(len(part))))
        first += len(part)
    parts = list(pool_spans(video, spans, np.full(len(spans), context_s), lambda logits: logits))
    order = np.argsort(np.concatenate([part.index_N for part in parts]))
    assert len(order) == len(spans)
    columns = ([getattr(part, name) for part in parts] for name in ("logits_NK", "inner_NK", "outer_NK"))
    return Pooled(np.arange(len(spans)), *(np.concatenate(column)[order] for column in columns))


def test_pooling_by_hand() -> None:
    ramp_S1 = np.arange(10.0)[:, None]
    result = pooled(ramp_S1, np.array([[2.0, 4.0], [2.5, 4.0], [0.0, 1.0]]), 2.0)
    np.testing.assert_allclose(result.logits_NK[:, 0], [2.5, 4 / 1.5, 0.0])
    np.testing.assert_allclose(result.inner_NK[:, 0], [2.5, 4 / 1.5, 0.0])
    np.testing.assert_allclose(result.outer_NK[:, 0], [(0 + 1 + 4 + 5) / 4, (0 + 1 + 1 + 4 + 5) / 4, (1 + 2) / 4])


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 55), st.floats(0.5, 20)), max_size=8), cut_points)
def test_pooling_does_not_depend_on_cuts(rows: list[tuple[float, float]], points: list[int]) -> None:
    logits_SK = np.random.default_rng(0).random((60, 3))
    spans = np.array([(start, start + length) for start, length in rows]).reshape(-1, 2)
    whole, parted = pooled(logits_SK, spans, 2.0), pooled(logits_SK, spans, 2.0, points)
    for name in ("logits_NK", "inner_NK", "outer_NK"):
        np.testing.assert_allclose(getattr(parted, name), getattr(whole, name), atol=1e-12)


# Selection.


def test_nested_spans_are_one_action_and_neighbours_are_two() -> None:
    spans = np.array([[0, 10], [2, 4], [11, 20], [10, 21], [2, 4]], dtype=float)
    labels = np.array([1, 1, 1, 1, 2])
    kept, scores, names = select(spans, np.array([0.9, 0.8, 0.7, 0.6, 0.5]), labels, max_overlap=0.4, vote_iou=0.9)
    assert kept.tolist() == [[0, 10], [11, 20], [2, 4]]
    assert scores.tolist() == [0.9, 0.7, 0.5]
    assert names.tolist() == [1, 1, 2]


def test_boundaries_are_agreed_between_much_the_same_spans() -> None:
    spans = np.array([[0.0, 10.0], [0.0, 9.0]])
    kept, _, _ = select(spans, np.array([0.8, 0.8]), np.array([0, 0]), max_overlap=0.4, vote_iou=0.8)
    np.testing.assert_allclose(kept, [[0.0, (0.2 * 10 + 0.1 * 9) / 0.3]], atol=1e-5)
    kept, _, _ = select(spans, np.array([0.8, 0.4]), np.array([0, 0]), max_overlap=0.4, vote_iou=0.8)
    np.testing.assert_allclose(kept, [[0.0, 10.0]], atol=0.01)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(unit, st.floats(0.01, 0.3), unit), max_size=30))
def test_parting_a_class_by_gaps_changes_nothing(rows: list[tuple[float, float, float]]) -> None:
    table = np.array(rows).reshape(-1, 3)
    spans = np.stack([table[:, 0], table[:, 0] + table[:, 1]], axis=1)
    groups = touching(spans, np.zeros(len(rows), dtype=np.int64))
    parted = [members[best_of_overlapping(spans[members], table[members, 2], 0.4)] for members in groups]
    ties = len(set(table[:, 2])) < len(rows)
    expected = best_of_overlapping(spans, table[:, 2], 0.4)
    assert ties or sorted(expected) == sorted(index for group in parted for index in group)


# The whole.


def test_it_is_what_the_configuration_names() -> None:
    assert LOCALIZERS["training_free"] is TrainingFree


def test_two_actions_come_out_as_two_detections_with_the_right_spans() -> None:
    found = find(scene((20, 50, 3), (90, 110, 5)))
    assert found.labels_N[:2].tolist() == [3, 5]
    np.testing.assert_allclose(found.spans_N2[:2] / STEP_S, [[20, 50], [90, 110]], atol=0.6)
    assert (found.scores_N[:2] > 0.6).all() and (found.scores_N <= 1).all()
    assert (found.scores_N[2:] < 0.1).all()


def test_two_actions_back_to_back_come_out_as_two() -> None:
    found = find(scene((30, 60, 3), (60, 90, 5)))
    assert sorted(found.labels_N[:2].tolist()) == [3, 5]
    in_time = np.argsort(found.spans_N2[:2, 0])
    np.testing.assert_allclose(found.spans_N2[:2][in_time] / STEP_S, [[30, 60], [60, 90]], atol=0.6)


def test_an_action_that_fills_the_video_is_found_whole() -> None:
    found = find(scene((0, 60, 2), steps=60), duration_s=19.0)
    assert found.labels_N[0] == 2
    np.testing.assert_allclose(found.spans_N2[0], [0.0, 19.0], atol=0.15)
    assert found.scores_N[0] > 0.8


def test_a_scene_without_actions_gives_nothing() -> None:
    assert len(find(scene())) == 0
    assert len(find(np.zeros((100, 8)))) == 0


def test_an_action_is_not_seen_where_the_picture_is_lost() -> None:
    start_s, stop_s = 35 * STEP_S, 50 * STEP_S
    found = find(scene((20, 50, 3)), lost=[(start_s, stop_s)])
    assert found.labels_N[0] == 3
    np.testing.assert_allclose(found.spans_N2[0], [20 * STEP_S, start_s], atol=0.2)
    assert not ((found.spans_N2[:, 0] < stop_s) & (found.spans_N2[:, 1] > start_s + 0.2)).any()


def test_no_blocks_give_no_detections() -> None:
    detector = TrainingFree(**SETTINGS)
    proposals = detector.propose([], duration_s=0.0)
    assert len(proposals) == 0
    assert len(detector.classify([], proposals)) == 0


def test_classify_takes_proposals_of_any_origin() -> None:
    blocks = blocks_of(scene((20, 50, 3)))
    proposals = Proposals(np.array([[20 * STEP_S, 50 * STEP_S], [0.0, 1.0], [8.0, 8.0], [90.0, 99.0]]), np.ones(4))
    found = TrainingFree(**SETTINGS).classify(blocks, proposals)
    assert found.labels_N.tolist() == [3]


LIVELY_SK = scene((20, 50, 3), (50, 70, 5), (100, 103, 1)) + np.random.default_rng(2).normal(0, 3, (150, 8))


@settings(max_examples=50, deadline=None)
@given(cut_points)
def test_detections_do_not_depend_on_cuts(points: list[int]) -> None:
    assert_same(find(LIVELY_SK, points), find(LIVELY_SK), atol=1e-9)


def test_a_little_noise_moves_the_detections_only_a_little() -> None:
    noise_SK = np.random.default_rng(3).uniform(-1e-5, 1e-5, LIVELY_SK.shape)
    assert_same(find(LIVELY_SK + noise_SK), find(LIVELY_SK), atol=1e-3)


def assert_same(found: Detections, expected: Detections, atol: float) -> None:
    assert found.labels_N.tolist() == expected.labels_N.tolist()
    np.testing.assert_allclose(found.spans_N2, expected.spans_N2, atol=atol)
    np.testing.assert_allclose(found.scores_N, expected.scores_N, atol=atol)


class Spool:
    """Blocks made when asked for; counts how many exist at a time."""

    def __init__(self, count: int) -> None:
        self.count, self.most = count, 0

    def __iter__(self) -> Iterator[FeatureSequence]:
        made: list[weakref.ref[np.ndarray]] = []
        for index in range(self.count):
            logits_SK = scene((20, 50, 3)).astype(np.float32)
            made.append(weakref.ref(logits_SK))
            self.most = max(self.most, sum(ref() is not None for ref in made))
            yield FeatureSequence("v", np.zeros((150, 1), np.float16), logits_SK, index * 150 * STEP_S, STEP_S)
            del logits_SK


def test_blocks_are_let_go_one_by_one() -> None:
    spool = Spool(20)
    detector = TrainingFree(**SETTINGS)
    found = detector.classify(spool, detector.propose(spool))
    assert found.labels_N.tolist() == [3] * 20
    assert spool.most <= 2

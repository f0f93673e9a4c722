"""Candidates: which are kept, in what order, and that many hours of many classes do not fill the memory."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.temporal.candidates import Candidates
from detectors.temporal.windows import Grid

GRID = Grid(0.0, 0.5)


def test_each_class_above_the_least_score_is_one_in_seconds_within_the_video() -> None:
    candidates = Candidates(GRID, 3.0, min_score=0.1, most_an_hour=10)
    spans = np.array([[[-2.0, 4.0]], [[5.0, 50.0]], [[7.0, 9.0]]])
    candidates.add(spans, np.array([[0.1, 0.9], [0.8, 0.2], [0.7, 0.7]]))
    found = candidates.detections()
    assert found.spans_N2.tolist() == [[0, 2], [2.5, 3], [2.5, 3]]  # the third begins after the end
    assert found.labels_N.tolist() == [1, 0, 1] and found.scores_N.tolist() == [0.9, 0.8, 0.2]


def test_classes_may_have_spans_of_their_own() -> None:
    candidates = Candidates(GRID, None, min_score=0.0, most_an_hour=10)
    candidates.add(np.array([[[0.0, 2.0], [4.0, 6.0]]]), np.array([[0.5, 0.6]]))
    found = candidates.detections()
    assert found.spans_N2.tolist() == [[2, 3], [0, 1]] and found.labels_N.tolist() == [1, 0]


def test_without_candidates_there_are_no_detections() -> None:
    assert len(Candidates(GRID, None, min_score=0.0, most_an_hour=10).detections()) == 0


@settings(deadline=None)
@given(st.lists(st.lists(st.integers(1, 9), max_size=12), max_size=8), st.integers(1, 6), st.integers(1, 3))
def test_letting_go_in_between_changes_nothing(parts: list[list[int]], most: int, hours: int) -> None:
    """Of equal scores the earlier ones are kept."""
    candidates = Candidates(GRID, hours * 3600.0, min_score=0.0, most_an_hour=most)
    number, rows = 0, []
    for part in parts:
        spans = [[2.0 * (number + row), 2.0 * (number + row) + 1] for row in range(len(part))]
        candidates.add(np.array(spans).reshape(-1, 1, 2), np.array(part, float).reshape(-1, 1) / 10)
        rows += [(-score, number + row) for row, score in enumerate(part)]
        number += len(part)
    found = candidates.detections()
    expected = sorted(rows)[: most * hours]
    assert found.spans_N2[:, 0].tolist() == [float(row) for _, row in expected]
    assert found.scores_N.tolist() == [-score / 10 for score, _ in expected]
    assert sum(len(scores) for _, _, scores in candidates._parts) <= 2 * most * hours

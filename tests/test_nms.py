"""nms_1d against ActionFormer's own outputs (nms_actionformer.json), a hand case and properties."""

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.nms import Method, nms_1d, pairwise_iou

GOLDEN = json.loads((Path(__file__).parent / "nms_actionformer.json").read_text())
METHODS: tuple[Method, ...] = ("hard", "linear", "gaussian")
DEFAULTS: dict[str, Any] = {"iou_threshold": 0.5, "sigma": 0.5, "min_score": 0.001, "max_detections": 200}


@pytest.mark.parametrize("case", GOLDEN, ids=lambda case: f"{len(case['scores'])}-{case['args']}")
def test_equals_actionformer(case: dict[str, Any]) -> None:
    args = case["args"]
    spans, scores, labels = nms_1d(
        case["segments"],
        case["scores"],
        case["labels"] if args["multiclass"] else None,
        method="gaussian" if args["use_soft_nms"] else "hard",
        iou_threshold=args["iou_threshold"],
        sigma=args["sigma"],
        min_score=args["min_score"],
        max_detections=args["max_seg_num"],
        vote_iou=args["voting_thresh"],
    )
    np.testing.assert_allclose(spans, case["out_segments"], atol=1e-5)
    np.testing.assert_allclose(scores, case["out_scores"], atol=1e-5)
    if args["multiclass"]:
        np.testing.assert_array_equal(labels, case["out_labels"])
    else:
        assert labels is None


HAND_SPANS = [(0, 10), (1, 11), (5, 15), (20, 30)]
HAND_SCORES = [0.9, 0.8, 0.7, 0.6]


def test_gaussian_hand_case() -> None:
    spans, scores, _ = nms_1d(HAND_SPANS, HAND_SCORES, method="gaussian", **DEFAULTS)
    assert spans.tolist() == [[0, 10], [20, 30], [5, 15], [1, 11]]
    np.testing.assert_allclose(scores, [0.9, 0.6, 0.560516, 0.145245], atol=1e-5)


def test_linear_and_hard_hand_case() -> None:
    spans, scores, _ = nms_1d(HAND_SPANS, HAND_SCORES, method="linear", **DEFAULTS)
    assert spans.tolist() == [[0, 10], [5, 15], [20, 30], [1, 11]]
    np.testing.assert_allclose(scores, [0.9, 0.7, 0.6, 0.8 * 2 / 11], atol=1e-5)
    spans, scores, _ = nms_1d(HAND_SPANS, HAND_SCORES, method="hard", **DEFAULTS)
    assert spans.tolist() == [[0, 10], [5, 15], [20, 30]]
    assert scores.tolist() == [0.9, 0.7, 0.6]


@pytest.mark.parametrize("method", METHODS)
def test_one_class_never_suppresses_another_and_each_is_capped(method: Method) -> None:
    spans = [(0, 10), (0, 10), (50, 60), (70, 80)]
    _, scores, labels = nms_1d(spans, [0.9, 0.8, 0.7, 0.6], [4, 7, 4, 4], method=method, **DEFAULTS)
    assert labels is not None and labels.tolist() == [4, 7, 4, 4]
    assert scores.tolist() == [0.9, 0.8, 0.7, 0.6]
    _, scores, labels = nms_1d(
        spans, [0.9, 0.8, 0.7, 0.6], [4, 7, 4, 4], method=method, **DEFAULTS | {"max_detections": 2}
    )
    assert labels is not None and labels.tolist() == [4, 7]
    assert scores.tolist() == [0.9, 0.8]


def test_vote_is_the_mean_weighted_by_score_and_iou() -> None:
    spans, _, _ = nms_1d(HAND_SPANS[:3], HAND_SCORES[:3], method="hard", vote_iou=0.7, **DEFAULTS)
    weights = np.array([0.9 * 1.0, 0.8 * 9 / 11])
    np.testing.assert_allclose(spans[0], weights @ np.array([(0, 10), (1, 11)]) / weights.sum())
    np.testing.assert_allclose(spans[1], [5, 15])


@pytest.mark.parametrize("method", METHODS)
def test_empty_and_degenerate_input(method: Method) -> None:
    spans, scores, labels = nms_1d(np.zeros((0, 2)), [], [], method=method, vote_iou=0.5, **DEFAULTS)
    assert spans.shape == (0, 2) and scores.shape == (0,) and labels is not None and labels.shape == (0,)
    assert nms_1d([], [], method=method, vote_iou=0.5, **DEFAULTS)[2] is None
    empty = [(3.0, 3.0), (3.0, 3.0), (5.0, 4.0), (0.0, 1.0)]
    spans, scores, _ = nms_1d(empty, [0.0, 0.5, 0.4, 0.3], method=method, vote_iou=0.5, **DEFAULTS)
    assert np.isfinite(spans).all() and np.isfinite(scores).all()
    assert [3.0, 3.0] in spans.tolist() and [0.0, 1.0] in spans.tolist()


def test_pairwise_iou_by_hand() -> None:
    iou_NM = pairwise_iou([(0, 10), (2, 2)], [(5, 15), (10, 20), (2, 2)])
    np.testing.assert_allclose(iou_NM, np.array([[1 / 3, 0, 0], [0, 0, 0]]), atol=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_ten_thousand_spans_of_twenty_classes_are_quick(method: Method) -> None:
    rng = np.random.default_rng(0)
    starts = rng.uniform(0, 3600, 10_000)
    spans = np.stack([starts, starts + rng.gamma(2, 10, 10_000)], axis=1)
    scores, labels = rng.random(10_000), rng.integers(0, 20, 10_000)
    times = []
    for _ in range(3):
        begin = time.perf_counter()
        nms_1d(spans, scores, labels, method=method, **DEFAULTS)
        times.append(time.perf_counter() - begin)
    assert min(times) < 0.3


number = st.floats(0, 100)
rows = st.lists(st.tuples(number, number, st.floats(0.01, 1), st.integers(0, 2)), max_size=40)


@settings(deadline=None)
@given(rows, st.sampled_from(METHODS), st.booleans())
def test_output_is_a_sorted_subset(rows: list[tuple[float, float, float, int]], method: Method, by_class: bool) -> None:
    spans, scores, labels = _columns(rows)
    kept, kept_scores, kept_labels = nms_1d(spans, scores, labels if by_class else None, method=method, **DEFAULTS)
    assert {tuple(span) for span in kept} <= {tuple(span) for span in spans}
    assert len(kept) <= len(spans)
    assert (np.diff(kept_scores) <= 0).all()
    if by_class:
        inputs = {(*span, label) for span, label in zip(spans.tolist(), labels.tolist(), strict=True)}
        assert kept_labels is not None
        assert {(*span, label) for span, label in zip(kept.tolist(), kept_labels.tolist(), strict=True)} <= inputs


@settings(deadline=None)
@given(rows, st.floats(0.05, 0.95))
def test_hard_is_idempotent(rows: list[tuple[float, float, float, int]], iou_threshold: float) -> None:
    options = DEFAULTS | {"iou_threshold": iou_threshold}
    once = nms_1d(*_columns(rows), method="hard", **options)
    twice = nms_1d(*once, method="hard", **options)
    for before, after in zip(once, twice, strict=True):
        assert before is not None and after is not None
        assert before.tolist() == after.tolist()


def _columns(rows: list[tuple[float, float, float, int]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    table = np.array(rows, dtype=np.float64).reshape(-1, 4)
    return np.sort(table[:, :2], axis=1), table[:, 2], table[:, 3].astype(np.int64)


def test_merged_classes_suppress_each_other_and_keep_their_labels() -> None:
    spans, scores, labels = [(0, 10), (1, 11), (20, 30)], [0.9, 0.8, 0.7], [4, 5, 5]
    settings = {"method": "hard", "iou_threshold": 0.5, "sigma": 0.5, "min_score": 0.0, "max_detections": 9}
    assert nms_1d(spans, scores, labels, **settings)[2].tolist() == [4, 5, 5]
    kept_spans, _, kept_labels = nms_1d(spans, scores, labels, **settings, class_wise=False)
    assert (kept_spans.tolist(), kept_labels.tolist()) == ([[0, 10], [20, 30]], [4, 5])


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 20), st.integers(-1, 12), st.integers(0, 9)), max_size=40),
    st.sampled_from([0.0, 0.1, 0.5, 0.7, 1.0]),
    st.integers(1, 40),
)
def test_hard_is_the_greedy_choice_also_of_spans_at_odds(
    rows: list[tuple[int, int, int]], iou_threshold: float, most: int
) -> None:
    """Many ties, spans without length and spans that end before they start."""
    spans = [(float(start), float(start + length)) for start, length, _ in rows]
    scores = [score / 10 for *_, score in rows]
    iou_NN = pairwise_iou(spans, spans)
    greedy: list[int] = []
    for number in sorted(range(len(rows)), key=lambda row: -scores[row]):
        if len(greedy) < most and all(iou_NN[number, one] < iou_threshold for one in greedy):
            greedy.append(number)
    options = DEFAULTS | {"iou_threshold": iou_threshold, "min_score": 0.0, "max_detections": most}
    kept, kept_scores, _ = nms_1d(spans, scores, method="hard", **options)
    assert kept.tolist() == [list(spans[one]) for one in greedy]
    assert kept_scores.tolist() == [scores[one] for one in greedy]


def test_a_hundred_thousand_spans_of_ten_hours_are_quick() -> None:
    rng = np.random.default_rng(0)
    starts = rng.uniform(0, 36_000, 100_000)
    spans = np.stack([starts, starts + rng.gamma(2, 3, 100_000)], axis=1)
    begin = time.process_time()
    nms_1d(spans, rng.random(100_000), method="hard", **DEFAULTS | {"iou_threshold": 0.7, "max_detections": 36_000})
    assert time.process_time() - begin < 3

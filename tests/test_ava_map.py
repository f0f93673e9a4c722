"""frame_map against AVA's own figures (ava_small.json) and hand cases."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from annotations.records import LabelledBoxes
from evaluation.ava import EVALUATED_ACTIONS, frame_map, paired_box_iou

GOLDEN: dict[str, Any] = json.loads((Path(__file__).parent / "ava_small.json").read_text())
LEFT, RIGHT = (0.0, 0.0, 0.4, 1.0), (0.6, 0.0, 1.0, 1.0)
ACTION, OTHER_ACTION, NOT_EVALUATED = 12, 80, 2


def boxes(rows: list[list[Any]], frames: list[tuple[str, str]] | None = None) -> LabelledBoxes:
    """Rows of video, time, box, action, of predictions with a score at the end, all of them or none."""
    keys = [(row[0], f"{float(row[1]):.6f}") for row in rows]
    frames = frames if frames is not None else sorted(set(keys))
    people = [(frames.index(key), row[2:]) for key, row in zip(keys, rows, strict=True) if len(row) > 2]
    has_scores = any(len(values) == 6 for _, values in people)
    table = np.array([[float(value) for value in values] for _, values in people]).reshape(-1, 6 if has_scores else 5)
    return LabelledBoxes(
        tuple(frames),
        np.array([frame for frame, _ in people], dtype=np.int64),
        table[:, :4],
        table[:, 4].astype(np.int64),
        table[:, 5] if has_scores else None,
    )


def person(box: tuple[float, ...], action: int = ACTION, score: float | None = None, time: int = 902) -> list[Any]:
    return ["v", time, *box, action, *([] if score is None else [score])]


def test_equals_the_official_code() -> None:
    truth, found = (boxes([line.split(",") for line in GOLDEN[name]]) for name in ("truth", "found"))
    result = frame_map(truth, found)
    assert result.map_at_50 == pytest.approx(GOLDEN["map_at_50"], abs=1e-9)
    with_truth = {str(action): ap for action, ap in result.per_class.items() if not math.isnan(ap)}
    assert with_truth == pytest.approx(GOLDEN["ap_by_action"], abs=1e-9)
    assert tuple(result.per_class) == EVALUATED_ACTIONS
    assert result.num_unlisted_frame > 0


def test_sixty_actions_are_evaluated() -> None:
    assert len(set(EVALUATED_ACTIONS)) == 60


def test_who_finds_the_best_taken_does_not_take_the_next_best() -> None:
    truth = boxes([person((0.0, 0.0, 0.4, 1.0)), person((0.1, 0.0, 0.5, 1.0))])
    # The first reaches the first alone; the second reaches both (IoU 0.90 and 0.67).
    found = boxes([person((0.0, 0.0, 0.3, 1.0), score=0.9), person((0.02, 0.0, 0.42, 1.0), score=0.8)])
    assert frame_map(truth, found).per_class[ACTION] == 0.5


def test_threshold_itself_is_enough() -> None:
    truth = boxes([person((0.0, 0.0, 0.5, 1.0))])
    assert frame_map(truth, boxes([person((0.0, 0.0, 0.25, 1.0), score=0.9)])).map_at_50 == 1
    assert frame_map(truth, boxes([person((0.0, 0.0, 0.24, 1.0), score=0.9)])).map_at_50 == 0


def test_frame_counts_its_fifty_best_rows_of_evaluated_actions() -> None:
    truth = boxes([person(LEFT)])
    wrong = [person(RIGHT, OTHER_ACTION, 0.9)] * 49
    right = person(LEFT, score=0.1)
    assert frame_map(truth, boxes([*wrong, right])).map_at_50 == 1
    assert frame_map(truth, boxes([*wrong, *wrong[:1], right])).map_at_50 == 0
    assert frame_map(truth, boxes([*wrong, person(RIGHT, NOT_EVALUATED, 0.9), right])).map_at_50 == 1


def test_box_without_area_takes_a_place_among_the_fifty_but_is_no_false_positive() -> None:
    truth = boxes([person(LEFT)])
    flat = person((0.5, 0.0, 0.5, 1.0), score=0.9)
    right = person(LEFT, score=0.1)
    assert frame_map(truth, boxes([flat, right])).map_at_50 == 1
    assert frame_map(truth, boxes([*[flat] * 50, right])).map_at_50 == 0


def test_rows_on_empty_frames_are_false_and_on_unlisted_frames_told() -> None:
    truth = boxes([person(LEFT), ["v", 903]])
    right = person(LEFT, score=0.8)
    on_empty = frame_map(truth, boxes([person(LEFT, score=0.9, time=903), right]))
    on_unlisted = frame_map(truth, boxes([person(LEFT, score=0.9, time=904), right]))
    assert (on_empty.map_at_50, on_empty.num_unlisted_frame) == (0.5, 0)
    assert (on_unlisted.map_at_50, on_unlisted.num_unlisted_frame) == (1.0, 1)


def test_class_without_predictions_counts_zero_and_one_without_truth_does_not_count() -> None:
    truth = boxes([person(LEFT), person(LEFT, OTHER_ACTION), person(LEFT, NOT_EVALUATED)])
    result = frame_map(truth, boxes([person(LEFT, score=0.9), person(LEFT, 1, 0.9)]))
    assert (result.per_class[ACTION], result.per_class[OTHER_ACTION]) == (1, 0)
    assert math.isnan(result.per_class[1])
    assert NOT_EVALUATED not in result.per_class
    assert result.map_at_50 == 0.5
    assert (result.num_truth[ACTION], result.num_truth[1]) == (1, 0)


@pytest.mark.filterwarnings("error")
def test_nothing_found_is_zero_and_no_truth_is_nan() -> None:
    nothing = LabelledBoxes((), np.zeros(0, np.int64), np.zeros((0, 4)), np.zeros(0, np.int64), np.zeros(0))
    assert frame_map(boxes([person(LEFT)]), nothing).map_at_50 == 0
    assert math.isnan(frame_map(nothing, boxes([person(LEFT, score=0.9)])).map_at_50)


def test_missing_scores_are_refused() -> None:
    with pytest.raises(ValueError, match="without scores"):
        frame_map(boxes([person(LEFT)]), boxes([person(LEFT)]))


def test_box_iou_by_hand() -> None:
    others = np.array([LEFT, RIGHT, (0.2, 0.0, 0.6, 1.0), (0.0, 0.0, 0.4, 0.5)])
    iou_K = paired_box_iou(np.tile(LEFT, (4, 1)), others)
    np.testing.assert_allclose(iou_K, [1, 0, 1 / 3, 0.5])

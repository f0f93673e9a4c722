"""Tubes as annotated key frames tell them, by hand."""

import math

import numpy as np
import pytest

from annotations.records import NO_PERSON, LabelledBoxes
from evaluation.truth_tubes import key_frame_period_s, tubes_of

Row = tuple[str, float, int, int]  # video, time, action, person


def truth_of(rows: list[Row], empty: list[tuple[str, float]] | None = None) -> LabelledBoxes:
    """Box number n is n/100 wide."""
    keys = [(video, f"{time:.6f}") for video, time, *_ in rows]
    frames = sorted({*keys, *((video, f"{time:.6f}") for video, time in empty or [])}, reverse=True)
    return LabelledBoxes(
        tuple(frames),
        np.array([frames.index(key) for key in keys], np.int64),
        np.array([[0, 0, number / 100, 1] for number in range(len(rows))], float).reshape(-1, 4),
        np.array([row[2] for row in rows], np.int64),
        None,
        np.array([row[3] for row in rows], np.int64),
    )


def plain(
    rows: list[Row], *, empty: list[tuple[str, float]] | None = None, period_s: float | None = None
) -> list[tuple]:  # type: ignore[type-arg]
    """Each tube's action, the video and times of its frames, and the numbers of its boxes."""
    tubes = tubes_of(truth_of(rows, empty), period_s)
    found = []
    for tube, action in enumerate(tubes.action_U.tolist()):
        members = np.flatnonzero(tubes.tube_M == tube)
        frames = [tubes.frames[frame] for frame in tubes.frame_M[members]]
        numbers = np.rint(100 * tubes.boxes_M4[members, 2]).astype(int).tolist()
        found.append((action, frames[0][0], [float(time) for _, time in frames], numbers))
    return sorted(found)


def test_one_person_doing_one_thing_on_consecutive_frames_is_one_tube() -> None:
    rows = [("v", 2, 5, 1), ("v", 1, 5, 1), ("v", 3, 5, 1)]
    assert plain(rows) == [(5, "v", [1, 2, 3], [1, 0, 2])]


def test_another_action_person_or_video_is_another_tube() -> None:
    rows = [("v", 1, 5, 1), ("v", 2, 5, 1), ("v", 1, 6, 1), ("v", 2, 5, 2), ("w", 3, 5, 1)]
    assert plain(rows) == [(5, "v", [1, 2], [0, 1]), (5, "v", [2], [3]), (5, "w", [3], [4]), (6, "v", [1], [2])]


def test_frame_without_the_action_ends_the_tube_but_uneven_times_do_not() -> None:
    rows = [("v", 1, 5, 1), ("v", 2.04, 5, 1), ("v", 4, 5, 1), ("v", 4.96, 5, 1)]
    assert plain(rows, empty=[("v", 3)]) == [(5, "v", [1, 2.04], [0, 1]), (5, "v", [4, 4.96], [2, 3])]


def test_period_is_what_is_usual_in_the_file_or_as_given() -> None:
    rows = [("v", 0.5 * step, 5, 1) for step in (0, 1, 3, 4)]
    assert plain(rows, empty=[("w", 0.5 * step) for step in range(9)]) == [
        (5, "v", [0, 0.5], [0, 1]),
        (5, "v", [1.5, 2], [2, 3]),
    ]
    assert plain(rows, period_s=1) == [(5, "v", [0, 0.5, 1.5, 2], [0, 1, 2, 3])]
    assert plain(rows, period_s=0.25) == [(5, "v", [time], [number]) for number, time in enumerate((0, 0.5, 1.5, 2))]


def test_usual_period_is_within_videos_and_infinite_without_any() -> None:
    assert key_frame_period_s([("v", "10.000000"), ("v", "2.000000"), ("v", "1.000000"), ("v", "3.000000")]) == 1
    assert math.isinf(key_frame_period_s([("v", "1.000000"), ("w", "2.000000")]))
    assert plain([("v", 1, 5, 1), ("w", 1, 5, 1)]) == [(5, "v", [1], [0]), (5, "w", [1], [1])]


def test_row_that_is_there_twice_is_one_box_the_first_and_without_person_none() -> None:
    rows = [("v", 1, 5, 1), ("v", 1, 5, 1), ("v", 2, 5, 1), ("v", 1, 5, NO_PERSON), ("v", 2, 5, NO_PERSON)]
    assert plain(rows) == [(5, "v", [1, 2], [0, 2])]


def test_no_rows_are_no_tubes_and_no_ids_are_refused() -> None:
    assert plain([]) == []
    boxes = truth_of([("v", 1, 5, 1)])
    with pytest.raises(ValueError, match="without person ids make no tubes"):
        tubes_of(LabelledBoxes(boxes.frames, boxes.frame_N, boxes.boxes_N4, boxes.action_N))

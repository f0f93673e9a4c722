"""video_map by hand-made tubes, and against the plain way of the ACT-detector's evaluation, tube by tube."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotations.records import Frame, LabelledTubes
from evaluation.video_map import VideoMap, tube_pairs, video_map

ACTION, OTHER_ACTION = 12, 80
LEFT, RIGHT, HALF_OF_LEFT = (0.0, 0.0, 0.4, 1.0), (0.6, 0.0, 1.0, 1.0), (0.0, 0.0, 0.2, 1.0)
FRAMES = tuple(("v", f"{time}.000000") for time in range(10))

Box = tuple[float, ...]


class Tube(NamedTuple):
    boxes: dict[Frame, Box]
    action: int = ACTION
    score: float = 0.0


def still(box: Box, start: int, stop: int, score: float = 0.0, action: int = ACTION, video: str = "v") -> Tube:
    return Tube({(video, f"{time}.000000"): box for time in range(start, stop)}, action, score)


def record(tubes: Sequence[Tube], frames: Sequence[Frame], *, scored: bool) -> LabelledTubes:
    rows = [(number, frame, box) for number, tube in enumerate(tubes) for frame, box in tube.boxes.items()]
    return LabelledTubes(
        tuple(frames),
        np.array([tube.action for tube in tubes], np.int64),
        np.array([number for number, _, _ in rows], np.int64),
        np.array([frames.index(frame) for _, frame, _ in rows], np.int64),
        np.array([box for _, _, box in rows], float).reshape(-1, 4),
        np.array([tube.score for tube in tubes], float) if scored else None,
    )


def measured(truth: Sequence[Tube], found: Sequence[Tube], frames: Sequence[Frame] = FRAMES) -> VideoMap:
    others = list(dict.fromkeys([*reversed(frames), *(frame for tube in found for frame in tube.boxes)]))
    return video_map(record(truth, frames, scored=False), record(found, others, scored=True))


def aps(truth: Sequence[Tube], found: Sequence[Tube], frames: Sequence[Frame] = FRAMES) -> list[float]:
    """AP of ACTION at 0.2 and 0.5."""
    return measured(truth, found, frames).per_class[ACTION].tolist()


def iou_of(one: Tube, other: Tube) -> float:
    pairs = tube_pairs(record([one], FRAMES, scored=False), record([other], FRAMES, scored=True))
    return float(pairs.iou_K.sum())


# By hand


def test_overlap_is_that_of_frames_times_the_mean_of_boxes() -> None:
    one = still(LEFT, 0, 4)
    assert iou_of(one, still(LEFT, 0, 4)) == 1
    assert iou_of(one, still(LEFT, 2, 6)) == pytest.approx(2 / 6)
    assert iou_of(one, still(HALF_OF_LEFT, 0, 4)) == pytest.approx(1 / 2)
    assert iou_of(one, still(HALF_OF_LEFT, 2, 6)) == pytest.approx(2 / 6 * 1 / 2)
    assert iou_of(one, Tube(still(RIGHT, 0, 2).boxes | still(LEFT, 2, 4).boxes)) == pytest.approx(1 / 2)
    assert iou_of(one, still(LEFT, 4, 8)) == iou_of(one, still(RIGHT, 0, 4)) == 0
    assert iou_of(one, Tube(still(LEFT, 0, 1).boxes | still(LEFT, 3, 4).boxes)) == pytest.approx(2 / 4)


def test_perfect_tubes_are_all_found() -> None:
    truth = [still(LEFT, 0, 4), still(RIGHT, 0, 4), still(LEFT, 6, 8), still(LEFT, 0, 1, action=OTHER_ACTION)]
    result = measured(truth, [tube._replace(score=0.5) for tube in truth])
    assert result.map_T.tolist() == [1, 1]
    assert (result.num_truth[ACTION], result.num_truth[OTHER_ACTION], result.num_truth[1]) == (3, 1, 0)
    assert (result.num_found, result.num_unlisted, result.ious) == (4, 0, (0.2, 0.5))


def test_shifted_in_time_or_space_counts_at_the_lower_threshold_only() -> None:
    truth = [still(LEFT, 0, 4)]
    assert aps(truth, [still(LEFT, 2, 6, 0.9)]) == [1, 0]
    assert aps(truth, [still(LEFT, 3, 7, 0.9)]) == [0, 0]
    assert aps(truth, [still((0.2, 0.0, 0.6, 1.0), 0, 4, 0.9)]) == [1, 0]
    assert aps(truth, [still(RIGHT, 0, 4, 0.9)]) == [0, 0]


def test_thresholds_themselves_are_enough() -> None:
    truth = [still(LEFT, 0, 5)]
    assert aps(truth, [still(LEFT, 0, 1, 0.9)]) == [1, 0]
    assert aps([still(LEFT, 0, 4)], [still(LEFT, 0, 2, 0.9)]) == [1, 1]


def test_split_tube_is_one_hit_and_one_false_positive() -> None:
    truth = [still(LEFT, 0, 8), still(RIGHT, 0, 8)]
    halves = [still(LEFT, 0, 4, 0.9), still(LEFT, 4, 8, 0.8)]
    assert aps(truth, [*halves, still(RIGHT, 0, 8, 0.7)]) == pytest.approx([(1 + 2 / 3) / 2] * 2)
    assert aps(truth, [*halves, still(RIGHT, 0, 8, 0.95)]) == [1, 1]


def test_who_finds_the_best_taken_takes_the_next_best() -> None:
    truth = [still(LEFT, 0, 4), still(LEFT, 1, 5)]
    found = [still(LEFT, 0, 4, 0.9), still(LEFT, 0, 4, 0.8)]
    assert aps(truth, found) == [1, 1]
    assert aps(truth, [*found, still(LEFT, 0, 4, 0.85)]) == [1, 1]
    assert aps([truth[0]], found) == [1, 1]
    assert aps(truth, [found[0], still(RIGHT, 0, 4, 0.85), found[1]]) == pytest.approx([(1 + 2 / 3) / 2] * 2)


def test_two_people_who_cross_are_told_apart_by_their_boxes() -> None:
    paths = [[(0.1 * time, 0.0, 0.1 * time + 0.2, 1.0) for time in times] for times in (range(8), range(7, -1, -1))]
    truth = [Tube(dict(zip(FRAMES, path, strict=False))) for path in paths]
    assert aps(truth, [truth[1]._replace(score=0.9), truth[0]._replace(score=0.8)]) == [1, 1]
    swapped = [
        Tube(dict(zip(FRAMES, [*one[:4], *other[4:]], strict=False)), ACTION, 0.9 - number / 10)
        for number, (one, other) in enumerate([paths, paths[::-1]])
    ]
    # Identities swap where they meet: each is right for half of the time, and near the middle they overlap anyway.
    assert aps(truth, swapped) == [1, 1]
    swapped_early = [
        Tube(dict(zip(FRAMES, [*one[:2], *other[2:]], strict=False)), ACTION, 0.9) for one, other in [paths]
    ]
    assert aps(truth[:1], swapped_early) == [1, 0]


def test_boxes_on_frames_that_are_not_listed_are_dropped_before() -> None:
    listed = FRAMES[::2]
    truth = [Tube(dict.fromkeys(listed[:3], LEFT))]
    assert aps(truth, [still(LEFT, 0, 6, 0.9)], listed) == [1, 1]
    elsewhere = still(LEFT, 0, 6, 0.95, video="w")
    between = Tube({FRAMES[1]: LEFT}, ACTION, 0.95)
    result = measured(truth, [still(LEFT, 0, 6, 0.9), elsewhere, between, Tube({}, ACTION, 1.0)], listed)
    assert (result.map_T.tolist(), result.num_found, result.num_unlisted) == ([1, 1], 1, 3)
    on_empty = Tube({listed[4]: LEFT}, ACTION, 0.95)
    assert aps(truth, [still(LEFT, 0, 6, 0.9), on_empty], listed) == [0.5, 0.5]


def test_classes_and_videos_are_kept_apart() -> None:
    frames = (*FRAMES, *(("w", time) for _, time in FRAMES))
    truth = [still(LEFT, 0, 4), still(LEFT, 0, 4, action=OTHER_ACTION, video="w")]
    found = [still(LEFT, 0, 4, 0.9, OTHER_ACTION), still(LEFT, 0, 4, 0.9, video="w"), still(LEFT, 0, 4, 0.8)]
    result = measured(truth, found, frames)
    assert result.per_class[ACTION].tolist() == [0.5, 0.5] and result.per_class[OTHER_ACTION].tolist() == [0, 0]
    assert result.map_T.tolist() == [0.25, 0.25]


def test_evaluated_classes_alone_count() -> None:
    truth = [still(LEFT, 0, 4), still(LEFT, 0, 4, action=2)]
    found = [still(LEFT, 0, 4, 0.9), still(LEFT, 0, 4, 0.9, action=2), Tube({}, 2, 0.5)]
    result = measured(truth, found)
    assert (result.map_T.tolist(), result.num_found, result.num_unlisted) == ([1, 1], 1, 0)
    own = video_map(record(truth, FRAMES, scored=False), record(found, FRAMES, scored=True), [2, 3])
    assert own.map_T.tolist() == [1, 1] and list(own.per_class) == [2, 3] and np.isnan(own.per_class[3]).all()


@pytest.mark.filterwarnings("error")
def test_nothing_found_is_zero_no_truth_is_nan_and_missing_scores_are_refused() -> None:
    assert measured([still(LEFT, 0, 4)], []).map_T.tolist() == [0, 0]
    assert np.isnan(measured([], [still(LEFT, 0, 4, 0.9)]).map_T).all()
    assert np.isnan(measured([], [], ()).map_T).all()
    with pytest.raises(ValueError, match="without scores"):
        video_map(record([], FRAMES, scored=False), record([], FRAMES, scored=False))


# Against the plain way


def plain_iou(one: Box, other: Box) -> float:
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    inter = max(width, 0) * max(height, 0)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return inter / (sum(areas) - inter)


def plain_tube_iou(one: Tube, other: Tube) -> float:
    shared = one.boxes.keys() & other.boxes.keys()
    if not shared:
        return 0.0
    temporal = len(shared) / len(one.boxes.keys() | other.boxes.keys())
    return temporal * sum(plain_iou(one.boxes[frame], other.boxes[frame]) for frame in shared) / len(shared)


def plain_ap(truth: list[Tube], found: list[Tube], threshold: float) -> float:
    """Of one class: the best score takes what it overlaps most and takes it away."""
    left, precisions, is_hit = list(truth), [], []
    for number, tube in enumerate(sorted(found, key=lambda tube: -tube.score), start=1):
        best = max(left, key=lambda one: plain_tube_iou(one, tube), default=None)
        is_hit.append(best is not None and plain_tube_iou(best, tube) >= threshold)
        if is_hit[-1]:
            left = [one for one in left if one is not best]
        precisions.append(sum(is_hit) / number)
    return sum(max(precisions[place:]) for place, hit in enumerate(is_hit) if hit) / len(truth)


def random_tubes(rng: np.random.Generator) -> tuple[list[Frame], list[Tube], list[Tube]]:
    """Truth, and predictions that are the truth moved, cut, and with holes, or anything."""
    frames = [(video, f"{time:.6f}") for video in ("b", "a") for time in np.arange(12) / 2]
    unlisted = [(video, f"{time:.6f}") for video in ("b", "c") for time in (50.0, 51.0)]
    truth = [random_tube(rng, frames) for _ in range(rng.integers(1, 9))]
    found = []
    for score in rng.permutation(rng.integers(1, 16)):
        if rng.random() < 0.7:
            tube = truth[rng.integers(len(truth))]
            noise = rng.uniform(0.02, 0.3)
            boxes = {frame: moved(rng, box, noise) for frame, box in tube.boxes.items() if rng.random() < 0.8}
            boxes |= {frame: random_box(rng) for frame in unlisted if rng.random() < 0.2}
        else:
            tube = random_tube(rng, [*frames, *unlisted])
            boxes = tube.boxes
        action = tube.action if rng.random() < 0.9 else 9
        found.append(Tube(boxes, action, float(score) / 16))
    return frames, truth, found


def random_tube(rng: np.random.Generator, frames: list[Frame]) -> Tube:
    video = str(rng.choice(["a", "b"]))
    own = [frame for frame in frames if frame[0] == video]
    start = rng.integers(len(own))
    box = random_box(rng)
    chosen = own[start : start + rng.integers(1, 8)]
    return Tube({frame: moved(rng, box, 0.05) for frame in chosen}, int(rng.choice([9, 11, 12])))


def random_box(rng: np.random.Generator) -> Box:
    x1, y1 = rng.uniform(0, 0.6, 2)
    width, height = rng.uniform(0.2, 0.4, 2)
    return (x1, y1, x1 + width, y1 + height)


def moved(rng: np.random.Generator, box: Box, by: float) -> Box:
    x, y = rng.uniform(-by, by, 2)
    return (box[0] + x, box[1] + y, box[2] + x, box[3] + y)


@settings(deadline=None, max_examples=150)
@given(st.integers(0, 2**32))
def test_equals_the_plain_way(seed: int) -> None:
    frames, truth, found = random_tubes(np.random.default_rng(seed))
    result = measured(truth, found, frames)
    listed = [
        tube._replace(boxes={frame: box for frame, box in tube.boxes.items() if frame in frames}) for tube in found
    ]
    for action, ap_T in result.per_class.items():
        own_truth = [tube for tube in truth if tube.action == action]
        own_found = [tube for tube in listed if tube.action == action and tube.boxes]
        if own_truth:
            assert ap_T.tolist() == pytest.approx([plain_ap(own_truth, own_found, iou) for iou in (0.2, 0.5)])
        else:
            assert all(map(math.isnan, ap_T))


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32))
def test_order_of_frames_and_tubes_does_not_matter(seed: int) -> None:
    rng = np.random.default_rng(seed)
    frames, truth, found = random_tubes(rng)
    shuffled = [[tubes[place] for place in rng.permutation(len(tubes))] for tubes in (frames, truth, found)]
    first, again = measured(truth, found, frames), measured(shuffled[1], shuffled[2], shuffled[0])
    np.testing.assert_array_equal(first.map_T, again.map_T)

"""Claims about the boxes of a single shot detector: where anchors lie, what codes mean, which repeats go."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from detectors.persons.ssd_boxes import decode, grid_anchors, iou_with, suppress

CODE_SCALES = (10.0, 10.0, 5.0, 5.0)


def corners(count: st.SearchStrategy[int]) -> st.SearchStrategy[np.ndarray]:
    """Boxes (K, 4) with their corners in order, on a coarse grid so that they often touch and coincide."""
    points = count.flatmap(lambda k: arrays(np.float32, (k, 2, 2), elements=st.integers(0, 6).map(float)))
    return points.map(lambda one: np.concatenate([one.min(axis=1), one.max(axis=1)], axis=1))


def test_anchors_go_row_by_row_and_those_of_a_cell_stand_together() -> None:
    anchors_A4 = grid_anchors(2, (0.5, 0.4), (1.0, 4.0))
    assert anchors_A4.dtype == np.float32
    expected = [
        [*(0.25, 0.25), *(0.5, 0.5)],
        [*(0.25, 0.25), *(0.8, 0.2)],
        [*(0.75, 0.25), *(0.5, 0.5)],
        [*(0.75, 0.25), *(0.8, 0.2)],
        [*(0.25, 0.75), *(0.5, 0.5)],
        [*(0.25, 0.75), *(0.8, 0.2)],
        [*(0.75, 0.75), *(0.5, 0.5)],
        [*(0.75, 0.75), *(0.8, 0.2)],
    ]
    np.testing.assert_allclose(anchors_A4, expected, rtol=1e-6)


def test_a_code_of_zeros_is_the_anchor_and_others_move_and_stretch_it() -> None:
    anchors_K4 = np.float32([[0.5, 0.5, 0.2, 0.4]] * 3)
    codes_K4 = np.float32([[0, 0, 0, 0], [10, 0, 0, 0], [0, -5, 5 * np.log(2), 0]])
    expected = [[0.4, 0.3, 0.6, 0.7], [0.4, 0.7, 0.6, 1.1], [0.3, 0.1, 0.5, 0.9]]
    boxes_K4 = decode(codes_K4, anchors_K4, CODE_SCALES)
    assert boxes_K4.dtype == np.float32
    np.testing.assert_allclose(boxes_K4, expected, atol=1e-6)


@given(
    arrays(np.float32, (5, 4), elements=st.floats(0.125, 1, width=32)),
    arrays(np.float32, (5, 4), elements=st.floats(0.125, 1, width=32)),
)
def test_decoding_undoes_encoding(boxes_K4: np.ndarray, anchors_K4: np.ndarray) -> None:
    moved_K2 = (boxes_K4[:, :2] - anchors_K4[:, :2]) / anchors_K4[:, 2:]
    stretched_K2 = np.log(boxes_K4[:, 2:] / anchors_K4[:, 2:])
    codes_K4 = np.concatenate([moved_K2[:, ::-1], stretched_K2[:, ::-1]], axis=1) * np.float32(CODE_SCALES)
    first_K2, last_K2 = boxes_K4[:, :2] - boxes_K4[:, 2:] / 2, boxes_K4[:, :2] + boxes_K4[:, 2:] / 2
    found_K4 = decode(codes_K4, anchors_K4, CODE_SCALES)
    np.testing.assert_allclose(found_K4, np.concatenate([first_K2, last_K2], axis=1), atol=1e-5)


def test_iou_by_hand() -> None:
    others_K4 = np.float32([[0, 0, 2, 2], [1, 0, 3, 2], [2, 0, 4, 2], [0, 0, 2, 1], [1, 1, 1, 1]])
    np.testing.assert_allclose(iou_with(others_K4[0], others_K4), [1, 1 / 3, 0, 0.5, 0])


def test_two_boxes_without_area_do_not_overlap() -> None:
    assert iou_with(np.float32([1, 1, 1, 1]), np.float32([[1, 1, 1, 1]])).tolist() == [0]


def test_the_better_of_two_that_overlap_stays_and_one_between_goes_with_neither() -> None:
    """The third is repeated by the second only, which is gone itself by then."""
    boxes_K4 = np.float32([[0, 0, 10, 1], [2, 0, 12, 1], [4, 0, 14, 1]])  # IoU 2/3, 3/7, 2/3
    assert suppress(boxes_K4, np.float32([0.9, 0.8, 0.7]), iou_threshold=0.6, most=100).tolist() == [0, 2]
    assert suppress(boxes_K4, np.float32([0.7, 0.8, 0.9]), iou_threshold=0.6, most=100).tolist() == [2, 0]
    assert suppress(boxes_K4, np.float32([0.7, 0.8, 0.9]), iou_threshold=0.6, most=1).tolist() == [2]


def test_overlap_of_just_the_threshold_is_allowed() -> None:
    boxes_K4 = np.float32([[0, 0, 2, 2], [0, 0, 2, 1]])
    assert suppress(boxes_K4, np.float32([0.9, 0.8]), iou_threshold=0.5, most=2).tolist() == [0, 1]


def test_of_none_none_stays() -> None:
    assert suppress(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), iou_threshold=0.5, most=2).tolist() == []


@given(st.data(), corners(st.integers(1, 12)), st.sampled_from([0.2, 0.5, 0.8]))
def test_kept_ones_overlap_little_and_every_other_repeats_a_better_one(
    data: st.DataObject, boxes_K4: np.ndarray, iou_threshold: float
) -> None:
    count = len(boxes_K4)
    scores_K = np.float32(data.draw(st.permutations(range(count)))) / count
    picks = suppress(boxes_K4, scores_K, iou_threshold=iou_threshold, most=count).tolist()
    assert (np.diff(scores_K[picks]) < 0).all()
    for place, pick in enumerate(picks):
        assert (iou_with(boxes_K4[pick], boxes_K4[picks[:place]]) <= iou_threshold).all()
    for other in set(range(count)) - set(picks):
        repeats = iou_with(boxes_K4[other], boxes_K4[picks]) > iou_threshold
        assert (scores_K[picks][repeats] > scores_K[other]).any()

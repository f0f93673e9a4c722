"""Claims about which anchor, proposal or point stands for which ground truth, by cases made by hand."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from detectors.temporal.anchor_free import points_of
from detectors.temporal.spans import span_iou
from training.anchor_free import assign_points
from training.anchors import IGNORED, NEGATIVE, assign, sample


def assigned(anchors: list[list[float]], truths: list[list[float]], *, best_counts: bool = True) -> list[int]:
    iou = span_iou(torch.tensor(anchors).view(-1, 2), torch.tensor(truths).view(-1, 2))
    return assign(iou, positive=0.7, negative=0.3, best_counts=best_counts).tolist()


def test_anchor_is_positive_from_seven_tenths_and_negative_below_three() -> None:
    truths = [[0.0, 10.0]]
    anchors = [[0.0, 10.0], [0.0, 7.0], [0.0, 6.9], [0.0, 3.0], [0.0, 2.9], [20.0, 30.0]]
    assert assigned(anchors, truths) == [0, 0, IGNORED, IGNORED, NEGATIVE, NEGATIVE]


def test_the_best_anchor_of_a_truth_is_positive_however_little_it_overlaps() -> None:
    anchors = [[0.0, 10.0], [12.0, 20.0], [40.0, 50.0]]
    truths = [[0.0, 10.0], [18.0, 30.0]]
    assert assigned(anchors, truths) == [0, 1, NEGATIVE]
    assert assigned(anchors, truths, best_counts=False) == [0, NEGATIVE, NEGATIVE]


def test_all_anchors_that_are_as_good_as_the_best_count() -> None:
    assert assigned([[0.0, 4.0], [6.0, 10.0], [0.0, 1.0]], [[0.0, 10.0]]) == [0, 0, NEGATIVE]


def test_a_truth_that_no_anchor_touches_makes_none_positive() -> None:
    assert assigned([[0.0, 4.0], [6.0, 10.0]], [[50.0, 60.0]]) == [NEGATIVE, NEGATIVE]


def test_without_truths_all_are_negative_and_without_anchors_there_is_nothing() -> None:
    assert assigned([[0.0, 4.0]], []) == [NEGATIVE]
    assert assigned([], [[0.0, 4.0]]) == []


def test_a_sample_holds_at_most_its_share_of_positives_and_is_filled_with_negatives() -> None:
    rows = torch.tensor([0] * 30 + [NEGATIVE] * 100 + [IGNORED] * 50)
    positives, negatives = sample(rows, count=40, positive_share=0.25)
    assert (len(positives), len(negatives)) == (10, 30)
    assert set(rows[positives].tolist()) == {0} and set(rows[negatives].tolist()) == {NEGATIVE}
    assert len(set(positives.tolist())) == 10
    few, rest = sample(rows, count=400, positive_share=0.5)
    assert (len(few), len(rest)) == (30, 100)


# Points of the pyramid: levels of stride 1, 2 and 4 over 32 steps


def points_for(spans: list[list[float]], num_steps: int = 32) -> dict[tuple[float, float], int]:
    """The truth of each point that stands for one, by (stride, instant)."""
    at, strides = points_of(num_steps, (1, 2, 4))
    truth, _ = assign_points(num_steps, (1, 2, 4), torch.tensor(spans).view(-1, 2))
    return {
        (stride, instant): one
        for stride, instant, one in zip(strides.tolist(), at.tolist(), truth.tolist(), strict=True)
        if one >= 0
    }


def test_a_short_action_is_learned_by_the_finest_level_near_its_middle() -> None:
    assert points_for([[9.0, 13.0]]) == {(1, 9.5): 0, (1, 10.5): 0, (1, 11.5): 0, (1, 12.5): 0}


def test_a_longer_action_is_learned_by_the_levels_that_reach_its_farther_end() -> None:
    assert points_for([[6.0, 18.0]]) == {(2, 10.5): 0, (2, 12.5): 0, (4, 8.5): 0, (4, 16.5): 0}


def test_the_coarsest_level_takes_all_that_is_longer() -> None:
    found = points_for([[0.0, 32.0]])
    assert found and {stride for stride, _ in found} == {4}


def test_of_two_actions_around_a_point_it_stands_for_the_shorter() -> None:
    found = points_for([[8.0, 15.0], [9.5, 13.5]])
    assert found[(1, 11.5)] == 1


def test_distances_are_in_strides_of_the_level() -> None:
    at, strides = points_of(32, (1, 2, 4))
    truth, distances = assign_points(32, (1, 2, 4), torch.tensor([[6.0, 18.0]]))
    row = int(((strides == 2) & (at == 12.5)).nonzero()[0, 0])
    assert truth[row] == 0 and distances[row].tolist() == pytest.approx([3.25, 2.75])


def test_without_actions_no_point_stands_for_any() -> None:
    assert points_for([]) == {}


def test_a_point_stands_only_for_an_action_that_it_is_inside_of() -> None:
    assert points_for([[9.6, 10.4], [20.5, 20.5]]) == {}


def test_a_pyramid_of_one_level_takes_actions_of_any_length() -> None:
    truth, _ = assign_points(40, (1,), torch.tensor([[0.0, 40.0], [3.0, 5.0]]))
    assert truth.nonzero()[:, 0].tolist() != [] and truth[3:5].tolist() == [1, 1]
    assert truth[18:22].tolist() == [0] * 4 and truth[10].item() == -1


@given(st.floats(0, 90), st.floats(1.01, 200))
def test_every_action_of_more_than_a_step_is_learned_by_some_point(start: float, length: float) -> None:
    num_steps = 300
    truth, distances = assign_points(num_steps, (1, 2, 4, 8), torch.tensor([[start, start + length]]).double())
    own = truth >= 0
    assert own.any() and (distances[own] > 0).all()


@given(st.lists(st.tuples(st.floats(0, 90), st.floats(1.01, 60)), max_size=6))
def test_a_points_distances_lead_back_to_its_action(rows: list[tuple[float, float]]) -> None:
    spans = torch.tensor([[start, start + length] for start, length in rows]).double().view(-1, 2)
    at, strides = points_of(160, (1, 2, 4, 8))
    truth, distances = assign_points(160, (1, 2, 4, 8), spans)
    own = truth >= 0
    found = at[own, None] + distances[own] * strides[own, None] * torch.tensor([-1.0, 1.0])
    torch.testing.assert_close(found, spans[truth[own]], atol=1e-9, rtol=0)

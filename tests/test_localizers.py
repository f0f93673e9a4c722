"""Trained networks at work: block by block as with the whole before them, and blind to what lies too far away.

Shape letters: S steps, C channels.
"""

import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from feature_videos import STEP_S, anchor_free, assert_same, blocks_of, made, rcnn, still

from detectors.temporal.anchor_free import AnchorFree, points_of
from detectors.temporal.localizers import AnchorFreeLocalizer, TemporalRcnnLocalizer
from detectors.temporal.step_probe import StepProbe, StepProbeLocalizer
from pipeline.records import Detections, FeatureSequence, Proposals, Span
from training.batch import Example, collate

pytestmark = pytest.mark.usefixtures("one_thread")

Localizer = AnchorFreeLocalizer | TemporalRcnnLocalizer | StepProbeLocalizer
Make = Callable[[int], Localizer]  # from core_steps
WHOLE = 10_000


def of_anchor_free(core_steps: int, **changes: Any) -> AnchorFreeLocalizer:
    network = anchor_free(1, **changes)
    return AnchorFreeLocalizer(network, min_score=0.05, max_candidates=100_000, core_steps=core_steps)


def of_rcnn(core_steps: int, **changes: Any) -> TemporalRcnnLocalizer:
    network = rcnn(1, **changes)
    return TemporalRcnnLocalizer(network, min_score=0.05, max_candidates=100_000, proposals=80, core_steps=core_steps)


def of_two_streams(core_steps: int) -> TemporalRcnnLocalizer:
    return of_rcnn(core_steps, stream_channels=(5, 3), context=False, neck_blocks=0)


def of_step_probe(core_steps: int) -> StepProbeLocalizer:
    torch.manual_seed(0)
    network = StepProbe(in_channels=8, num_classes=3)
    torch.nn.init.normal_(network.linear.weight, std=3.0)
    return StepProbeLocalizer(network, min_score=0.05, max_candidates=100_000, core_steps=core_steps)


ALL = pytest.mark.parametrize("make", [of_anchor_free, of_rcnn, of_two_streams, of_step_probe])


@ALL
@pytest.mark.parametrize("num_steps", [1, 2, 45, 301])
@pytest.mark.parametrize("origin", [0.0, -0.5, 0.3, 2.5])
def test_block_by_block_equals_the_whole(make: Make, num_steps: int, origin: float) -> None:
    features_SC = made(num_steps, seed=num_steps)
    end_s = (num_steps + max(origin, 0.0)) * STEP_S - 0.1
    whole = make(WHOLE)(blocks_of(features_SC, origin_s=origin * STEP_S), duration_s=end_s)
    for core_steps, points in ((16, ()), (17, (7, 8, 100)), (64, range(0, num_steps, 30))):
        found = make(core_steps)(blocks_of(features_SC, list(points), origin_s=origin * STEP_S), duration_s=end_s)
        assert_same(found, whole)
    assert whole.spans_N2.min() >= 0 and whole.spans_N2.max() <= end_s
    assert (whole.spans_N2[:, 1] > whole.spans_N2[:, 0]).all() and (np.diff(whole.scores_N) <= 0).all()


LOST: list[Span] = [(10 * STEP_S, 21.3 * STEP_S), (90 * STEP_S, 140 * STEP_S), (200.4 * STEP_S, 200.6 * STEP_S)]


@ALL
def test_block_by_block_equals_the_whole_with_lost_spans_and_missing_blocks(make: Make) -> None:
    features_SC, ends = made(260), {"duration_s": 260 * STEP_S, "lost": LOST}
    blocks = blocks_of(features_SC, [50, 70, 180])
    del blocks[1]
    lost: list[Span] = [*LOST, (50 * STEP_S, 70 * STEP_S)]
    whole = make(WHOLE)(blocks_of(features_SC), duration_s=260 * STEP_S, lost=lost)
    assert_same(make(16)(blocks, **ends), whole)
    other_SC = features_SC.copy()
    for start, stop in ((11, 21), (50, 70), (90, 140)):
        other_SC[start:stop] = 30.0  # what a decoder makes up there
    assert_same(make(16)(blocks_of(other_SC), duration_s=260 * STEP_S, lost=lost), whole)


@ALL
def test_features_that_begin_later_give_the_same_later(make: Make) -> None:
    """By as many steps as the pyramid's coarsest level has between two points, and a part of a step."""
    found, later = (
        make(16)(blocks_of(made(100), origin_s=origin * STEP_S), duration_s=1000.0) for origin in (80.0, 88.3)
    )
    assert_same(later, Detections(found.spans_N2 + 8.3 * STEP_S, found.labels_N, found.scores_N))


@ALL
def test_a_video_without_blocks_has_no_actions(make: Make) -> None:
    assert len(make(16)([], duration_s=0.0)) == 0
    assert len(make(16)([], duration_s=None)) == 0


@ALL
def test_a_video_whose_every_step_is_lost_has_no_actions(make: Make) -> None:
    assert len(make(16)(blocks_of(made(40)), duration_s=40 * STEP_S, lost=[(0.0, 1000.0)])) == 0


def test_proposals_are_sorted_unlike_one_another_and_so_many() -> None:
    localizer = of_rcnn(32)
    proposals = localizer.propose(blocks_of(made(300)), duration_s=300 * STEP_S)
    assert len(proposals) == 80 and (np.diff(proposals.scores_N) <= 0).all()
    longer = localizer.propose(blocks_of(made(2000)), duration_s=2000 * STEP_S)  # 10.7 minutes
    assert len(longer) == 3 * 80


def test_proposals_of_any_origin_are_classified() -> None:
    """Those included that are over before the first feature's middle, or begin after the last one."""
    localizer = TemporalRcnnLocalizer(still(rcnn(1)), min_score=0.0, max_candidates=99, proposals=9, core_steps=16)
    spans = np.array([[0.0, 0.1], [3.0, 9.0], [19.0, 30.0], [40.0, 41.0]])
    found = localizer.classify(blocks_of(made(60), origin_s=0.4 * STEP_S), Proposals(spans, np.ones(4)))
    starts, counts = np.unique(found.spans_N2[:, 0].round(6), return_counts=True)
    assert starts.tolist() == [0, 3, 19, 40] and counts.tolist() == [3, 3, 3, 3]


@pytest.mark.parametrize("make", [of_rcnn, of_two_streams])
def test_the_longest_proposals_are_classified_as_with_the_whole_before_them(make: Callable[..., Any]) -> None:
    """They are four times as long as the longest anchor."""
    middles_M = np.random.default_rng(0).uniform(0, 200, 60)
    halves_M = np.random.default_rng(1).uniform(0, 20, 60)
    spans_M2 = np.stack([middles_M - halves_M, middles_M + halves_M], axis=1).clip(0) * STEP_S
    whole, found = (make(core).classify(blocks_of(made(200)), Proposals(spans_M2, np.ones(60))) for core in (WHOLE, 16))
    assert_same(found, whole)


# What an answer depends on.


@pytest.mark.parametrize(
    "changes", [{}, {"kernel": 1}, {"kernel": 7, "stem_blocks": 3}, {"levels": 1}, {"levels": 2, "head_layers": 0}]
)
def test_a_point_depends_on_nothing_beyond_the_radius(changes: dict[str, Any]) -> None:
    network = anchor_free(**changes)
    num_steps = 200
    at_P, strides_P = points_of(num_steps, network.strides)
    features_1CS = torch.from_numpy(made(num_steps).T)[None]
    with torch.inference_mode():
        before = answers(network, features_1CS)
        farthest = 0
        for changed_step in range(60, 140, 7):
            changed_1CS = features_1CS.clone()
            changed_1CS[:, :, changed_step] = 30.0
            moved_P = (answers(network, changed_1CS) - before).abs().amax(dim=1) > 1e-5
            farthest = max(farthest, int((at_P[moved_P] - 0.5 - changed_step).abs().max()))
    assert 0.4 * network.radius - 1 <= farthest <= network.radius
    assert len(strides_P) == len(before)


def answers(network: AnchorFree, features_1CS: torch.Tensor) -> torch.Tensor:
    points = network(features_1CS)
    return torch.cat([points.logits_NPK[0], points.distances_NP2[0]], dim=1)


def test_a_padded_batch_answers_as_each_sequence_alone() -> None:
    network = anchor_free()
    examples = [made(length, seed=length) for length in (45, 18, 1)]
    nothing = (torch.zeros(0, 2), torch.zeros(0, dtype=torch.int64))
    batch = collate([Example(torch.from_numpy(x), torch.ones(len(x), dtype=torch.bool), *nothing) for x in examples])
    with torch.inference_mode():
        points = network(batch.features_NCS, batch.shown_N1S)
        assert points.shown_NP is not None
        for row, example_SC in enumerate(examples):
            shown_P = points.shown_NP[row]
            together = torch.cat([points.logits_NPK[row, shown_P], points.distances_NP2[row, shown_P]], dim=1)
            alone = answers(network, torch.from_numpy(example_SC.T)[None])
            torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)


# Hours.


class Hours:
    """Features of a long video, made block by block; counts how many blocks exist at a time."""

    def __init__(self, num_blocks: int) -> None:
        self.num_blocks, self.most = num_blocks, 0

    def __iter__(self) -> Iterator[FeatureSequence]:
        living: list[weakref.ref[np.ndarray]] = []
        for number in range(self.num_blocks):
            features_SC = made(375, seed=number).astype(np.float16)
            living = [ref for ref in (*living, weakref.ref(features_SC)) if ref() is not None]
            self.most = max(self.most, len(living))
            yield FeatureSequence("v", features_SC, None, number * 375 * STEP_S, STEP_S)
            del features_SC


@pytest.mark.parametrize("make", [of_anchor_free, of_rcnn])
def test_hours_are_localized_without_being_held(make: Make) -> None:
    hours = Hours(60)  # two
    found = make(512)(hours, duration_s=7200.0)
    assert hours.most <= 2
    assert found.spans_N2[:, 1].max() > 7100 and found.spans_N2[:, 0].min() < 100

"""Claims about the two-stage network: what its towers see, how spans are coded, how streams are fused."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from feature_videos import blocks_of, made, rcnn, still
from hypothesis import given
from hypothesis import strategies as st

from detectors.temporal.localizers import TemporalRcnnLocalizer
from detectors.temporal.spans import decode, encode, span_iou
from detectors.temporal.temporal_rcnn import TemporalRCNN, Tower, anchors_of
from training.batch import Example, collate

pytestmark = pytest.mark.usefixtures("one_thread")

NO_TRUTH = (torch.zeros(0, 2), torch.zeros(0, dtype=torch.int64))


def seen_by(tower: Tower, num_steps: int = 301) -> list[int]:
    """Steps, counted from the middle, that an answer in the middle depends on: by an impulse at each of them."""
    torch.manual_seed(0)
    for parameter in tower.parameters():
        torch.nn.init.uniform_(parameter, 0.1, 1.0)  # positive: nothing cancels, and no rectifier is shut
    middle = num_steps // 2
    with torch.no_grad():
        quiet = tower(torch.zeros(1, 1, num_steps), None)[0, 0, middle]
        impulses = torch.eye(num_steps)[:, None]
        answers = tower(impulses, None)[:, 0, middle]
    return (torch.nonzero((answers - quiet).abs() > 1e-6)[:, 0] - middle).tolist()


@pytest.mark.parametrize("scale", [4, 6, 8, 10, 12, 14, 18, 20, 26, 48, 100])
def test_a_tower_sees_just_the_steps_of_its_anchor_and_no_hole_in_it(scale: int) -> None:
    tower = Tower(1, scale)
    assert seen_by(tower) == list(range(-scale // 2, scale // 2 + 1))
    assert tower.receptive_field == scale + 1


def test_the_least_that_a_tower_sees_is_five_steps() -> None:
    assert seen_by(Tower(1, 2)) == [-2, -1, 0, 1, 2]


def test_an_anchor_without_a_middle_is_refused() -> None:
    with pytest.raises(ValueError, match="must be even"):
        Tower(1, 7)


def test_anchors_stand_around_the_middle_of_each_step() -> None:
    assert anchors_of(3, [4, 6])[1].tolist() == [[-0.5, 3.5], [-1.5, 4.5]]


def test_offsets_lead_from_a_span_to_its_target() -> None:
    spans = torch.tensor([[0.0, 10.0], [5.0, 9.0], [100.0, 130.0]]).double()
    targets = torch.tensor([[2.0, 9.0], [4.0, 11.0], [90.0, 120.0]]).double()
    torch.testing.assert_close(decode(spans, encode(spans, targets)), targets)
    assert encode(torch.tensor([[0.0, 10.0]]), torch.tensor([[5.0, 15.0]])).tolist() == [[0.5, 0.0]]


def test_overlap_of_spans_by_hand() -> None:
    iou = span_iou(torch.tensor([[0.0, 10.0], [3.0, 3.0]]), torch.tensor([[5.0, 15.0], [20.0, 30.0], [3.0, 3.0]]))
    torch.testing.assert_close(iou, torch.tensor([[1 / 3, 0.0, 0.0], [0.0, 0.0, 0.0]]))


def network(stream_channels: tuple[int, ...], *, context: bool = False) -> TemporalRCNN:
    torch.manual_seed(0)
    return TemporalRCNN(
        stream_channels=stream_channels,
        num_classes=3,
        scales=(4, 8),
        channels=8,
        context=context,
        neck_blocks=1,
        neck_kernel=3,
        bins=3,
        hidden=8,
        dropout=0.0,
    ).eval()


def test_context_doubles_what_an_anchor_sees() -> None:
    assert (network((6,)).propose_radius, network((6,), context=True).propose_radius) == (4, 8)


def test_each_stream_takes_its_own_channels() -> None:
    features = torch.arange(10.0).view(1, 10, 1).expand(1, 10, 5)
    parts = [part[0, :, 0].tolist() for _, part in network((4, 6)).by_stream(features)]
    assert parts == [[0, 1, 2, 3], [4, 5, 6, 7, 8, 9]]


@pytest.mark.parametrize("scale", range(4, 65, 2))
def test_no_even_scale_up_to_64_has_a_hole_or_another_field(scale: int) -> None:
    assert seen_by(Tower(1, scale), num_steps=151) == list(range(-scale // 2, scale // 2 + 1))


@given(
    st.lists(st.tuples(st.floats(-50, 50), st.floats(0.1, 30), st.floats(-1, 1), st.floats(0.26, 3.9)), min_size=1),
)
def test_decoding_undoes_encoding(rows: list[tuple[float, float, float, float]]) -> None:
    """Of targets whose middle is no more than a length away, and which are no more than four times as long."""
    middle, length, apart, factor = torch.tensor(rows, dtype=torch.float64).T
    spans = torch.stack([middle - length / 2, middle + length / 2], dim=1)
    targets = torch.stack([middle + apart * length - factor * length / 2, middle + apart * length], dim=1)
    targets[:, 1] += factor * length / 2
    torch.testing.assert_close(decode(spans, encode(spans, targets)), targets, atol=1e-9, rtol=0)


def localizer(network: TemporalRCNN) -> TemporalRcnnLocalizer:
    return TemporalRcnnLocalizer(network, min_score=0.0, max_candidates=10_000, proposals=1000, core_steps=64)


def by_span(spans: np.ndarray, labels: np.ndarray, scores: np.ndarray) -> dict[tuple[float, float, int], float]:
    rows = zip(spans.round(6).tolist(), labels.tolist(), scores.tolist(), strict=True)
    return {(start, stop, label): score for (start, stop), label, score in rows}


def test_scores_of_two_streams_are_the_mean_of_what_each_says_alone() -> None:
    both = still(rcnn(seed=3, stream_channels=(8, 5), scales=(4,)))  # neighbours of one scale do not suppress another
    alone = [still(rcnn(stream_channels=(channels,), scales=(4,))) for channels in (8, 5)]
    for one, stream in zip(alone, both.streams, strict=True):
        one.streams[0].load_state_dict(stream.state_dict())
    features = made(50, 13)
    parts = [blocks_of(features), blocks_of(features[:, :8]), blocks_of(features[:, 8:])]
    networks = [localizer(one) for one in (both, *alone)]
    proposals = [one.propose(part) for one, part in zip(networks, parts, strict=True)]
    fused, first, second = (by_span(one.spans_N2, np.zeros(len(one), int), one.scores_N) for one in proposals)
    fused = {key: score for key, score in fused.items() if key[0] > 0}  # those cut at 0 do suppress one another
    assert len(fused) == 48 and fused == pytest.approx({key: (first[key] + second[key]) / 2 for key in fused})
    assert np.ptp(list(fused.values())) > 0.1
    found = [one.classify(part, proposals[0]) for one, part in zip(networks, parts, strict=True)]
    fused, first, second = (by_span(one.spans_N2, one.labels_N, one.scores_N) for one in found)
    assert len(fused) == 3 * len(proposals[0]) and fused == pytest.approx(
        {key: (first[key] + second[key]) / 2 for key in fused}
    )


def test_a_padded_batch_answers_as_each_sequence_alone() -> None:
    network = rcnn()
    stream = network.streams[0]
    examples = [made(length, seed=length) for length in (41, 17, 1)]
    batch = collate(
        [Example(torch.from_numpy(one), torch.ones(len(one), dtype=torch.bool), *NO_TRUTH) for one in examples]
    )
    spans = torch.tensor([[0.0, 9.0], [12.0, 18.0], [-3.0, 1.0], [15.0, 45.0]])
    with torch.inference_mode():
        embedded = stream.embedded(batch.features_NCS, batch.shown_N1S)
        logits, offsets = stream.anchors(embedded, batch.shown_N1S)
        pooled_from = stream.for_spans(embedded, batch.shown_N1S)
        for row, one in enumerate(examples):
            alone = stream.embedded(torch.from_numpy(one.T)[None], None)
            own_logits, own_offsets = stream.anchors(alone, None)
            torch.testing.assert_close(logits[row, : len(one)], own_logits[0], atol=1e-5, rtol=0)
            torch.testing.assert_close(offsets[row, : len(one)], own_offsets[0], atol=1e-5, rtol=0)
            rows = torch.full((4,), row)
            found = stream.classify(pooled_from, rows, spans, batch.num_steps_N)
            expected = stream.classify(stream.for_spans(alone, None), rows * 0, spans)
            torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("context", [False, True])
def test_an_anchor_depends_on_nothing_beyond_its_radius(context: bool) -> None:
    network = rcnn(context=context)
    assert reach_of(lambda features: anchor_answer(network, features)[:, 60], 60) == network.propose_radius


def anchor_answer(network: TemporalRCNN, features: torch.Tensor) -> torch.Tensor:
    stream = network.streams[0]
    logits, offsets = stream.anchors(stream.embedded(features, None), None)
    return torch.cat([logits[..., None], offsets], dim=3)


@pytest.mark.parametrize("neck_blocks", [0, 2])
def test_the_longest_proposal_depends_on_nothing_beyond_the_radius_around_its_middle(neck_blocks: int) -> None:
    network = rcnn(neck_blocks=neck_blocks)
    stream, middle = network.streams[0], 60
    half = max(network.scales) * 2  # four times an anchor's length: no proposal is longer
    spans = torch.tensor([[middle - half, middle + half]]).double()

    def answer(features: torch.Tensor) -> torch.Tensor:
        pooled_from = stream.for_spans(stream.embedded(features, None), None)
        return stream.classify(pooled_from, torch.zeros(1, dtype=torch.int64), spans)[0]

    assert network.classify_radius - 3 <= reach_of(answer, middle) <= network.classify_radius


def reach_of(answer: Callable[[torch.Tensor], torch.Tensor], middle: int) -> int:
    """How far away from the middle a changed feature may be and still change the answer."""
    features = torch.from_numpy(made(2 * middle + 1).T)[None]
    apart = (torch.arange(2 * middle + 1) - middle).abs()
    with torch.inference_mode():
        before = answer(features)
        for distance in range(middle, 0, -1):
            changed = torch.where(apart >= distance, torch.rand_like(features) * 30, features)
            if (answer(changed) - before).abs().max() > 1e-5:
                return distance
    return 0

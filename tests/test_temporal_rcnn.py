"""Claims about the two-stage network: what its towers see, how spans are coded, how streams are fused."""

import pytest
import torch

from detectors.temporal.spans import decode, encode, span_iou
from detectors.temporal.temporal_rcnn import TemporalRCNN, Tower, anchors_of


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

"""Divided attention: over time at each place, over space in each frame; what goes where, and order that counts."""

from pathlib import Path

import pytest
import torch
from left_or_right import CLASSES, held_out, share_right, train

from detectors.backbones.families.timesformer import (
    HEAD_WIDTH,
    Attention,
    DividedAttention,
    TimeAttention,
    TimeSformer,
    where,
)

pytestmark = pytest.mark.usefixtures("one_thread")


def made() -> TimeSformer:
    torch.manual_seed(0)
    return TimeSformer(class_names=("a", "b"), image_network="small", clip_frames=6, width=HEAD_WIDTH).eval()


def test_attention_over_time_keeps_places_apart_and_over_space_frames() -> None:
    torch.manual_seed(0)
    layer = DividedAttention(HEAD_WIDTH, frames=4).eval()
    tokens_NTPC = torch.randn(1, 4, 5, HEAD_WIDTH)
    other_NTPC = tokens_NTPC.clone()
    other_NTPC[0, 2, 3] += torch.randn(HEAD_WIDTH)
    with torch.inference_mode():
        over_time = [layer.time(one.transpose(1, 2)).transpose(1, 2) for one in (tokens_NTPC, other_NTPC)]
        over_space = [layer.space(one) for one in (tokens_NTPC, other_NTPC)]
    changed_TP = (over_time[1] - over_time[0]).abs().amax(-1)[0] > 1e-6
    assert changed_TP[:, 3].all() and not changed_TP[:, [0, 1, 2, 4]].any()
    changed_TP = (over_space[1] - over_space[0]).abs().amax(-1)[0] > 1e-6
    assert changed_TP[2].all() and not changed_TP[[0, 1, 3]].any()


def test_attention_is_torchs() -> None:
    torch.manual_seed(0)
    width = 2 * HEAD_WIDTH
    ours, theirs = Attention(width).eval(), torch.nn.MultiheadAttention(width, 4, batch_first=True).eval()
    with torch.no_grad():
        theirs.in_proj_weight.copy_(ours.query_key_value.weight)
        theirs.in_proj_bias.copy_(ours.query_key_value.bias)
        theirs.out_proj.weight.copy_(ours.out.weight)
        theirs.out_proj.bias.copy_(ours.out.bias)
        tokens_NPC = torch.randn(3, 7, width)
        normed = ours.norm(tokens_NPC)
        expected = theirs(normed, normed, normed, need_weights=False)[0]
        torch.testing.assert_close(ours(tokens_NPC), expected, rtol=1e-4, atol=1e-5)


def test_order_counts() -> None:
    network, clips_NCTHW = made(), torch.randn(1, 3, 6, 32, 48)
    with torch.inference_mode():
        forwards, backwards = network(clips_NCTHW), network(clips_NCTHW.flip(2))
    assert float((forwards - backwards).abs().max()) > 1e-4


def test_places_tell_rows_from_columns_in_pictures_of_any_size() -> None:
    places_PC = where(3, 5, torch.zeros(HEAD_WIDTH))
    assert places_PC.shape == (15, HEAD_WIDTH) and len({tuple(row) for row in places_PC.tolist()}) == 15
    torch.testing.assert_close(where(4, 7, torch.zeros(HEAD_WIDTH))[:5], places_PC[:5])


def test_a_width_that_cannot_be_shared_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^timesformer's width must be a multiple of 32, got 40$"):
        TimeSformer(width=40)


def test_heads_begin_by_looking_just_before_and_after() -> None:
    attention = TimeAttention(2 * HEAD_WIDTH, frames=6)
    looked_at = attention.favour().argmax(dim=2)[:, 2:4]
    assert looked_at.tolist() == [[1, 2], [3, 4], [0, 1], [4, 5]]


def test_left_and_right_are_learned() -> None:
    torch.manual_seed(0)
    network = TimeSformer(class_names=CLASSES, image_network="small", width=HEAD_WIDTH)
    train(network, count=192, epochs=6, rate=2e-3)
    features_NC, labels_N = held_out(network)
    with torch.inference_mode():
        assert share_right(network.head(features_NC), labels_N) >= 0.9


def test_a_saved_network_gives_the_same_scores(tmp_path: Path) -> None:
    network, clip = made(), torch.randn(1, 3, 6, 32, 32)
    torch.save(network.state_dict(), tmp_path / "mine.pth")
    torch.manual_seed(9)
    other = TimeSformer(class_names=("a", "b"), image_network="small", clip_frames=6, width=HEAD_WIDTH).eval()
    other.load(tmp_path / "mine.pth")
    with torch.inference_mode():
        torch.testing.assert_close(other(clip), network(clip), rtol=0, atol=0)

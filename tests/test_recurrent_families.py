"""Recurrent families: order matters to them, they learn it from nothing in seconds, and their weights can be kept."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from detectors.backbones.contract import Backbone
from detectors.backbones.families.cnn3d_rnn import Cnn3dRnn
from detectors.backbones.families.cnn_lstm import CnnLstm
from detectors.backbones.families.recurrent_cnn import RecurrentCnn
from detectors.backbones.families.single_frame import SingleFrame
from detectors.backbones.families.skip_rnn import SkipRnn

pytestmark = pytest.mark.usefixtures("one_thread")

KINDS: dict[str, tuple[Any, dict[str, int]]] = {
    "cnn_lstm": (CnnLstm, {"width": 32}),
    "recurrent_cnn": (RecurrentCnn, {}),
    "skip_rnn": (SkipRnn, {"width": 32}),
    "cnn3d_rnn": (Cnn3dRnn, {"width": 32}),
}
CLASSES = ("left", "right")
FRAMES, SIDE, SQUARE = 16, 32, 8
STEPS = {"cnn_lstm": 60, "recurrent_cnn": 20, "skip_rnn": 60, "cnn3d_rnn": 20}
BATCH, RATE = 12, 3e-3


def made(name: str, seed: int = 0) -> Backbone:
    kind, settings = KINDS[name]
    torch.manual_seed(seed)
    network: Backbone = kind(class_names=CLASSES, image_network="small", clip_frames=FRAMES, **settings)
    return network


def squares(count: int, network: Backbone, seed: int) -> tuple[Tensor, Tensor]:
    """A bright square that goes left or right and comes in again on the other side, so that no frame tells which."""
    generator = torch.Generator().manual_seed(seed)
    clips_NCTHW = 0.1 * torch.randn(count, 3, network.contract.clip_frames, SIDE, SIDE, generator=generator)
    labels_N = torch.arange(count) % 2
    begins_N2 = torch.randint(SIDE, (count, 2), generator=generator).tolist()
    reach = torch.arange(SQUARE)
    for clip_CTHW, label, (row, column) in zip(clips_NCTHW, labels_N.tolist(), begins_N2, strict=True):
        for frame in range(clip_CTHW.shape[1]):
            rows, columns = (row + reach) % SIDE, (column + (4 * label - 2) * frame + reach) % SIDE
            clip_CTHW[:, frame, rows[:, None], columns] += 2
    return clips_NCTHW, labels_N


@pytest.mark.parametrize("name", KINDS)
def test_a_clip_backwards_is_another_clip(name: str) -> None:
    network = made(name).eval()
    clips_NCTHW, _ = squares(2, network, seed=1)
    with torch.inference_mode():
        forwards_NK, backwards_NK = network(clips_NCTHW), network(clips_NCTHW.flip(2))
    assert float((forwards_NK - backwards_NK).abs().max()) > 1e-4


def test_to_a_mean_of_frames_it_is_the_same() -> None:
    torch.manual_seed(0)
    network = SingleFrame(class_names=CLASSES, image_network="small", clip_frames=FRAMES).eval()
    clips_NCTHW, _ = squares(2, network, seed=1)
    with torch.inference_mode():
        torch.testing.assert_close(network(clips_NCTHW), network(clips_NCTHW.flip(2)), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", KINDS)
def test_it_learns_left_from_right_in_seconds(name: str) -> None:
    network = made(name).train()
    optimizer = torch.optim.Adam(network.parameters(), lr=RATE)
    for step in range(STEPS[name]):
        clips_NCTHW, labels_N = squares(BATCH, network, seed=100 + step)
        losses = network.losses(functional.cross_entropy, labels_N, clips_NCTHW)
        optimizer.zero_grad()
        sum(losses.values(), torch.zeros(())).backward()
        optimizer.step()
    clips_NCTHW, labels_N = squares(60, network, seed=1)
    with torch.inference_mode():
        right = network.eval()(clips_NCTHW).argmax(dim=1) == labels_N
    assert float(right.float().mean()) >= 0.9


@pytest.mark.parametrize("name", KINDS)
def test_in_bfloat16_it_answers_nearly_the_same(name: str) -> None:
    network = made(name).eval()
    clips_NCTHW, _ = squares(2, network, seed=1)
    with torch.inference_mode():
        expected_NC = network.encode(clips_NCTHW).features_NC
        with torch.autocast("cpu", torch.bfloat16):
            found_NC = network.encode(clips_NCTHW.bfloat16()).features_NC.float()
    assert float((found_NC - expected_NC).abs().max()) <= 0.05 * float(expected_NC.abs().max())


@pytest.mark.parametrize("name", KINDS)
def test_weights_of_a_file_make_the_same_network(name: str, tmp_path: Path) -> None:
    network, other = made(name).eval(), made(name, seed=5).eval()
    clips_NCTHW, _ = squares(2, network, seed=1)
    torch.save(network.state_dict(), tmp_path / "weights.pt")
    with torch.inference_mode():
        expected_NK = network(clips_NCTHW)
        assert not torch.allclose(other(clips_NCTHW), expected_NK, atol=1e-4)
        other.load(tmp_path / "weights.pt")
        assert torch.equal(other(clips_NCTHW), expected_NK)

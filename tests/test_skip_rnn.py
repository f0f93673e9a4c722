"""Skip RNN: its gate as published, and frames that it skips make no difference and no work."""

import pytest
import torch
from torch.nn import functional

from detectors.backbones.families.skip_rnn import Rounded, SkipRnn, next_wish

pytestmark = pytest.mark.usefixtures("one_thread")


def made(bias: float) -> SkipRnn:
    torch.manual_seed(0)
    network = SkipRnn(class_names=("left", "right"), image_network="small", clip_frames=8, width=16).eval()
    with torch.no_grad():
        network.gate.weight.zero_()
        network.gate.bias.fill_(bias)
    return network


def test_the_gate_sums_up_wishes_until_it_looks() -> None:
    """By hand: it wishes for 0.3 more at every frame, so after a look it looks again at the second frame after it."""
    wish, looks, wishes = torch.ones(1), [], []
    for _ in range(6):
        look = (wish > 0.5).float()
        wish = next_wish(wish, look, torch.tensor([0.3]))
        looks.append(int(look))
        wishes.append(round(float(wish), 2))
    assert looks == [1, 0, 1, 0, 1, 0] and wishes == [0.3, 0.6, 0.3, 0.6, 0.3, 0.6]
    assert float(next_wish(torch.tensor([0.4]), torch.zeros(1), torch.tensor([0.9]))) == pytest.approx(1.0)


def test_rounding_lets_the_gradient_through() -> None:
    wish = torch.tensor([0.2, 0.7], requires_grad=True)
    look = Rounded.apply(wish)
    (look * torch.tensor([3.0, 5.0])).sum().backward()
    assert look.tolist() == [0.0, 1.0] and wish.grad is not None and wish.grad.tolist() == [3.0, 5.0]


def test_frames_that_are_skipped_make_no_difference_and_are_not_computed() -> None:
    network, clips_NCTHW = made(bias=-0.847), torch.randn(2, 3, 8, 32, 32)  # 0.3 more at every frame
    seen: list[int] = []
    network.images.register_forward_pre_hook(lambda module, given: seen.append(len(given[0])))
    with torch.inference_mode():
        states_NTC, looks_NT = network.run(clips_NCTHW)
        assert looks_NT.tolist() == [[1, 0] * 4] * 2 and seen == [2] * 4
        other_NCTHW = clips_NCTHW.clone()
        other_NCTHW[:, :, 1::2] = 7.0
        torch.testing.assert_close(network.run(other_NCTHW).states_NTC, states_NTC)
        other_NCTHW[:, :, 2] = 7.0
        assert not torch.allclose(network.run(other_NCTHW).states_NTC, states_NTC)
    assert network.share_of_frames(clips_NCTHW) == 0.5


def test_clips_skip_each_for_itself() -> None:
    """Together they are answered as alone, also where their looks differ."""
    network = made(bias=-0.5)
    torch.manual_seed(3)
    with torch.no_grad():
        network.gate.weight.normal_(0, 8)
    clips_NCTHW = torch.randn(6, 3, 8, 32, 32)
    with torch.inference_mode():
        states_NTC, looks_NT = network.run(clips_NCTHW)
        alone = [network.run(clip_CTHW[None]) for clip_CTHW in clips_NCTHW]
    assert len({tuple(row) for row in looks_NT.tolist()}) > 1
    assert torch.equal(looks_NT, torch.cat([one.looks_NT for one in alone]))
    torch.testing.assert_close(states_NTC, torch.cat([one.states_NTC for one in alone]), rtol=1e-3, atol=1e-4)


def test_training_computes_what_inference_does() -> None:
    network, clips_NCTHW = made(bias=-0.847), torch.randn(2, 3, 8, 32, 32)
    with torch.no_grad():
        expected = network.run(clips_NCTHW)
        network.training = True  # itself alone: its batch norms keep their statistics
        found = network.run(clips_NCTHW)
    torch.testing.assert_close(found.states_NTC, expected.states_NTC, rtol=1e-4, atol=1e-5)


def test_dearer_looks_are_fewer() -> None:
    shares = []
    for budget in (0.0, 5.0):
        network = made(bias=1.0).train()
        network.budget = budget
        torch.manual_seed(1)
        clips_NCTHW, labels_N = torch.randn(4, 3, 8, 32, 32), torch.tensor([0, 1, 0, 1])
        optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
        for _ in range(25):
            losses = network.losses(functional.cross_entropy, labels_N, clips_NCTHW)
            optimizer.zero_grad()
            (losses["class"] + losses["looks"]).backward()
            optimizer.step()
        shares.append(network.eval().share_of_frames(clips_NCTHW))
    assert shares[0] >= 0.9 and shares[1] <= 0.6

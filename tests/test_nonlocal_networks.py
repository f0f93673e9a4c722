"""Non-local blocks: into any 3-D network, changing nothing at first, and learning afterwards."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from left_or_right import CLASSES, held_out, share_right, train
from networks import settled
from torch import nn

from detectors import backbones
from detectors.backbones.families.image_network import image_network
from detectors.backbones.families.inflate import inflate
from detectors.backbones.families.nonlocal_networks import InflatedNonlocal, behind, insert_nonlocal
from detectors.backbones.nonlocal_block import NonLocal, seen

pytestmark = pytest.mark.usefixtures("one_thread")


def r3d_18() -> nn.Module:
    from torchvision.models.video import r3d_18 as make

    return make(num_classes=5)


def trunk_of(name: str) -> nn.Module:
    trunk = backbones.create(name).trunk
    assert trunk is not None
    return trunk


NETWORKS: dict[str, tuple[Callable[[], nn.Module], tuple[str, ...]]] = {
    "inflated": (lambda: inflate(image_network("resnet18")), ("3", "4.layer4_1")),
    "r3d_18": (r3d_18, ("layer2", "layer3.0")),
    "small": (lambda: inflate(image_network("small")), ("0", "1", "2")),
    "slowfast": (lambda: trunk_of("slowfast_r50_8x8"), ("slow.res3", "slow.res4.2", "fast.res4")),
    "i3d": (lambda: trunk_of("i3d"), ("Mixed_3c", "Mixed_4f")),
}


@pytest.fixture(scope="module", params=NETWORKS)
def made(request: pytest.FixtureRequest) -> tuple[nn.Module, tuple[str, ...]]:
    torch.manual_seed(2)
    make, names = NETWORKS[request.param]
    return settled(make()), names


def test_a_block_changes_nothing_at_first_and_learns_afterwards(made: tuple[nn.Module, tuple[str, ...]]) -> None:
    network, names = made
    keys = set(network.state_dict())
    clips_NCTHW = torch.randn(2, 3, 8, 48, 64)
    with torch.no_grad():
        before = network(clips_NCTHW)
        insert_nonlocal(network, names)
        after = network(clips_NCTHW)
    blocks = [module for module in network.modules() if isinstance(module, NonLocal)]
    assert len(blocks) == len(names) and keys < set(network.state_dict())
    torch.testing.assert_close(after, before, rtol=0, atol=0)
    optimizer = torch.optim.SGD([p for block in blocks for p in block.parameters()], lr=1.0)
    network(clips_NCTHW).square().mean().backward()
    optimizer.step()
    with torch.no_grad():
        assert not torch.equal(network(clips_NCTHW), before)


def test_in_training_too_nothing_changes_at_first() -> None:
    torch.manual_seed(0)
    network, clips_NCTHW = inflate(image_network("small")).train(), torch.randn(2, 3, 8, 32, 32)
    before = network(clips_NCTHW)
    insert_nonlocal(network, ["1"])
    assert network[1][1].training
    torch.testing.assert_close(network(clips_NCTHW), before, rtol=0, atol=0)


def test_what_a_place_gets_depends_on_all_others() -> None:
    torch.manual_seed(0)
    block, clips_NCTHW = NonLocal(4, 2).eval(), torch.randn(1, 4, 6, 4, 4)
    nn.init.ones_(block.bn.weight)
    other_NCTHW = clips_NCTHW.clone()
    other_NCTHW[0, :, 5, 3, 3] += 50.0
    with torch.no_grad():
        moved = (block(other_NCTHW) - block(clips_NCTHW))[0, :, 0, 0, 0]
    assert float(moved.abs().max()) > 1e-3


def test_a_map_of_one_place_is_not_pooled_away() -> None:
    block = NonLocal(4, 2).eval()
    for size in ((1, 1, 1), (1, 2, 2), (4, 1, 3)):
        assert block(torch.randn(1, 4, *size)).shape == (1, 4, *size)


def test_parts_that_cannot_have_a_block_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"^the network has no part 'layer9'$"):
        insert_nonlocal(r3d_18(), ["layer9"])
    with pytest.raises(ValueError, match=r"^fc gives no map of a clip"):
        insert_nonlocal(r3d_18(), ["fc"])


def test_blocks_stand_behind_the_last_stages_but_one() -> None:
    assert [behind(stages) for stages in (5, 3, 2, 1)] == [[2, 3], [0, 1], [0], [0]]


def test_a_part_in_no_row_of_layers_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^slow\.stem is no nn\.Sequential and in none"):
        insert_nonlocal(trunk_of("slowfast_r50_8x8"), ["slow.stem"])


def test_where_there_are_more_places_than_channels_the_same_comes_out_in_fewer_steps() -> None:
    theta, phi, g = torch.randn(2, 3, 20), torch.randn(2, 3, 9), torch.randn(2, 3, 9)
    torch.testing.assert_close(seen(theta, phi, g), g @ (theta.transpose(1, 2) @ phi / 9).transpose(1, 2))
    theta, phi, g = torch.randn(2, 9, 20), torch.randn(2, 9, 3), torch.randn(2, 9, 3)
    torch.testing.assert_close(seen(theta, phi, g), g @ phi.transpose(1, 2) / 3 @ theta)


def test_a_saved_network_gives_the_same_scores(tmp_path: Path) -> None:
    torch.manual_seed(0)
    first, other = (InflatedNonlocal(class_names=CLASSES, image_network="small").eval() for _ in range(2))
    torch.save(first.state_dict(), tmp_path / "mine.pth")
    other.load(tmp_path / "mine.pth")
    clips_NCTHW = torch.randn(1, 3, 16, 32, 32)
    with torch.inference_mode():
        torch.testing.assert_close(other(clips_NCTHW), first(clips_NCTHW), rtol=0, atol=0)


def test_left_and_right_are_learned() -> None:
    torch.manual_seed(0)
    network = InflatedNonlocal(class_names=CLASSES, image_network="small")
    train(network, count=64, epochs=3)
    features_NC, labels_N = held_out(network)
    with torch.inference_mode():
        assert share_right(network.head(features_NC), labels_N) >= 0.9

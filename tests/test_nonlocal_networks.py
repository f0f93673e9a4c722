"""Non-local blocks: into any 3-D network, changing nothing at first, and learning afterwards."""

from collections.abc import Callable

import pytest
import torch
from networks import settled
from torch import nn

from detectors.backbones.families.image_network import image_network
from detectors.backbones.families.inflate import inflate
from detectors.backbones.families.nonlocal_networks import behind, insert_nonlocal
from detectors.backbones.nonlocal_block import NonLocal

pytestmark = pytest.mark.usefixtures("one_thread")


def r3d_18() -> nn.Module:
    from torchvision.models.video import r3d_18 as make

    return make(num_classes=5)


NETWORKS: dict[str, tuple[Callable[[], nn.Module], tuple[str, ...]]] = {
    "inflated": (lambda: inflate(image_network("resnet18")), ("3", "4.layer4_1")),
    "r3d_18": (r3d_18, ("layer2", "layer3.0")),
    "small": (lambda: inflate(image_network("small")), ("0", "1", "2")),
}


@pytest.fixture(scope="module", params=NETWORKS)
def made(request: pytest.FixtureRequest) -> tuple[nn.Module, tuple[str, ...]]:
    torch.manual_seed(2)
    make, names = NETWORKS[request.param]
    return settled(make()), names


def test_a_block_changes_nothing_at_first_and_learns_afterwards(made: tuple[nn.Module, tuple[str, ...]]) -> None:
    network, names = made
    clips_NCTHW = torch.randn(2, 3, 8, 48, 64)
    with torch.no_grad():
        before = network(clips_NCTHW)
        insert_nonlocal(network, names)
        after = network(clips_NCTHW)
    blocks = [module for module in network.modules() if isinstance(module, NonLocal)]
    assert len(blocks) == len(names)
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

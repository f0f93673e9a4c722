"""A network in its dense form, chunk by chunk, gives what the plain network gives on the whole run at once."""

import operator
from collections.abc import Sequence
from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from networks import CONVOLUTIONAL, enliven, lively
from torch import Tensor, nn

from detectors.backbones.contract import Backbone
from detectors.dense import kernels
from detectors.dense.carry import Carry
from detectors.dense.form import Dense, view_of
from detectors.dense.layers import SameConv3d, SameMaxPool3d, Subsample

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module", params=CONVOLUTIONAL)
def backbone(request: pytest.FixtureRequest) -> Backbone:
    return lively(request.param)


@pytest.fixture(scope="module")
def dense(backbone: Backbone) -> Dense:
    assert backbone.trunk is not None
    return Dense(backbone.trunk)


@pytest.fixture(scope="module")
def whole(backbone: Backbone) -> tuple[Tensor, Tensor]:
    """Frames of a run longer than what one step sees, and the plain network's map of them."""
    contract = backbone.contract
    steps = contract.receptive_field // contract.stride + 5
    frames_NCTHW = torch.randn(1, 3, steps * contract.stride, 25, 36, generator=torch.Generator().manual_seed(3))
    assert backbone.trunk is not None
    with torch.inference_mode():
        return frames_NCTHW, backbone.trunk(frames_NCTHW)


def in_chunks(dense: nn.Module, frames_NCTHW: Tensor, lengths: int | Sequence[int], *, cut: bool = False) -> Tensor:
    """The map of a run pushed in chunks; one that is cut out has no last chunk."""
    carry, parts = Carry(cut=cut), []
    chunks = frames_NCTHW.split(lengths, dim=2)  # type: ignore[no-untyped-call]
    with torch.inference_mode():
        for index, chunk_NCTHW in enumerate(chunks):
            carry.last = not cut and index == len(chunks) - 1
            parts.append(dense(chunk_NCTHW, carry))
    return torch.cat(parts, dim=2)


def assert_close(found: Tensor, expected: Tensor, tolerance: float = 1e-5) -> None:
    assert found.shape == expected.shape
    assert float((found - expected).abs().max()) <= tolerance * float(expected.abs().max())


# The backbones


def test_in_one_piece_it_is_the_plain_network(dense: Dense, whole: tuple[Tensor, Tensor]) -> None:
    with torch.inference_mode():
        assert_close(dense(whole[0]), whole[1])


@pytest.mark.parametrize("chunk_frames", [8, 24, 64, 13])
def test_chunks_give_what_the_plain_network_gives(
    dense: Dense, whole: tuple[Tensor, Tensor], chunk_frames: int
) -> None:
    assert_close(in_chunks(dense, whole[0], chunk_frames), whole[1])


def test_chunks_of_changing_length_do_not_matter(dense: Dense, whole: tuple[Tensor, Tensor]) -> None:
    frames_NCTHW, map_NCSHW = whole
    lengths = [1, 1, 30, 2]
    assert_close(in_chunks(dense, frames_NCTHW, [*lengths, frames_NCTHW.shape[2] - sum(lengths)]), map_NCSHW)


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_runs_shorter_than_the_receptive_field_are_exact_too(
    backbone: Backbone, dense: Dense, whole: tuple[Tensor, Tensor], steps: int
) -> None:
    stride = backbone.contract.stride
    frames_NCTHW = whole[0][:, :, : steps * stride]
    assert backbone.trunk is not None
    with torch.inference_mode():
        expected = backbone.trunk(frames_NCTHW)
    assert_close(in_chunks(dense, frames_NCTHW, stride), expected)


@pytest.mark.parametrize("chunk_frames", [8, 32])
def test_a_run_cut_out_gives_just_the_steps_that_it_shows_all_of(
    backbone: Backbone, dense: Dense, whole: tuple[Tensor, Tensor], chunk_frames: int
) -> None:
    contract, (frames_NCTHW, map_NCSHW) = backbone.contract, whole
    start = contract.stride
    found = in_chunks(dense, frames_NCTHW[:, :, start:], chunk_frames, cut=True)
    first = 1 + -(-contract.halo_before // contract.stride)
    seen_to_the_end = (frames_NCTHW.shape[2] - contract.halo_after) // contract.stride
    assert_close(found, map_NCSHW[:, :, first:seen_to_the_end])


def test_a_step_sees_its_receptive_field_and_nothing_else(
    backbone: Backbone, dense: Dense, whole: tuple[Tensor, Tensor]
) -> None:
    contract, (frames_NCTHW, map_NCSHW) = backbone.contract, whole
    step = 1 + contract.halo_before // contract.stride
    first, last = step * contract.stride - contract.halo_before, (step + 1) * contract.stride - 1 + contract.halo_after
    outside_NCTHW = frames_NCTHW.clone()
    outside_NCTHW[:, :, :first], outside_NCTHW[:, :, last + 1 :] = 9, 9
    with torch.inference_mode():
        assert_close(dense(outside_NCTHW)[:, :, step], map_NCSHW[:, :, step])
        for edge in (first, last):
            inside_NCTHW = frames_NCTHW.clone()
            inside_NCTHW[:, :, edge] = 99
            assert not torch.equal(dense(inside_NCTHW)[:, :, step], map_NCSHW[:, :, step])


def test_runs_side_by_side_do_not_touch(backbone: Backbone, dense: Dense, whole: tuple[Tensor, Tensor]) -> None:
    frames_NCTHW, map_NCSHW = whole
    both = in_chunks(dense, torch.cat([frames_NCTHW, frames_NCTHW.flip(2)]), 24)
    assert_close(both[:1], map_NCSHW)


def test_bfloat16_stays_near(backbone: Backbone, whole: tuple[Tensor, Tensor]) -> None:
    frames_NCTHW, map_NCSHW = whole
    assert backbone.trunk is not None
    found = in_chunks(Dense(backbone.trunk, torch.bfloat16), frames_NCTHW.bfloat16(), 64).float()
    assert float((found - map_NCSHW).norm() / map_NCSHW.norm()) < 1e-2


def test_torchs_own_operators_compute_the_same(
    backbone: Backbone, dense: Dense, whole: tuple[Tensor, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a GPU runs, here on a CPU; on one whose oneDNN is used it is the other way of computing."""
    monkeypatch.setattr(kernels, "HAS_ONEDNN", not kernels.HAS_ONEDNN)
    assert_close(in_chunks(dense, whole[0], 64), whole[1])


def test_the_plain_network_is_left_as_it_was(backbone: Backbone, dense: Dense, whole: tuple[Tensor, Tensor]) -> None:
    assert backbone.trunk is not None
    with torch.inference_mode():
        torch.testing.assert_close(backbone.trunk(whole[0]), whole[1], rtol=0, atol=0)


# Networks that nobody has published


class Block(nn.Module):
    """Branches that see more or less of time, joined in every way there is."""

    def __init__(self, join: Any, first: int, second: int, *, in_place: bool = False) -> None:
        super().__init__()
        self.join = join
        self.first = nn.Sequential(nn.Conv3d(4, 4, (first, 3, 3), padding=(first // 2, 1, 1)), nn.BatchNorm3d(4))
        self.second = nn.Sequential(nn.Conv3d(4, 4, (second, 1, 1), padding=(second // 2, 0, 0)), nn.BatchNorm3d(4))
        self.relu = nn.ReLU(inplace=in_place)

    def forward(self, x_NCTHW: Tensor) -> Tensor:
        result: Tensor = self.relu(self.join(self.first(x_NCTHW), self.second(x_NCTHW)))
        return result


class Reused(nn.Module):
    """What was changed in place is read again."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.last = nn.Conv3d(3, 4, 3, padding=1), nn.Conv3d(4, 4, 3, padding=1)

    def forward(self, x_NCTHW: Tensor) -> Tensor:
        first = self.conv(x_NCTHW)
        second: Tensor = self.last(F.relu(first, inplace=True))
        return second + first  # what ReLU left of it


def trunk_of(*layers: nn.Module) -> nn.Module:
    network = nn.Sequential(nn.Conv3d(3, 4, 1), *layers).eval()
    enliven(network)
    return network


def check(network: nn.Module, frames: int = 40) -> None:
    """Whole, in chunks, and cut out."""
    network.eval()
    frames_NCTHW = torch.randn(1, 3, frames, 9, 12, generator=torch.Generator().manual_seed(5))
    with torch.inference_mode():
        expected = network(frames_NCTHW)
    dense = Dense(network)
    for lengths in (frames, 8, 5, [1, 0, 7, frames - 8]):
        assert_close(in_chunks(dense, frames_NCTHW, lengths), expected)
    view = view_of(network)
    cut = in_chunks(dense, frames_NCTHW[:, :, view.stride :], 7, cut=True)
    first = 1 + view.first
    assert_close(cut, expected[:, :, first : first + cut.shape[2]])
    assert cut.shape[2] == (frames - 1 - view.after) // view.stride + 1 - first


@pytest.mark.parametrize("join", [operator.add, operator.iadd, torch.add, operator.mul], ids=lambda one: one.__name__)
@pytest.mark.parametrize(("first", "second"), [(1, 1), (3, 1), (1, 5), (5, 3)])
def test_branches_are_joined_step_by_step(join: Any, first: int, second: int) -> None:
    check(trunk_of(Block(join, first, second), Block(join, second, first, in_place=True)))


@pytest.mark.parametrize(
    "layer",
    [
        nn.MaxPool3d((3, 2, 2), (2, 2, 2), (1, 0, 0)),
        nn.MaxPool3d((2, 3, 3), (2, 1, 1), (0, 1, 1)),
        nn.AvgPool3d((4, 1, 1)),
        nn.AvgPool3d((3, 2, 2), (1, 2, 2)),
        SameMaxPool3d((3, 3, 3), (2, 2, 2)),
        SameConv3d(4, 4, 3, 2),
        Subsample(4),
        nn.Conv3d(4, 4, (3, 3, 3), padding=(2, 2, 2), dilation=(2, 2, 2)),
        nn.Conv3d(4, 8, (5, 1, 1), stride=(4, 1, 1), padding=(2, 0, 0), groups=2),
        nn.Conv3d(4, 4, (1, 1, 1), stride=(2, 2, 2)),
        nn.Conv3d(4, 4, (3, 3, 3)),
        nn.BatchNorm3d(4),
        nn.Dropout(0.5),
        nn.Identity(),
    ],
    ids=lambda layer: f"{type(layer).__name__}",
)
def test_every_kind_of_layer(layer: nn.Module) -> None:
    negative = trunk_of(layer, nn.ReLU(), nn.Conv3d(8 if getattr(layer, "groups", 1) == 2 else 4, 4, 3, padding=1))
    check(negative)


class Aliased(nn.Module):
    """A tensor goes by two names when it is changed in place."""

    def __init__(self, idle: nn.Module) -> None:
        super().__init__()
        self.conv, self.idle, self.relu = nn.Conv3d(3, 4, 3, padding=1), idle, nn.ReLU(inplace=True)

    def forward(self, carry: Tensor) -> Tensor:  # a name that is in use elsewhere
        first = self.conv(carry)
        other_name = self.idle(first)
        return self.relu(first) + other_name


@pytest.mark.parametrize("network", [Reused(), Aliased(nn.Identity()), Aliased(nn.Dropout(0.5))])
def test_what_is_changed_in_place_and_read_again(network: nn.Module) -> None:
    enliven(network)
    check(network)


class Thrice(nn.Module):
    """A branch that is taken more than once, and one that is spread over the channels of another."""

    def __init__(self) -> None:
        super().__init__()
        self.wide, self.thin = nn.Conv3d(4, 4, 3, padding=1), nn.Conv3d(4, 1, (5, 1, 1), padding=(2, 0, 0))

    def forward(self, x_NCTHW: Tensor) -> Tensor:
        wide, thin = self.wide(x_NCTHW), self.thin(x_NCTHW)
        return torch.cat([F.relu(thin + wide), x_NCTHW, wide + wide, x_NCTHW], dim=1)


def test_branches_taken_twice_or_spread_over_another() -> None:
    check(trunk_of(Thrice(), nn.Conv3d(16, 4, 1)))


def test_a_network_may_be_a_single_layer() -> None:
    layer = nn.Conv3d(3, 4, 3, padding=1)
    enliven(layer)
    check(layer)


def test_pooling_of_what_is_never_negative_knows_no_negative_zero() -> None:
    """In bfloat16 the bits are compared; those of -0.0 are the least of all."""

    class Gate(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Conv3d(3, 4, 1), nn.Conv3d(3, 4, 1)
            self.relu, self.pool = nn.ReLU(), nn.MaxPool3d(3, 1, 1)

        def forward(self, x_NCTHW: Tensor) -> Tensor:
            pooled: Tensor = self.pool(self.relu(self.relu(self.first(x_NCTHW)) * self.second(x_NCTHW)))
            return pooled

    network = Gate().eval()
    enliven(network)
    frames_NCTHW = torch.randn(1, 3, 8, 9, 12).bfloat16()
    found = in_chunks(Dense(network, torch.bfloat16), frames_NCTHW, 3)
    with torch.inference_mode():
        assert_close(found, network.bfloat16()(frames_NCTHW), tolerance=2e-2)


class Attention(nn.Module):
    def forward(self, x_NCTHW: Tensor) -> Tensor:
        return x_NCTHW.softmax(dim=2)


class Pair(nn.Module):
    def forward(self, x_NCTHW: Tensor) -> tuple[Tensor, Tensor]:
        return x_NCTHW, x_NCTHW


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (Attention(), "softmax has no dense form"),
        (Pair(), "anything but one map has no dense form"),
        (nn.AdaptiveAvgPool3d(1), "AdaptiveAvgPool3d has no dense form"),
        (nn.MaxPool3d(2, ceil_mode=True), r"ceil_mode=True\) has no dense form"),
        (nn.MaxPool3d(2, dilation=2), r"MaxPool3d\(.*dilation=2.* has no dense form"),
        (nn.AvgPool3d(3, 1, 1), r"AvgPool3d\(.*padding=1\) has no dense form"),
        (nn.BatchNorm3d(4, track_running_stats=False), "batch norm without running statistics has no dense form"),
        (Block(lambda first, second: torch.add(first, second, alpha=2), 1, 1), "add.* has no dense form"),
        (nn.Conv3d(4, 4, 3, padding=1, padding_mode="replicate"), "'replicate' has no dense form"),
        (nn.Conv3d(4, 4, 3, padding="same"), "'same' .*has no dense form"),
        (Block(lambda first, second: torch.cat([first, second], dim=2), 1, 1), "not along the channels"),
        (Block(lambda first, second: first + second[:, :, ::2], 1, 1), "has no dense form"),
        (Block(lambda first, second: first + 1, 1, 1), "has no dense form"),
    ],
)
def test_what_has_no_dense_form_is_refused_by_name(layer: nn.Module, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Dense(trunk_of(layer))


def test_branches_of_different_strides_are_refused() -> None:
    class Uneven(Block):
        def __init__(self) -> None:
            super().__init__(operator.add, 1, 1)
            self.second = nn.Sequential(nn.Conv3d(4, 4, 1, stride=(2, 1, 1)))

    with pytest.raises(ValueError, match=r"different temporal strides meet: \[1, 2\]"):
        Dense(trunk_of(Uneven()))

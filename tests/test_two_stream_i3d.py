"""Two-stream I3D: two inflated networks, of which one takes flow and both see as many frames."""

from pathlib import Path

import pytest
import torch
from left_or_right import CLASSES, held_out, share_right, train
from torch import nn

from detectors.backbones.families.image_network import image_network
from detectors.backbones.families.two_stream_i3d import TwoStreamI3D

pytestmark = pytest.mark.usefixtures("one_thread")


def made(**settings: object) -> TwoStreamI3D:
    torch.manual_seed(0)
    return TwoStreamI3D(class_names=CLASSES, image_network="small", **settings)  # type: ignore[arg-type]


def first(network: nn.Module) -> nn.Conv3d:
    return next(module for module in network.modules() if isinstance(module, nn.Conv3d))


def test_flow_has_two_channels_and_the_map_is_both_streams_side_by_side() -> None:
    network, clip = made().eval(), torch.randn(1, 3, 16, 64, 48)
    assert (first(network.spatial).in_channels, first(network.temporal).in_channels) == (3, 2)
    assert first(network.temporal).weight.shape[1] == 2
    with torch.inference_mode():
        features_NC, map_NCSHW = network.encode(clip)
        spatial_NCSHW = network.spatial(clip)
    assert map_NCSHW.shape == (1, 128, 2, 8, 6) and not network.contract.dense
    torch.testing.assert_close(map_NCSHW[:, :64], spatial_NCSHW)
    torch.testing.assert_close(map_NCSHW.mean(dim=(2, 3, 4)), features_NC)


def test_given_weights_are_kept_and_both_directions_of_flow_begin_with_their_mean() -> None:
    state = image_network("small").state_dict()
    layers = {".".join(key.split(".")[2:]): tensor for key, tensor in state.items()}
    network = made(image_state=layers)
    weight = layers["unit0.0.weight"]
    torch.testing.assert_close(first(network.spatial).weight.sum(dim=2), weight)
    for channel in range(2):
        summed = first(network.temporal).weight[:, channel].sum(dim=1)
        torch.testing.assert_close(summed, weight.mean(dim=1) * 1.5)


def test_without_given_weights_the_direction_of_time_shows_from_the_start() -> None:
    weight = first(made().spatial).weight
    assert not torch.allclose(weight[:, :, 0], weight[:, :, 2])


def test_a_saved_network_gives_the_same_scores(tmp_path: Path) -> None:
    network, clip = made().eval(), torch.randn(1, 3, 16, 32, 32)
    torch.save(network.state_dict(), tmp_path / "two.pth")
    torch.manual_seed(9)
    other = TwoStreamI3D(class_names=CLASSES, image_network="small").eval()
    other.load(tmp_path / "two.pth")
    with torch.inference_mode():
        torch.testing.assert_close(other(clip), network(clip), rtol=0, atol=0)


def test_left_and_right_are_learned() -> None:
    network = made()
    train(network, count=64, epochs=3)
    features_NC, labels_N = held_out(network)
    with torch.inference_mode():
        assert share_right(network.head(features_NC), labels_N) >= 0.9

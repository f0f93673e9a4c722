"""Inflation: a still video is seen as its picture was, and runs in pieces give what the whole gives."""

import numpy as np
import pytest
import torch
from networks import settled
from torch import nn

from detectors.backbones.families.image_network import image_network
from detectors.backbones.families.inflate import inflate, inflated
from detectors.backbones.families.inflated import dense_view
from detectors.dense.carry import Carry
from detectors.dense.form import Dense, view_of

pytestmark = pytest.mark.usefixtures("one_thread")

INFLATED = ("toy", "small", "resnet18", "vgg11", "densenet121", "mobilenet_v2", "squeezenet1_1", "googlenet")


@pytest.mark.parametrize("name", INFLATED)
def test_an_inflated_network_on_a_constant_video_gives_what_the_image_network_gives_on_the_frame(name: str) -> None:
    images = settled(image_network(name))
    network = inflate(images).eval()
    pictures_NCHW = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        map_NCHW = images(pictures_NCHW)
        map_NCSHW = network(pictures_NCHW[:, :, None].expand(-1, -1, 24, -1, -1))
    assert map_NCSHW.shape[2] >= 2  # at every instant, the first and the last included
    expected = map_NCHW[:, :, None].expand_as(map_NCSHW)
    assert float((map_NCSHW - expected).abs().max()) <= 1e-5 * float(expected.abs().max())


def test_it_sees_movement_all_the_same() -> None:
    network = inflate(settled(image_network("small"))).eval()
    clip_NCTHW = torch.randn(1, 3, 16, 32, 32)
    with torch.inference_mode():
        assert not torch.allclose(network(clip_NCTHW), network(clip_NCTHW.flip(2)).flip(2), rtol=1e-2)


@pytest.mark.parametrize("name", ["toy", "small", "resnet18", "vgg11"])
def test_its_dense_form_in_pieces_gives_the_whole(name: str) -> None:
    """Also where the first pieces are too short to give anything, and where the run is cut out of a longer one."""
    network = inflate(settled(image_network(name))).eval()
    frames_NCTHW = torch.randn(1, 3, 48, 32, 32)
    dense, view = Dense(network), view_of(network)
    with torch.inference_mode():
        whole_NCSHW = network(frames_NCTHW)
        for size in (3, 7, 20):
            carry, pieces = Carry(), []
            parts = frames_NCTHW.split(size, dim=2)
            for number, part in enumerate(parts):
                carry.last = number == len(parts) - 1
                pieces.append(dense(part, carry))
            found_NCSHW = torch.cat(pieces, dim=2)
            torch.testing.assert_close(found_NCSHW, whole_NCSHW, rtol=1e-3, atol=1e-4)
        first = 2 * view.stride
        cut_NCSHW = dense(frames_NCTHW[:, :, first:], Carry(cut=True, last=True))
    if cut_NCSHW.shape[2]:
        torch.testing.assert_close(cut_NCSHW, whole_NCSHW[:, :, -cut_NCSHW.shape[2] :], rtol=1e-3, atol=1e-4)
    assert cut_NCSHW.shape[2] or view.before > 32


def test_time_shrinks_with_the_picture_but_eightfold_at_most() -> None:
    network = inflate(image_network("resnet18")).eval()
    with torch.inference_mode():
        assert network(torch.zeros(1, 3, 16, 64, 64)).shape == (1, 512, 2, 2, 2)
        assert inflate(image_network("resnet18"), most_time_stride=1)(torch.zeros(1, 3, 5, 64, 64)).shape[2] == 5


def test_a_network_without_a_dense_form_runs_clip_by_clip() -> None:
    assert dense_view(inflate(image_network("mobilenet_v2"))) is None
    assert dense_view(inflate(image_network("resnet18"))) is not None


@pytest.mark.parametrize("name", ["convnext_tiny", "swin_t", "shufflenet_v2_x0_5"])
def test_what_cannot_be_inflated_is_refused_in_one_line(name: str) -> None:
    with pytest.raises(ValueError, match="choose another") as refused:
        inflate(image_network(name))
    assert "\n" not in str(refused.value)


def test_weights_are_spread_over_time() -> None:
    conv = nn.Conv2d(2, 3, 3, padding=1)
    made = inflated(conv, in_time=False)
    assert isinstance(made, nn.Conv3d) and made.kernel_size == (3, 3, 3)
    torch.testing.assert_close(made.weight.sum(2), conv.weight)
    np.testing.assert_allclose(made.weight[:, :, 0].detach(), made.weight[:, :, 2].detach())

"""Image networks: torchvision's without their heads give what torchvision's do, stage by stage."""

import pytest
import torch
from torchvision import models

from detectors.backbones.families.image_network import image_network

pytestmark = pytest.mark.usefixtures("one_thread")

# One of each kind that torchvision has.
KINDS = (
    *("resnet18", "vgg11", "alexnet", "densenet121", "mobilenet_v2", "mobilenet_v3_small", "efficientnet_b0"),
    *("convnext_tiny", "regnet_y_400mf", "shufflenet_v2_x0_5", "squeezenet1_1", "mnasnet0_5", "swin_t"),
    *("googlenet", "inception_v3"),
)
EXTRAS = {"googlenet": {"aux_logits": False, "init_weights": False}, "inception_v3": {"aux_logits": False}}
# The last layer before the mean over the picture, where that is no layer of its own.
LAST = {
    **{"shufflenet_v2_x0_5": "conv5", "mnasnet0_5": "layers"},
    **dict.fromkeys(("squeezenet1_1", "densenet121", "mobilenet_v2"), "features"),
}


@pytest.mark.parametrize("name", KINDS)
def test_the_map_is_what_torchvisions_network_pools(name: str) -> None:
    torch.manual_seed(3)
    theirs = models.get_model(name, weights=None, **EXTRAS.get(name, {})).eval()
    ours = image_network(name, theirs.state_dict()).eval()
    seen: list[torch.Tensor] = []
    if name in LAST:
        getattr(theirs, LAST[name]).register_forward_hook(lambda module, given, result: seen.append(result))
    else:
        theirs.avgpool.register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    pictures_NCHW = torch.randn(2, 3, 128, 160)
    with torch.inference_mode():
        theirs(pictures_NCHW)
        map_NCHW = ours(pictures_NCHW)
    expected = seen[0].relu() if name == "densenet121" else seen[0]
    assert map_NCHW.shape[1] == ours.channels
    torch.testing.assert_close(map_NCHW, expected, rtol=1e-4, atol=1e-5)


def test_stages_end_where_the_next_layer_is_coarser() -> None:
    sides, x = [], torch.zeros(1, 3, 64, 64)
    network = image_network("resnet18").eval()
    with torch.inference_mode():
        for stage in network.stages:
            x = stage(x)
            sides.append(x.shape[2])
    assert sides == [32, 16, 8, 4, 2] and (network.stride, network.channels) == (32, 512)


def test_frames_are_seen_alone_and_keep_their_order() -> None:
    torch.manual_seed(0)
    network = image_network("small").eval()
    clips_NCTHW = torch.randn(2, 3, 5, 32, 48)
    with torch.inference_mode():
        map_NCTHW = network.of_frames(clips_NCTHW)
        alone = network(clips_NCTHW[1, :, 3][None])
    assert map_NCTHW.shape == (2, 64, 5, 4, 6)
    torch.testing.assert_close(map_NCTHW[1, :, 3], alone[0], rtol=1e-4, atol=1e-5)


def test_it_costs_nothing_on_the_meta_device() -> None:
    with torch.device("meta"):
        network = image_network("resnet18")
    assert all(parameter.is_meta for parameter in network.parameters()) and network.stride == 32


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("resnet19", "unknown image network 'resnet19'; one of: toy, small, "),
        ("vit_b_16", "vit_b_16 takes pictures of"),
    ],
)
def test_what_is_not_possible_is_refused_by_name(name: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as refused:
        image_network(name)
    assert "\n" not in str(refused.value)


def test_weights_of_another_network_are_refused() -> None:
    state = models.resnet18(weights=None).state_dict()
    with pytest.raises(ValueError, match="not the weights of resnet34: "):
        image_network("resnet34", state)
    state["layer1.0.conv1.weight"] = state["layer1.0.conv1.weight"][:8]
    with pytest.raises(ValueError, match=r"1 tensors do not fit, layer1\.0\.conv1\.weight among them"):
        image_network("resnet18", state)


def test_weights_with_another_head_are_taken() -> None:
    theirs = models.resnet18(weights=None, num_classes=7)
    ours = image_network("resnet18", theirs.state_dict())
    torch.testing.assert_close(next(ours.parameters()), theirs.conv1.weight)

"""A checkpoint fills a network in whatever layout it comes, or changes nothing of it and says why not."""

import re

import pytest
import torch
from networks import assert_numbered, assert_unfilled, numbered, outline, small, unfilled
from torch import Tensor, nn

from detectors import backbones
from detectors.backbones import slowfast, torchvision_video
from detectors.checkpoints import keys_in, load_state, state_in

pytestmark = pytest.mark.usefixtures("one_thread")

SLOWFAST, DETECTION = "slowfast_r50_8x8", "slowfast_r50_8x8_detection"
NONLOCAL = "slowfast_r101_8x8_detection"
HAVE_NO_PLACE = [(name, "pytorchvideo") for name, design in slowfast.DESIGNS.items() if design.nonlocal_after]
EVERY_LAYOUT = [
    *((name, layout) for name in slowfast.DESIGNS for layout in ("native", "pytorchvideo", "pyslowfast")),
    *((name, layout) for name in torchvision_video.MAKERS for layout in ("native", "torchvision")),
]
LAYOUTS = [one for one in EVERY_LAYOUT if one not in HAVE_NO_PLACE]


# What does not fit


def without(state: dict[str, Tensor], key: str) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in state.items() if name != key}


@pytest.mark.parametrize(
    ("layout", "key"),
    [
        ("native", "trunk.fast.res3.2.b.norm.running_var"),
        ("pytorchvideo", "blocks.6.proj.weight"),
        ("pyslowfast", "s1_fuse.conv_f2s.weight"),
    ],
)
def test_a_missing_an_unknown_and_a_misshapen_key_are_each_refused_by_name(
    slowfast_8x8: nn.Module, layout: str, key: str
) -> None:
    state = numbered(slowfast_8x8, layout)
    shape = tuple(state[key].shape)
    faults = {
        f"1 missing: {key}": without(state, key),
        "1 unknown: blocks.7.bias": {**state, "blocks.7.bias": torch.ones(2)},
        f"1 of another shape: {key} (2, 3), expected {shape}": {**state, key: torch.ones(2, 3)},
    }
    for message, wrong in faults.items():
        with pytest.raises(ValueError) as refused:
            load_state(slowfast_8x8, wrong, layout)
        assert str(refused.value) == f"not a {layout} checkpoint of this SlowFast: {message}"
    assert_unfilled(slowfast_8x8)


def test_all_faults_are_listed_at_once_and_nothing_is_changed() -> None:
    network = small()
    before = {key: tensor.clone() for key, tensor in network.state_dict().items()}
    state = without(numbered(network), "1.running_mean")
    wrong = {**state, "0.bias": torch.ones(5), "1.scale": torch.ones(4), "1.shift": torch.ones(4)}
    expected = "1 missing: 1.running_mean; 2 unknown: 1.scale, 1.shift; 1 of another shape: 0.bias (5,), expected (4,)"
    with pytest.raises(ValueError, match=re.escape(expected)):
        load_state(network, wrong)
    for key, tensor in network.state_dict().items():
        assert torch.equal(tensor, before[key]), key


def test_a_long_list_of_faults_is_cut_short() -> None:
    unknown = {f"more.{number:02}": torch.ones(1) for number in range(20)}
    network = small()
    with pytest.raises(ValueError, match=r"20 unknown: more\.00, .*, more\.07 and 12 more$"):
        load_state(network, {**numbered(network), **unknown})


@pytest.mark.parametrize("key", small().state_dict())
def test_only_the_counters_of_batch_norms_may_be_missing(key: str) -> None:
    network = small()
    state = without(numbered(network), key)
    if key.endswith("num_batches_tracked"):
        load_state(network, state)
        assert torch.equal(network.state_dict()["1.running_var"], state["1.running_var"])
        assert int(network.state_dict()[key]) == 0
    else:
        with pytest.raises(ValueError, match=f"1 missing: {re.escape(key)}$"):
            load_state(network, state)


@pytest.mark.parametrize("layout", ["native", "pytorchvideo", "pyslowfast"])
def test_weights_of_another_variant_are_refused_naming_the_lateral_kernels(
    slowfast_8x8: nn.Module, layout: str
) -> None:
    with pytest.raises(ValueError, match=r"^not a .*: 4 of another shape: ") as refused:
        load_state(slowfast_8x8, numbered(outline("slowfast_r50_4x16"), layout), layout)
    keys = keys_in(slowfast_8x8, layout)
    assert keys is not None
    for stage, channels in {"stem": 8, "res2": 32, "res3": 64, "res4": 128}.items():
        key = keys[f"trunk.lateral.{stage}.conv.weight"]
        shape, expected = ((2 * channels, channels, frames, 1, 1) for frames in (5, 7))
        assert f"{key} {shape}, expected {expected}" in str(refused.value)
    assert_unfilled(slowfast_8x8)


def test_a_deeper_network_of_the_same_layout_is_refused(slowfast_8x8: nn.Module) -> None:
    with pytest.raises(ValueError, match=r"unknown: trunk\.fast\.res4\.10\.a\.conv\.weight, .* more; 4 of another"):
        load_state(slowfast_8x8, numbered(outline("slowfast_r101_8x8")))


@pytest.mark.parametrize(
    ("name", "layout", "known"),
    [
        (SLOWFAST, "caffe2", "native, pytorchvideo, pyslowfast"),
        (SLOWFAST, "torchvision", "native, pytorchvideo, pyslowfast"),
        (NONLOCAL, "pytorchvideo", "native, pyslowfast"),
        ("r3d_18", "pyslowfast", "native, torchvision"),
        ("swin3d_t", "pytorchvideo", "native, torchvision"),
        ("i3d", "torchvision", "native"),
    ],
)
def test_an_unknown_layout_is_refused_with_those_known(name: str, layout: str, known: str) -> None:
    network = outline(name)
    with pytest.raises(ValueError, match=f"cannot be read from layout '{layout}'; it knows {known}$"):
        load_state(network, network.state_dict(), layout)
    with pytest.raises(ValueError, match=f"cannot be written in layout '{layout}'$"):
        state_in(network, layout)


def test_a_network_that_tells_no_layouts_is_read_by_its_own_keys_alone() -> None:
    network = small()
    load_state(network, numbered(network))
    assert_numbered(network)
    with pytest.raises(ValueError, match=r"Sequential cannot be read from layout 'torchvision'; it knows native$"):
        load_state(network, numbered(network), "torchvision")


# Layouts


@pytest.mark.parametrize(("name", "layout"), LAYOUTS)
def test_every_tensor_has_a_key_of_its_own_in_every_layout(name: str, layout: str) -> None:
    keys = keys_in(outline(name), layout)
    assert keys is not None
    assert len(set(keys.values())) == len(keys) == len(outline(name).state_dict())


@pytest.mark.parametrize(("name", "layout"), HAVE_NO_PLACE)
def test_non_local_blocks_have_no_place_in_pytorchvideos_layout(name: str, layout: str) -> None:
    assert keys_in(outline(name), layout) is None


@pytest.mark.parametrize("name", torchvision_video.MAKERS)
def test_torchvisions_keys_and_shapes_are_those_of_its_own_network(name: str) -> None:
    from torchvision.models import video

    with torch.device("meta"):
        theirs = getattr(video, name)().state_dict()
    ours = state_in(outline(name), "torchvision")
    assert {key: tensor.shape for key, tensor in ours.items()} == {key: tensor.shape for key, tensor in theirs.items()}


# As they stand in the published files, with our keys and shapes for them.
SAMPLES = {
    (SLOWFAST, "pytorchvideo"): {
        "blocks.0.multipathway_blocks.0.conv.weight": ("trunk.slow.stem.conv.weight", (64, 3, 1, 7, 7)),
        "blocks.0.multipathway_blocks.1.norm.bias": ("trunk.fast.stem.norm.bias", (8,)),
        "blocks.0.multipathway_fusion.conv_fast_to_slow.weight": ("trunk.lateral.stem.conv.weight", (16, 8, 7, 1, 1)),
        "blocks.3.multipathway_fusion.norm.running_mean": ("trunk.lateral.res4.norm.running_mean", (256,)),
        "blocks.1.multipathway_blocks.0.res_blocks.0.branch1_conv.weight": (
            "trunk.slow.res2.0.shortcut.conv.weight",
            (256, 80, 1, 1, 1),
        ),
        "blocks.2.multipathway_blocks.1.res_blocks.0.branch1_norm.weight": (
            "trunk.fast.res3.0.shortcut.norm.weight",
            (64,),
        ),
        "blocks.3.multipathway_blocks.0.res_blocks.5.branch2.conv_a.weight": (
            "trunk.slow.res4.5.a.conv.weight",
            (256, 1024, 3, 1, 1),
        ),
        "blocks.3.multipathway_blocks.1.res_blocks.5.branch2.norm_c.running_var": (
            "trunk.fast.res4.5.c.norm.running_var",
            (128,),
        ),
        "blocks.6.proj.weight": ("head.weight", (400, 2304)),
    },
    (SLOWFAST, "pyslowfast"): {
        "s1.pathway0_stem.bn.weight": ("trunk.slow.stem.norm.weight", (64,)),
        "s1.pathway1_stem.conv.weight": ("trunk.fast.stem.conv.weight", (8, 3, 5, 7, 7)),
        "s1_fuse.bn.running_var": ("trunk.lateral.stem.norm.running_var", (16,)),
        "s4_fuse.conv_f2s.weight": ("trunk.lateral.res4.conv.weight", (256, 128, 7, 1, 1)),
        "s3.pathway0_res0.branch1.weight": ("trunk.slow.res3.0.shortcut.conv.weight", (512, 320, 1, 1, 1)),
        "s3.pathway0_res0.branch1_bn.running_mean": ("trunk.slow.res3.0.shortcut.norm.running_mean", (512,)),
        "s2.pathway1_res1.branch2.b.weight": ("trunk.fast.res2.1.b.conv.weight", (8, 8, 1, 3, 3)),
        "s5.pathway1_res2.branch2.c_bn.bias": ("trunk.fast.res5.2.c.norm.bias", (256,)),
        "head.projection.weight": ("head.weight", (400, 2304)),
    },
    (DETECTION, "pytorchvideo"): {
        "model.blocks.4.multipathway_blocks.0.res_blocks.0.branch1_conv.weight": (
            "trunk.slow.res5.0.shortcut.conv.weight",
            (2048, 1280, 1, 1, 1),
        ),
        "model.blocks.0.multipathway_fusion.norm.weight": ("trunk.lateral.stem.norm.weight", (16,)),
        "detection_head.proj.bias": ("roi_head.bias", (80,)),
    },
    (NONLOCAL, "pyslowfast"): {
        "s4.pathway0_nonlocal6.conv_phi.bias": ("trunk.slow.res4.nonlocal6.conv_phi.bias", (512,)),
        "s4.pathway0_nonlocal13.conv_theta.weight": (
            "trunk.slow.res4.nonlocal13.conv_theta.weight",
            (512, 1024, 1, 1, 1),
        ),
        "s4.pathway0_nonlocal20.bn.running_mean": ("trunk.slow.res4.nonlocal20.bn.running_mean", (1024,)),
        "s4.pathway0_res22.branch2.a_bn.weight": ("trunk.slow.res4.22.a.norm.weight", (256,)),
        "s1_fuse.conv_f2s.weight": ("trunk.lateral.stem.conv.weight", (16, 8, 5, 1, 1)),
        "head.projection.weight": ("roi_head.weight", (80, 2304)),
    },
}


@pytest.mark.parametrize(("name", "layout"), SAMPLES, ids=lambda one: one)
def test_published_keys_name_the_tensors_that_are_meant(name: str, layout: str) -> None:
    keys = keys_in(outline(name), layout)
    assert keys is not None
    ours = {theirs: own for own, theirs in keys.items()}
    state = outline(name).state_dict()
    found = {theirs: (ours[theirs], tuple(state[ours[theirs]].shape)) for theirs in SAMPLES[name, layout]}
    assert found == SAMPLES[name, layout]


def test_both_published_layouts_of_slowfast_give_the_same_state() -> None:
    torch.manual_seed(7)
    source = backbones.create(SLOWFAST)
    with torch.no_grad():
        for buffer in source.buffers():
            buffer.copy_(torch.randint(1, 1000, buffer.shape))
    for layout in ("pytorchvideo", "pyslowfast"):
        loaded = unfilled(SLOWFAST)
        load_state(loaded, state_in(source, layout), layout)
        for key, tensor in loaded.state_dict().items():
            assert torch.equal(tensor, source.state_dict()[key]), key

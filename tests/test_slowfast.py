"""SlowFast: the reference implementation's numbers, its sizes, and how the two pathways stand in time."""

import zlib
from typing import Any

import numpy as np
import pytest
import torch
from networks import enliven, lively
from torch import Tensor

from detectors import checkpoints
from detectors.backbones import create, outline
from detectors.backbones.class_names import ava
from detectors.backbones.nonlocal_block import NonLocal
from detectors.backbones.roi_head import RoiHead
from detectors.backbones.slowfast import DESIGNS, SlowFastDetection, slow_index
from detectors.persons.box_features import BoxFeatures

pytestmark = pytest.mark.usefixtures("one_thread")

# Outputs of pytorchvideo's own networks for weights and input made from seeds (see made_weights).
GOLDEN: dict[str, dict[str, Any]] = {
    "slowfast_r50_8x8": {
        "parameters": 34_566_488,
        "mean": -0.021228864633012563,
        "std": 0.36298626146070806,
        "first": [
            -0.8658853769302368,
            0.24172356724739075,
            0.0013563930988311768,
            0.1325792819261551,
            -0.19829021394252777,
            0.0712340921163559,
            0.05064323544502258,
            -0.01081329956650734,
        ],
        "top": [265, 300, 82, 284, 234],
        "sums": [-8.491545853205025],
    },
    "slowfast_r50_4x16": {
        "parameters": 34_480_216,
        "mean": -0.020207151988288388,
        "std": 0.3644956392217245,
        "first": [
            -0.7862030267715454,
            0.2611750066280365,
            -0.06933511048555374,
            0.17741014063358307,
            -0.20133869349956512,
            -0.011827616021037102,
            0.03437343239784241,
            0.013906557112932205,
        ],
        "top": [300, 82, 284, 265, 58],
        "sums": [-8.082860795315355],
    },
    "slowfast_r50_8x8_detection": {
        "parameters": 33_828_888,
        "mean": 0.4878800202161074,
        "std": 0.10066527625860301,
        "first": [
            0.4579295516014099,
            0.562402069568634,
            0.5538161993026733,
            0.662625789642334,
            0.5441250205039978,
            0.6412854790687561,
            0.4138930141925812,
            0.30903443694114685,
        ],
        "top": [76, 28, 3, 5, 51],
        "sums": [39.06813734769821, 38.991474360227585, 38.98157435655594, 39.08042040467262],
    },
}
BOXES_M5 = [
    [0.0, 10.0, 20.0, 120.0, 200.0],
    [0.0, 60.0, 5.0, 250.0, 240.0],
    [0.0, 0.0, 0.0, 256.0, 256.0],
    [0.0, 100.5, 33.3, 180.2, 222.7],
]


def made_weights(shapes: dict[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """The golden weights: from each key its own seed; scaled so that signals keep their size."""
    made = {}
    for key, shape in shapes.items():
        noise = np.random.default_rng(zlib.crc32(key.encode())).standard_normal(shape)
        if key.endswith(checkpoints.COUNTER):
            made[key] = torch.zeros(shape, dtype=torch.long)
            continue
        if len(shape) > 1:
            value = noise * np.sqrt(2 / np.prod(shape[1:]))
        elif key.endswith("running_var"):
            value = 1 + 0.1 * np.abs(noise)
        elif "norm" in key and key.endswith("weight"):
            value = 0.5 + 0.1 * noise
        else:
            value = 0.1 * noise
        made[key] = torch.from_numpy(np.asarray(value, np.float32))
    return made


def through_the_person_branch(network: SlowFastDetection, clip_NCTHW: np.ndarray) -> np.ndarray:
    """Scores as stages/persons.py has them made: the map of a clip, boxes in 0..1 of its picture, their logits."""
    with torch.inference_mode():
        map_NCSHW = network.encode(torch.from_numpy(clip_NCTHW)).map_NCSHW.mean(dim=2)
    boxes_N4 = np.array(BOXES_M5, np.float32)[:, 1:] / 256
    _, logits_NK = BoxFeatures(network)(map_NCSHW[0].numpy(), boxes_N4, (256, 256))
    assert logits_NK is not None
    scores_NK: np.ndarray = 1 / (1 + np.exp(-logits_NK))
    return scores_NK


@pytest.mark.parametrize("name", GOLDEN)
def test_it_gives_the_references_numbers(name: str) -> None:
    network, golden = create(name).eval(), GOLDEN[name]
    shapes = {key: tuple(tensor.shape) for key, tensor in checkpoints.state_in(network, "pytorchvideo").items()}
    assert (sum(one.numel() for one in network.parameters()), len(shapes)) == (golden["parameters"], 662)
    checkpoints.load_state(network, made_weights(shapes), "pytorchvideo")
    is_detection = name.endswith("detection")
    side = 256 if is_detection else 224
    noise = np.random.default_rng(20261122).standard_normal((1, 3, 32, side, side)).astype(np.float32)
    with torch.inference_mode():
        inputs = [torch.from_numpy(noise), *([torch.tensor(BOXES_M5)] if is_detection else [])]
        outputs = network(*inputs).numpy()
    if is_detection:
        assert isinstance(network, SlowFastDetection)
        np.testing.assert_allclose(through_the_person_branch(network, noise), outputs, atol=1e-5)
    assert outputs.shape == ((4, 80) if is_detection else (1, 400))
    assert outputs.mean() == pytest.approx(golden["mean"], abs=1e-5)
    assert outputs.std(ddof=1) == pytest.approx(golden["std"], abs=1e-5)
    np.testing.assert_allclose(outputs[0, :8], golden["first"], atol=1e-5)
    np.testing.assert_allclose(outputs.sum(1), golden["sums"], atol=1e-3)
    assert np.argsort(-outputs[0])[:5].tolist() == golden["top"]


@pytest.mark.parametrize(
    ("frames", "alpha", "index"),
    [(32, 4, [0, 4, 8, 13, 17, 22, 26, 31]), (32, 8, [0, 10, 20, 31]), (64, 4, None)],
)
def test_slow_frames_are_those_of_the_reference(frames: int, alpha: int, index: list[int] | None) -> None:
    found = slow_index(frames, alpha)
    assert len(found) == frames // alpha and (found[0], found[-1]) == (0, frames - 1)
    assert index is None or found == index


def test_slow_frames_given_apart_are_used_as_they_are() -> None:
    network = lively("slowfast_r50_8x8")
    fast_NCTHW = torch.randn(1, 3, 32, 64, 64)
    with torch.inference_mode():
        picked = network([fast_NCTHW[:, :, slow_index(32, 4)], fast_NCTHW])
        torch.testing.assert_close(network(fast_NCTHW), picked)
        other = network([fast_NCTHW[:, :, ::4], fast_NCTHW])
    assert not torch.allclose(other, picked)


@pytest.mark.parametrize("name", ["slowfast_r50_8x8", "slowfast_r50_4x16"])
def test_the_mean_of_a_dense_run_is_the_feature_of_the_clip(name: str) -> None:
    """The run takes every alpha-th frame for the slow pathway; a clip of just those gives the same."""
    network = lively(name)
    alpha = network.contract.stride
    frames_NCTHW = torch.randn(1, 3, 4 * alpha, 64, 64)
    assert network.trunk is not None
    with torch.inference_mode():
        map_NCSHW = network.trunk(frames_NCTHW)
        clip = network.encode([frames_NCTHW[:, :, ::alpha], frames_NCTHW])  # type: ignore[arg-type]
    assert map_NCSHW.shape[2] == 4
    torch.testing.assert_close(map_NCSHW.mean((2, 3, 4)), clip.features_NC, rtol=1e-4, atol=1e-5)


def test_the_detection_networks_map_is_twice_as_fine() -> None:
    for name, cells in (("slowfast_r50_8x8", 2), ("slowfast_r50_8x8_detection", 4)):
        network = lively(name)
        with torch.inference_mode():
            assert network.encode(torch.randn(1, 3, 8, 64, 64)).map_NCSHW.shape == (1, 2304, 1, cells, cells)
        assert network.contract.map_stride == 64 // cells


def test_all_designs_have_the_published_number_of_blocks_and_kernels() -> None:
    for name, design in DESIGNS.items():
        network = outline(name)
        assert network.trunk is not None
        shapes = {key: tuple(one.shape) for key, one in network.trunk.state_dict().items()}
        last = 22 if design.depth == 101 else 5
        assert f"slow.res4.{last}.a.conv.weight" in shapes and f"slow.res4.{last + 1}.a.conv.weight" not in shapes
        assert shapes["lateral.res3.conv.weight"][2] == design.lateral_kernel
        along_time = {key.split(".")[2] for key, one in shapes.items() if "slow.res4" in key and one[2:] == (3, 1, 1)}
        assert len(along_time) == (6 if design.nonlocal_after else last + 1)
        assert network.contract.dense is not bool(design.nonlocal_after)
        assert network.contract.class_names == (ava() if design.detection else network.contract.class_names)
        assert len(network.contract.class_names) == (80 if design.detection else 400)


# Non-local blocks


def test_a_non_local_block_changes_nothing_at_first() -> None:
    block = NonLocal(8, 4).eval()
    x_NCTHW = torch.randn(1, 8, 4, 6, 6)
    torch.testing.assert_close(block(x_NCTHW), x_NCTHW, rtol=0, atol=0)


def test_a_non_local_block_is_the_mean_over_all_pooled_places_of_what_they_say_to_each() -> None:
    torch.manual_seed(3)
    block = NonLocal(4, 2).eval()
    enliven(block)
    x_NCTHW = torch.randn(1, 4, 2, 4, 4)
    with torch.inference_mode():
        theta, phi, g = (conv(x)[0].flatten(1) for conv, x in _parts(block, x_NCTHW))
        said_CP = torch.stack(
            [sum((theta[:, p] @ phi[:, q]) * g[:, q] for q in range(4)) / 4 for p in range(32)],  # type: ignore[misc]
            dim=1,
        )
        expected = x_NCTHW + block.bn(block.conv_out(said_CP.view(1, 2, 2, 4, 4)))
        torch.testing.assert_close(block(x_NCTHW), expected)


def _parts(block: NonLocal, x_NCTHW: Tensor) -> list[tuple[Any, Tensor]]:
    pooled_NCTHW = block.pool(x_NCTHW)
    return [(block.conv_theta, x_NCTHW), (block.conv_phi, pooled_NCTHW), (block.conv_g, pooled_NCTHW)]


def test_the_non_local_networks_see_all_of_their_clip() -> None:
    network = create("slowfast_r101_8x8_detection").eval()
    enliven(network)
    clip_NCTHW = torch.randn(1, 3, 32, 32, 32)
    boxes_M5 = torch.tensor([[0.0, 0, 0, 16, 16]])
    with torch.inference_mode():
        before = network(clip_NCTHW, boxes_M5)
        clip_NCTHW[:, :, -1] = 3
        assert before.shape == (1, 80) and not torch.equal(network(clip_NCTHW, boxes_M5), before)


# Boxes


def test_a_box_is_classified_by_the_greatest_value_inside() -> None:
    head = RoiHead(1, 1, map_stride=16, aligned=False)
    torch.nn.init.ones_(head.weight)
    torch.nn.init.zeros_(head.bias)
    map_NCHW = torch.zeros(2, 1, 8, 8)
    map_NCHW[1, 0, 1, 6] = 5.0
    boxes_M5 = torch.tensor([[1.0, 80, 0, 128, 48], [1.0, 0, 64, 64, 128], [0.0, 80, 0, 128, 48]])
    with torch.inference_mode():
        inside, elsewhere, other_clip = head(map_NCHW, boxes_M5).flatten().tolist()
        assert head(map_NCHW, torch.zeros(0, 5)).shape == (0, 1)
    assert inside > 1 and elsewhere == other_clip == 0

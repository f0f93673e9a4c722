"""I3D: the published weights give the reference's numbers; a file that is not theirs is refused by name."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn
from torchvision.models.video import R3D_18_Weights

from detectors import backbones
from detectors.backbones.class_names import kinetics400
from detectors.backbones.i3d import I3D
from detectors.backbones.i3d_weights import HEAD, load_flax
from detectors.dense.carry import Carry
from detectors.inference.prepared import Inference
from detectors.weights import WeightsError, fetch

# piergiaj's PyTorch I3D with the same weights: spatial means at the first step, logits averaged over 2 steps.
MIXED_5C_MEAN = 0.09522507847052696
FEATURES = [0.0044197072, 0.0, 0.1484060360, 0.0616206837, 0.4043889463, 0.0656712548, 0.0, 0.0028266967]
LOGITS = [
    1.4886512756,
    -0.0912901387,
    2.6257028580,
    2.9469275475,
    -0.8485652804,
    2.3509125710,
    -0.0896459222,
    1.9274823666,
]
TOP_5 = {390: 4.393345356, 394: 3.970131000, 327: 3.420630217, 256: 3.054191351, 97: 2.954484463}


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def network() -> I3D:
    torch.manual_seed(3)
    return I3D()


def golden_input() -> torch.Tensor:
    noise = np.random.default_rng(20261122).uniform(-1, 1, (1, 3, 32, 224, 224)).astype(np.float32)
    return (F.avg_pool3d(torch.from_numpy(noise), (3, 9, 9), 1, (1, 4, 4)) * 8).clamp(-1, 1)


@pytest.mark.network
@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 1e-3), ("bfloat16", 3e-2)])
def test_published_weights_give_the_references_numbers(precision: Any, tolerance: float) -> None:
    inference = Inference(backbones.load("i3d", fetch("i3d_kinetics400")), precision=precision)
    assert inference.head is not None
    with torch.inference_mode():
        map_NCSHW = inference.run_map(golden_input().to(inference.dtype), Carry(last=True))
        features_SC = map_NCSHW[0].float().mean(dim=(2, 3)).T
        logits_SK = inference.head(features_SC)
    assert features_SC.shape == (4, 1024)
    assert float(features_SC.mean()) == pytest.approx(MIXED_5C_MEAN, rel=tolerance)
    pairs_SK = (logits_SK[1:] + logits_SK[:-1]) / 2
    np.testing.assert_allclose(features_SC[0, :8], FEATURES, rtol=tolerance, atol=tolerance * max(FEATURES))
    np.testing.assert_allclose(pairs_SK[0, :8], LOGITS, rtol=tolerance, atol=tolerance * max(LOGITS))
    np.testing.assert_allclose(pairs_SK.mean(0)[list(TOP_5)], list(TOP_5.values()), rtol=tolerance)


@pytest.mark.network
def test_a_whole_clip_is_classified_as_by_the_reference() -> None:
    network = backbones.load("i3d", fetch("i3d_kinetics400")).eval()
    with torch.inference_mode():
        logits_NK = network(golden_input())
    np.testing.assert_allclose(logits_NK[0, list(TOP_5)], list(TOP_5.values()), rtol=1e-3)


def test_the_network_has_the_published_size(network: I3D) -> None:
    assert sum(parameter.numel() for parameter in network.parameters()) == 12_697_264
    assert network.contract.receptive_field == 99
    assert len(network.contract.class_names) == 400
    assert network.contract.class_names[6] == "arm wrestling"


def as_stored(network: I3D) -> dict[str, Any]:
    """Our tensors in the layout of the published file."""
    params: dict[str, Any] = {}
    statistics: dict[str, Any] = {}
    names = {"0": "Conv3d_0a_1x1", "1": "Conv3d_0b_3x3"}
    for name, unit in network.trunk.named_modules():
        if not hasattr(unit, "conv"):
            continue
        layer, *branch = name.split(".")
        path = [layer]
        if branch:
            place = "Conv3d_0b_1x1" if branch[0] == "branch_3" else names[branch[1] if branch[1:] else "0"]
            path.append(f"{branch[0].capitalize()}/{place}")
        kernel = unit.conv.weight.detach().permute(2, 3, 4, 1, 0).numpy()
        put(params, path, {"Conv_0": {"kernel": kernel}, "BatchNorm_0": {"bias": unit.norm.bias.detach().numpy()}})
        mean, var = unit.norm.running_mean.numpy(), unit.norm.running_var.numpy()
        put(
            statistics,
            path,
            {"BatchNorm_0": {"mean": mean[None, None, None, None], "var": var[None, None, None, None]}},
        )
    kernel = network.head.weight.detach().T.numpy()[None, None, None]
    params["Logits/Conv3d_0c_1x1"] = {"Conv_0": {"kernel": kernel, "bias": network.head.bias.detach().numpy()}}
    return {"params": params, "batch_stats": statistics}


def put(tree: dict[str, Any], path: list[str], value: Any) -> None:
    for part in path[:-1]:
        tree = tree.setdefault(part, {})
    tree[path[-1]] = value


def test_weights_survive_the_way_through_the_published_layout(network: I3D) -> None:
    other = I3D()
    load_flax(other.trunk, other.head, as_stored(network))
    for name, tensor in network.state_dict().items():
        torch.testing.assert_close(other.state_dict()[name], tensor, msg=name)


def test_a_missing_tensor_is_named(network: I3D) -> None:
    content = as_stored(network)
    del content["params"]["Mixed_4f"]["Branch_2/Conv3d_0b_3x3"]["Conv_0"]["kernel"]
    with pytest.raises(ValueError, match=r"missing \['params/Mixed_4f/Branch_2/Conv3d_0b_3x3/Conv_0/kernel'\]"):
        load_flax(network.trunk, network.head, content)


def test_a_tensor_too_many_is_named(network: I3D) -> None:
    content = as_stored(network)
    content["params"]["Conv3d_1a_7x7"]["Conv_0"]["bias"] = np.zeros(64, np.float32)
    with pytest.raises(ValueError, match=r"unknown \['params/Conv3d_1a_7x7/Conv_0/bias'\]"):
        load_flax(network.trunk, network.head, content)


def test_a_tensor_of_another_shape_is_named(network: I3D) -> None:
    content = as_stored(network)
    content["params"]["Logits/Conv3d_0c_1x1"]["Conv_0"]["bias"] = np.zeros(600, np.float32)
    with pytest.raises(ValueError, match=rf"{HEAD}/bias has shape \(600,\), expected \(400,\)"):
        load_flax(network.trunk, network.head, content)


def test_an_unknown_backbone_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"unknown backbone 'i3b'; choose one of .*, i3d, "):
        backbones.create("i3b")


def test_it_can_be_trained() -> None:
    network = I3D(class_names=("a", "b")).train()
    logits_NK = network(torch.randn(2, 3, 16, 32, 32))
    logits_NK.sum().backward()
    assert logits_NK.shape == (2, 2)
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_class_names_are_those_of_torchvision() -> None:
    assert kinetics400() == tuple(R3D_18_Weights.KINETICS400_V1.meta["categories"])


def test_it_loads_what_torch_saved_of_it_and_refuses_the_rest_in_one_line(network: I3D, tmp_path: Path) -> None:
    torch.save(network.state_dict(), tmp_path / "mine.pth")
    other = I3D()
    other.load(tmp_path / "mine.pth")
    assert torch.equal(other.head.weight, network.head.weight)
    torch.save(nn.Conv3d(1, 1, 1).state_dict(), tmp_path / "other.pth")
    torch.save(nn.Conv3d(1, 1, 1).state_dict(), tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    for name in ("other.pth", "old.pth"):
        with pytest.raises(WeightsError, match=rf"{name}.* not a ") as refused:
            other.load(tmp_path / name)
        assert "\n" not in str(refused.value)

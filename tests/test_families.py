"""What every family of video networks keeps to: one contract test over all of them."""

import inspect
from typing import Any

import pytest
import torch
from torch.nn import functional

from detectors import backbones
from detectors.backbones.contract import Backbone
from detectors.inference.cost import flop_of_clip
from pipeline.config import ready_made
from pipeline.settings import DesignSettings

pytestmark = pytest.mark.usefixtures("one_thread")

CLASSES = ("left", "right", "still")
SIDE = 64


def small_settings(name: str) -> dict[str, Any]:
    """As little work as the family lets one have."""
    width = 8 if name == "c3d" else 32
    wanted = {"image_network": "small", "width": width, "short_side": SIDE, "class_names": CLASSES}
    return {one: wanted[one] for one in wanted if one in backbones.settings_of(name)}


def made(name: str) -> Backbone:
    torch.manual_seed(1)
    return backbones.create(name, **small_settings(name))


def inputs(backbone: Backbone, clips: int = 2) -> tuple[torch.Tensor, ...]:
    """Clips of noise, and sound where it is heard."""
    contract = backbone.contract
    torch.manual_seed(2)
    clips_NCTHW = torch.randn(clips, 3, contract.clip_frames, SIDE, SIDE)
    if not contract.sound_per_frame:
        return (clips_NCTHW,)
    return clips_NCTHW, torch.randn(clips, contract.clip_frames, contract.sound_per_frame).clamp(-1, 1)


@pytest.fixture(scope="module", params=backbones.FAMILIES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_it_has_a_config_and_its_settings_are_those_of_a_config(name: str) -> None:
    assert f"families/{name}" in ready_made()
    assert set(backbones.settings_of(name)) <= {*DesignSettings.model_fields, "class_names", "image_state"}
    parameters = inspect.signature(backbones.BACKBONES[name]).parameters.values()
    assert all(one.kind is one.KEYWORD_ONLY and one.default is not one.empty for one in parameters)


def test_features_map_and_scores_have_the_sizes_of_the_contract(name: str) -> None:
    backbone = made(name).eval()
    contract, given = backbone.contract, inputs(backbone)
    with torch.inference_mode():
        features_NC, map_NCSHW = backbone.encode(*given)
        logits_NK = backbone(*given)
    assert features_NC.shape == (2, contract.feature_channels) and logits_NK.shape == (2, len(CLASSES))
    assert map_NCSHW.shape[:2] == (2, contract.feature_channels)
    assert contract.class_names == CLASSES
    if contract.map_stride is not None:
        assert map_NCSHW.shape[3:] == (SIDE // contract.map_stride,) * 2
        torch.testing.assert_close(map_NCSHW.mean(dim=(2, 3, 4)), features_NC, rtol=1e-3, atol=1e-4)
    if contract.dense:
        assert backbone.trunk is not None and map_NCSHW.shape[2] == contract.clip_frames // contract.stride
    assert torch.isfinite(logits_NK).all()


def test_clips_are_answered_one_by_one(name: str) -> None:
    backbone = made(name).eval()
    given = inputs(backbone, clips=3)
    with torch.inference_mode():
        together_NK = backbone(*given)
        alone_K = backbone(*(one[1:2] for one in given))[0]
    torch.testing.assert_close(together_NK[1], alone_K, rtol=1e-3, atol=1e-4)


def test_every_weight_learns(name: str) -> None:
    """Blocks of zeros at the start, behind which nothing learns at first, wake up after a step."""
    backbone = made(name).train()
    given, labels_N = inputs(backbone), torch.tensor([0, 2])
    optimizer = torch.optim.SGD(backbone.parameters(), lr=1e-3)
    for _ in range(2):
        losses = backbone.losses(functional.cross_entropy, labels_N, *given)
        optimizer.zero_grad()
        sum(losses.values(), torch.zeros(())).backward()
        optimizer.step()
    assert losses and all(torch.isfinite(loss) for loss in losses.values())
    idle = [key for key, one in backbone.named_parameters() if one.grad is None or not one.grad.abs().sum()]
    assert idle == []


def test_blocks_are_all_of_it_but_the_head(name: str) -> None:
    backbone = made(name)
    found = [id(parameter) for block in backbone.blocks() for parameter in block.parameters()]
    assert backbone.head is not None
    head = {id(parameter) for parameter in backbone.head.parameters()}
    assert len(found) == len(set(found))
    assert set(found) == {id(parameter) for parameter in backbone.parameters()} - head


def test_its_cost_is_counted_without_weights(name: str) -> None:
    backbone = backbones.outline(name, **small_settings(name))
    assert all(parameter.is_meta for parameter in backbone.parameters())
    assert flop_of_clip(backbone, backbone.contract.clip_frames) > 0


def test_a_setting_that_it_does_not_have_is_refused_by_name(name: str) -> None:
    with pytest.raises(ValueError, match=f"^{name} has no setting 'colour'; it has class_names"):
        backbones.create(name, colour=3)

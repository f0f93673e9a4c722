"""torchvision's video networks under our contract compute what torchvision's do, and are fed as its weights want."""

import re
from typing import Any, NamedTuple

import pytest
import torch
from networks import enliven
from torch import Tensor, nn
from torchvision.models import get_model_weights, video

from detectors import backbones
from detectors.backbones import torchvision_video
from detectors.backbones.contract import Backbone, Encoded, mean_of_steps
from detectors.checkpoints import load_state
from detectors.weights_table import WEIGHTS

pytestmark = pytest.mark.usefixtures("one_thread")

CLIPS = {  # frames, and pixels of a side
    "r3d_18": (16, 112),
    "mc3_18": (16, 112),
    "r2plus1d_18": (16, 112),
    "s3d": (24, 224),  # three steps: fewer have one pair only, and its mean is that of all
    "mvit_v1_b": (16, 224),
    "mvit_v2_s": (16, 224),
    "swin3d_t": (8, 224),
}
PUBLISHED = [(name, weights) for name in torchvision_video.MAKERS for weights in get_model_weights(name)]
TOLERANCE = 1e-4  # of the largest value


class Pair(NamedTuple):
    """torchvision's logits of a clip, and what our network with the same weights makes of it."""

    name: str
    backbone: Backbone
    expected_NK: Tensor
    logits_NK: Tensor
    encoded: Encoded


@pytest.fixture(scope="module", params=CLIPS)
def pair(request: pytest.FixtureRequest) -> Pair:
    frames, side = CLIPS[request.param]
    torch.manual_seed(7)
    theirs = getattr(video, request.param)().eval()
    _stir(theirs)
    backbone = backbones.create(request.param).eval()
    load_state(backbone, theirs.state_dict(), "torchvision")
    clips_NCTHW = torch.randn(1, 3, frames, side, side)
    with torch.inference_mode():
        encoded = backbone.encode(clips_NCTHW)
        assert backbone.head is not None
        return Pair(request.param, backbone, theirs(clips_NCTHW), backbone.head(encoded.features_NC), encoded)


def _stir(network: nn.Module) -> None:
    """Weights and statistics that all make a difference, those included that begin as zeros or ones."""
    enliven(network)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.01)


def assert_close(found: Tensor, expected: Tensor) -> None:
    assert found.shape == expected.shape
    assert float((found - expected).abs().max()) <= TOLERANCE * float(expected.abs().max())


def test_logits_are_those_of_torchvision(pair: Pair) -> None:
    assert float(pair.expected_NK.std()) > 0.01
    assert_close(pair.logits_NK, pair.expected_NK)


def test_features_and_map_have_the_sizes_of_the_contract(pair: Pair) -> None:
    contract, (frames, side) = pair.backbone.contract, CLIPS[pair.name]
    assert pair.encoded.features_NC.shape == (1, contract.feature_channels)
    channels, steps, height, width = pair.encoded.map_NCSHW.shape[1:]
    assert (channels, height, width) == (contract.feature_channels, *2 * (side // contract.map_stride,))
    if contract.dense:
        assert steps == frames // contract.stride


def test_features_are_the_mean_of_the_map_where_no_class_token_tells_them(pair: Pair) -> None:
    pooled_steps = 2 if pair.name == "s3d" else 1
    mean_NC = mean_of_steps(pair.encoded.map_NCSHW, pooled_steps)
    if pair.name in torchvision_video.MVITS:
        assert not torch.allclose(mean_NC, pair.encoded.features_NC, rtol=1e-2)
    else:
        assert_close(mean_NC, pair.encoded.features_NC)


@pytest.mark.parametrize(("name", "weights"), PUBLISHED, ids=lambda one: getattr(one, "name", one))
def test_the_contract_is_that_of_the_published_weights(name: str, weights: Any) -> None:
    with torch.device("meta"):
        backbone = backbones.create(name)
    contract, recipe, meta = backbone.contract, weights.transforms(), weights.meta
    assert (contract.mean, contract.std) == (tuple(recipe.mean), tuple(recipe.std))
    # Convolutions take the whole picture, as large as theirs before cropping; attention takes the crop's size only.
    (crop,) = set(recipe.crop_size)
    assert contract.short_side == (min(recipe.resize_size) if contract.dense else crop)
    assert contract.square == (not contract.dense)
    assert contract.rate == float(_told(meta, "frame_rate"))
    assert contract.clip_frames == int(_told(meta, "clip_len"))
    assert contract.class_names == tuple(meta["categories"])
    assert sum(parameter.numel() for parameter in backbone.parameters()) == meta["num_params"]


def _told(meta: dict[str, Any], name: str) -> str:
    found = re.search(rf"`{name}=([\d.]+)`", meta["_docs"])
    assert found is not None
    return found[1]


@pytest.mark.parametrize(("name", "weights"), PUBLISHED, ids=lambda one: getattr(one, "name", one))
def test_the_table_of_weights_has_them_with_their_accuracy(name: str, weights: Any) -> None:
    (entry,) = [one for one in WEIGHTS.values() if one.origin == weights.url]
    assert entry.accuracy == f"{weights.meta['_metrics']['Kinetics-400']['acc@1']} % top-1, Kinetics-400"


@pytest.mark.parametrize("name", torchvision_video.MAKERS)
def test_weights_unless_others_are_asked_for_are_those_that_torchvision_has_first(name: str) -> None:
    first = next(iter(get_model_weights(name)))
    assert WEIGHTS[backbones.PUBLISHED[name][0]].origin == first.url


def test_other_class_names_are_other_logits() -> None:
    for name in ("mc3_18", "s3d", "swin3d_t"):
        with torch.device("meta"):
            backbone = backbones.create(name, class_names=("jump", "run"))
            assert backbone.head is not None
            logits = backbone.head(torch.empty(5, backbone.contract.feature_channels))
        assert (backbone.contract.class_names, logits.shape) == (("jump", "run"), (5, 2))

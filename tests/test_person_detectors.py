"""Claims about every person detector, and about torchvision's: ours say of people what torchvision's own say."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torchvision.models import get_model, get_model_weights
from torchvision.models._api import WeightsEnum
from torchvision.models.detection.ssd import SSD
from torchvision.ops import FrozenBatchNorm2d

from detectors import persons
from detectors.errors import WeightsError
from detectors.inference.prepared import Precision
from detectors.persons.contract import PeopleInPicture, PersonDetector, PictureSize
from detectors.persons.inference import PersonInference, fold_norms
from detectors.persons.torchvision_detectors import MAKERS, TorchvisionDetector
from detectors.weights_table import WEIGHTS

pytestmark = pytest.mark.usefixtures("one_thread")

ROOT = Path(__file__).parent.parent
QUICK = (  # one of each kind; the others differ in size
    "fasterrcnn_resnet50_fpn",
    "fasterrcnn_mobilenet_v3_large_320_fpn",
    "retinanet_resnet50_fpn",
    "fcos_resnet50_fpn",
    "ssdlite320_mobilenet_v3_large",
)
SHORT, LONG = 64, 96  # pixels that those without a fixed size are made to look at, or a test would take minutes
PICTURES = np.random.default_rng(0).integers(0, 256, (3, 60, 80, 3), dtype=np.uint8)
MANY = 100_000
PRECISIONS: tuple[Precision, ...] = ("float32", "bfloat16")


def lively(name: str) -> PersonDetector:
    """With weights and statistics that all make a difference, and no two scores alike; it looks at small pictures."""
    detector = persons.load(name, None)
    if isinstance(detector, TorchvisionDetector):
        stir(detector.network)
        make_small(detector.network)
    return detector


def stir(network: Any) -> None:
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.Conv2d) and isinstance(network, SSD):  # or its signals die
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu", generator=generator)
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.normal_(0, 0.1, generator=generator)
                module.running_var.uniform_(0.5, 1.5, generator=generator)
                module.weight.uniform_(0.5, 1, generator=generator)
                module.bias.normal_(0, 0.1, generator=generator)
        heads = [network.head] if hasattr(network, "head") else [network.rpn.head, network.roi_heads.box_predictor]
        for parameter in (one for head in heads for one in head.parameters()):
            parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=0.02)


def make_small(network: Any) -> None:
    if network.transform.fixed_size is None:
        network.transform.min_size, network.transform.max_size = (SHORT,), LONG


@pytest.fixture(scope="module", params=["ssdlite_person", *QUICK])
def detector(request: pytest.FixtureRequest) -> PersonDetector:
    return lively(request.param)


def detect(detector: PersonDetector, pictures_NHWC: np.ndarray, min_score: float = 0.0) -> list[PeopleInPicture]:
    return PersonInference(detector, batch=2, min_score=min_score).detect(pictures_NHWC)


def assert_same(found: PeopleInPicture, expected: PeopleInPicture) -> None:
    assert found.scores_M.shape == expected.scores_M.shape and len(expected.scores_M) > 5
    np.testing.assert_allclose(found.scores_M, expected.scores_M, atol=1e-4)
    np.testing.assert_allclose(found.boxes_M4, expected.boxes_M4, atol=1e-4)


# Every one of them


@pytest.mark.parametrize("shape", [(60, 80), (90, 40)])
def test_people_are_boxes_within_the_picture_by_falling_score(detector: PersonDetector, shape: tuple[int, int]) -> None:
    for people in detect(detector, np.resize(PICTURES, (3, *shape, 3))):
        assert people.boxes_M4.dtype == people.scores_M.dtype == np.float32
        assert people.boxes_M4.shape == (len(people.scores_M), 4) and len(people.scores_M) > 5
        assert (people.boxes_M4 >= 0).all() and (people.boxes_M4 <= 1).all()
        assert (people.boxes_M4[:, 2:] > people.boxes_M4[:, :2]).all()
        assert (np.diff(people.scores_M) <= 0).all() and people.scores_M[0] < 1


def test_a_batch_gives_what_its_pictures_give_alone(detector: PersonDetector) -> None:
    together = detect(detector, PICTURES)
    assert len(together) == len(PICTURES)
    for picture_HWC, people in zip(PICTURES, together, strict=True):
        assert_same(people, detect(detector, picture_HWC[None])[0])


def test_a_least_score_leaves_out_the_rest_and_changes_nothing_else(detector: PersonDetector) -> None:
    everyone = detect(detector, PICTURES[:1])[0]
    least = float(everyone.scores_M[7:9].mean())
    likely = everyone.scores_M > least
    assert 0 < likely.sum() < len(likely)
    few = detect(detector, PICTURES[:1], least)[0]
    np.testing.assert_allclose(few.scores_M, everyone.scores_M[likely], atol=1e-6)
    np.testing.assert_allclose(few.boxes_M4, everyone.boxes_M4[likely], atol=1e-6)


def test_no_picture_has_nobody_and_nobody_is_no_box(detector: PersonDetector) -> None:
    assert detect(detector, PICTURES[:0]) == []
    (people,) = detect(detector, PICTURES[:1], 1.0)
    assert people.boxes_M4.shape == (0, 4) and people.scores_M.shape == (0,)


def test_without_a_file_weights_are_random_and_always_the_same() -> None:
    first, second = (persons.load("ssdlite_person", None).state_dict() for _ in range(2))
    assert all(torch.equal(first[key], second[key]) for key in first)


@pytest.mark.parametrize("name", persons.DETECTORS)
def test_an_outline_tells_the_size_of_pictures_and_takes_no_memory(name: str) -> None:
    detector = persons.outline(name)
    assert all(parameter.is_meta for parameter in detector.parameters())
    sizes = {"320": (320, 640, False), "ssd300": (300, None, True), "ssdlite_person": (300, None, True)}
    sizes |= {"ssdlite320": (320, None, True)}
    known = [size for part, size in sizes.items() if part in name]
    assert detector.picture == PictureSize(*(known[-1] if known else (800, 1333, False)))


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"unknown person detector 'yolo'.*ssdlite_person"):
        persons.create("yolo")


def test_a_file_of_another_network_is_refused(detector: PersonDetector, tmp_path: Path) -> None:
    path = tmp_path / "other.pth"
    torch.save(nn.Linear(2, 2).state_dict(), path)
    with pytest.raises(WeightsError, match=r"other\.pth") as caught:
        detector.load(path)
    assert "\n" not in str(caught.value)


def test_ssdlite_person_finds_the_same_whatever_the_precision() -> None:
    detector = persons.load("ssdlite_person", None)
    exact, other = (PersonInference(detector, precision=one).detect(PICTURES[:1])[0] for one in PRECISIONS)
    assert_same(other, exact)


def test_only_torchvision_s_own_need_torchvision() -> None:
    code = """
import sys
from detectors import persons
from detectors.persons.inference import PersonInference
import numpy as np
PersonInference(persons.load("ssdlite_person", None)).detect(np.zeros((1, 300, 300, 3), np.uint8))
assert "torchvision" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


# Those of torchvision


@pytest.mark.parametrize("name", MAKERS)
def test_the_table_of_weights_has_what_torchvision_publishes(name: str) -> None:
    (published,) = get_model_weights(name)
    entry = WEIGHTS[persons.PUBLISHED[name]]
    assert entry.origin == published.url and entry.licence == "BSD-3-Clause"
    assert entry.accuracy == f"{published.meta['_metrics']['COCO-val2017']['box_map']} box mAP, COCO"
    assert published.meta["categories"][1] == "person"
    detector = persons.outline(name)
    norms = [module for module in detector.modules() if isinstance(module, nn.BatchNorm2d)]
    total, frozen = (sum(p.numel() for one in some for p in one.parameters()) for some in ([detector], norms))
    assert published.meta["num_params"] in (total, total - frozen)  # frozen ones count as none


@pytest.mark.parametrize("name", QUICK)
def test_they_say_of_people_what_torchvision_s_builder_with_those_weights_says(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = persons_state(name)
    monkeypatch.setattr(WeightsEnum, "get_state_dict", lambda *_, **__: state)  # in place of a download
    theirs = get_model(name, weights="COCO_V1").eval()
    torch.save(theirs.state_dict(), tmp_path / "weights.pth")
    ours = persons.load(name, tmp_path / "weights.pth")
    assert epsilons(ours.network) == epsilons(theirs)  # too small for the outputs below to tell
    make_small(theirs)
    make_small(ours.network)
    judge = theirs.roi_heads if hasattr(theirs, "roi_heads") else theirs
    judge.score_thresh, judge.detections_per_img = 0.0, MANY
    if hasattr(theirs, "topk_candidates") and "ssd" not in name:  # theirs are of all classes together
        theirs.topk_candidates = MANY
    for picture_HWC, people in zip(PICTURES, detect(ours, PICTURES), strict=True):
        count = len(people.scores_M)
        with torch.inference_mode():
            (expected,) = theirs([torch.from_numpy(picture_HWC).permute(2, 0, 1) / 255])
        boxes_M4 = expected["boxes"] / torch.tensor([80, 60, 80, 60])
        seen = (expected["labels"] == 1) & (boxes_M4[:, 2:] > boxes_M4[:, :2]).all(dim=1)
        assert_same(people, PeopleInPicture(*(one[seen][:count].numpy() for one in (boxes_M4, expected["scores"]))))


def epsilons(network: nn.Module) -> list[float]:
    return [module.eps for module in network.modules() if isinstance(module, nn.BatchNorm2d | FrozenBatchNorm2d)]


def persons_state(name: str) -> dict[str, torch.Tensor]:
    state = lively(name).state_dict()
    return {key.removeprefix("network."): tensor for key, tensor in state.items() if "num_batches" not in key}


@pytest.mark.parametrize("name", QUICK)
def test_folding_batch_norms_leaves_none_and_changes_nothing(name: str) -> None:
    detector = lively(name).eval()
    pictures = torch.from_numpy(PICTURES[:1])
    with torch.inference_mode():
        before = detector.detect(pictures, 0.0)[0]
        fold_norms(detector)
        after = detector.detect(pictures, 0.0)[0]
    assert not any(isinstance(module, nn.BatchNorm2d) for module in detector.modules())
    assert_same(PeopleInPicture(*(one.numpy() for one in after)), PeopleInPicture(*(one.numpy() for one in before)))


@pytest.mark.parametrize("name", QUICK)
def test_in_bfloat16_the_parts_hand_each_other_float32(name: str) -> None:
    """What lies between them, anchors and boxes, would else have 8 bits: at 1000 pixels, a grid of 4."""
    detector = lively(name)
    network: Any = detector.network
    heads = [network.rpn.head, network.roi_heads.box_predictor] if hasattr(network, "rpn") else [network.head]
    handed, within = set(), set()
    for part in (network.backbone, *heads):
        part.register_forward_hook(lambda _, __, output: handed.update(dtypes(output)))
    inference = PersonInference(detector, precision="bfloat16", min_score=0.0)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(lambda _, __, output: within.update(dtypes(output)))
    (people,) = inference.detect(PICTURES[:1])
    assert (handed, within) == ({torch.float32}, {torch.bfloat16})
    assert people.boxes_M4.dtype == np.float32 and len(people.boxes_M4) > 5


def dtypes(output: Any) -> set[torch.dtype]:
    if isinstance(output, torch.Tensor):
        return {output.dtype}
    return {one for value in (output.values() if isinstance(output, dict) else output) for one in dtypes(value)}

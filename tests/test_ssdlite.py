"""Claims about ssdlite_person: it is the frozen graph, to the last box, and takes no other graph for it.

person_boxes.json holds what TensorFlow 2.21 makes of that graph, boxes above 0.1: of whole frames of the samples, which
the graph squashes itself, and of frames squashed before (by Pillow, as golden/persons was).
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from graph_files import constant, field, node, split, varint
from PIL import Image
from torch.nn import functional

from detectors import persons, weights
from detectors.errors import WeightsError
from detectors.persons.mobilenet import Convolution
from detectors.persons.ssd_boxes import iou_with
from detectors.persons.ssdlite import SsdLite, squashed
from detectors.persons.ssdlite_person import SsdLitePerson
from detectors.persons.ssdlite_weights import load_graph

pytestmark = pytest.mark.usefixtures("one_thread")

EXPECTED = json.loads(Path(__file__).with_name("person_boxes.json").read_text(encoding="utf-8"))
TRUNK, NMS = "FeatureExtractor/MobilenetV2/", "Postprocessor/BatchMultiClassNonMaxSuppression/map/while/"
IOU_THRESHOLD = f"{NMS}MultiClassNonMaxSuppression/non_max_suppression/iou_threshold"
EPSILON_OF = f"{TRUNK}Conv/BatchNorm/FusedBatchNorm"
RESIZE = "Preprocessor/map/while/ResizeImage/resize_images/ResizeBilinear"


# The graph's own arithmetic


@pytest.mark.parametrize("side", [10, 11])
@pytest.mark.parametrize(("kernel", "stride"), [(1, 1), (3, 1), (3, 2)])
def test_zeros_around_are_those_of_tensorflow(side: int, kernel: int, stride: int) -> None:
    """SAME: as many as let every window begin at a multiple of the stride, the odd one at the end."""
    convolution = Convolution(4, 4, kernel, side=side, stride=stride, depthwise=True, bounded=False)
    weight = torch.randn(4, 1, kernel, kernel)
    with torch.no_grad():
        convolution.weight.zero_()[:, :, -kernel:, -kernel:] = weight
    x_NCHW = torch.randn(2, 4, side, side)
    around = max((-(-side // stride) - 1) * stride + kernel - side, 0)
    before, after = around // 2, around - around // 2
    padded_NCHW = functional.pad(x_NCHW, (before, after, before, after))
    expected = functional.conv2d(padded_NCHW, weight, convolution.bias, stride, groups=4)
    assert torch.allclose(convolution(x_NCHW), expected, atol=1e-6)


def test_squashing_reads_at_multiples_of_the_ratio_between_its_neighbours() -> None:
    row = torch.tensor([0, 10, 30, 60, 100, 150], dtype=torch.uint8)
    picture = row.view(1, 1, 6, 1).expand(1, 4, 6, 3)
    assert squashed(picture, 4)[0, 0, :, 0].tolist() == [0, 20, 60, 125]
    assert squashed(picture.transpose(1, 2), 4)[0, :, 0, 0].tolist() == [0, 20, 60, 125]
    enlarged = squashed(row[:2].view(1, 1, 2, 1), 4)
    assert enlarged[0, 0, :, 0].tolist() == [0, 5, 10, 10]  # beyond the last pixel there is only itself


def test_maps_and_anchors_are_those_of_300_pixels() -> None:
    detector = SsdLitePerson()
    assert [cells for _, cells in detector.network.trunk.maps] == [19, 10, 5, 3, 2, 1]
    assert len(detector.anchors_A4) == 3 * 19**2 + 6 * (10**2 + 5**2 + 3**2 + 2**2 + 1)
    maps = detector.network.trunk(torch.zeros(1, 3, 300, 300))
    assert [tuple(one.shape[1:]) for one in maps] == [(c, cells, cells) for c, cells in detector.network.trunk.maps]


# Its weights


@pytest.fixture(scope="module")
def path() -> Path:
    return weights.fetch("person_ssdlite")


@pytest.fixture(scope="module")
def detector(path: Path) -> persons.PersonDetector:
    return persons.load("ssdlite_person", path)


def picture(sample: str, frame: int, squash: bool) -> np.ndarray:
    with av.open(str(weights.fetch(sample))) as video:
        shown = next(one for place, one in enumerate(video.decode(video=0)) if place == frame)
    picture_HWC = shown.to_ndarray(format="rgb24")
    if squash:
        picture_HWC = np.array(Image.fromarray(picture_HWC).resize((300, 300), Image.Resampling.BILINEAR))
    return picture_HWC


def found(detector: persons.PersonDetector, pictures_NHWC: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    with torch.inference_mode():
        for boxes_M4, scores_M in detector.detect(torch.from_numpy(pictures_NHWC), 0.1):
            yield boxes_M4.numpy(), scores_M.numpy()


@pytest.mark.network
@pytest.mark.parametrize("expected", EXPECTED, ids=lambda one: f"{one['sample']}-{one['frame']}-{one['squashed']}")
def test_boxes_are_those_of_the_graph(detector: persons.PersonDetector, expected: dict[str, Any]) -> None:
    """To 2e-3, which leaves room for how another ffmpeg turns a frame to RGB; with the same pixels it is 1e-5."""
    picture_HWC = picture(expected["sample"], expected["frame"], expected["squashed"])
    ((boxes_M4, scores_M),) = found(detector, picture_HWC[None])
    np.testing.assert_allclose(scores_M, expected["scores"], atol=2e-3)
    for box_4, expected_4 in zip(boxes_M4, np.float32(expected["boxes"]), strict=True):
        assert iou_with(box_4, expected_4[None]) > 0.99


@pytest.mark.network
def test_a_batch_gives_what_its_pictures_give_alone(detector: persons.PersonDetector) -> None:
    pictures_NHWC = np.stack([picture("sample_street", frame, False) for frame in (40, 0, 120)])
    together = list(found(detector, pictures_NHWC))
    assert [len(scores_M) > 0 for _, scores_M in together] == [True, False, True]
    for one_HWC, (boxes_M4, scores_M) in zip(pictures_NHWC, together, strict=True):
        ((alone_M4, alone_M),) = found(detector, one_HWC[None])
        np.testing.assert_allclose(boxes_M4, alone_M4, atol=1e-5)
        np.testing.assert_allclose(scores_M, alone_M, atol=1e-5)


@pytest.mark.network
def test_every_tensor_is_filled(path: Path) -> None:
    network = SsdLite()
    for tensor in network.state_dict().values():
        tensor.fill_(torch.nan)
    load_graph(network, path)
    assert all(bool(tensor.isfinite().all()) for tensor in network.state_dict().values())


def with_node(graph: bytes, name: str, other: bytes) -> bytes:
    """The graph with another node, or none, in place of one."""
    nodes = dict(split(graph))
    assert name in nodes
    return b"".join((nodes | {name: other}).values())


def other_stride(graph: bytes) -> bytes:
    strides = field(1, field(3, b"".join(map(varint, (1, 1, 1, 1)))))
    name = f"{TRUNK}Conv/Conv2D"
    return with_node(graph, name, node(name, "Conv2D", strides=strides, padding=field(2, b"SAME")))


SCALAR = np.array(0.5, np.float32)
CHANGES = {
    "a weight is missing": (lambda graph: with_node(graph, f"{TRUNK}Conv/BatchNorm/gamma", b""), "missing .*gamma"),
    "a weight too many": (lambda graph: graph + constant("BoxPredictor_6/biases", SCALAR), "unknown .*Predictor_6"),
    "a kernel of another shape": (
        lambda graph: with_node(graph, f"{TRUNK}Conv/weights", constant(f"{TRUNK}Conv/weights", SCALAR)),
        "Conv/weights has shape",
    ),
    "a bias of another shape": (
        lambda graph: with_node(
            graph, "BoxPredictor_0/ClassPredictor/biases", constant("BoxPredictor_0/ClassPredictor/biases", SCALAR)
        ),
        "biases has shape",
    ),
    "another threshold": (
        lambda graph: with_node(graph, IOU_THRESHOLD, constant(IOU_THRESHOLD, SCALAR)),
        "iou_threshold is 0.5, expected 0.6",
    ),
    "a threshold of another shape": (
        lambda graph: with_node(graph, IOU_THRESHOLD, constant(IOU_THRESHOLD, np.full(2, 0.6, np.float32))),
        "iou_threshold has shape",
    ),
    "a norm without epsilon": (
        lambda graph: with_node(graph, EPSILON_OF, node(EPSILON_OF, "FusedBatchNorm")),
        "FusedBatchNorm has no epsilon",
    ),
    "another stride": (other_stride, "Conv/Conv2D has another stride"),
    "another way to resize": (
        lambda graph: with_node(graph, RESIZE, node(RESIZE, "ResizeBilinear", align_corners=field(5, 1))),
        "ResizeBilinear is of another kind",
    ),
    "no sigmoid": (
        lambda graph: with_node(graph, "Postprocessor/convert_scores", node("Postprocessor/convert_scores", "Softmax")),
        "is no sigmoid",
    ),
    "another graph": (lambda graph: constant("weights", SCALAR), "missing"),
}


@pytest.mark.network
@pytest.mark.parametrize("change", CHANGES)
def test_another_graph_is_refused_in_one_line_and_changes_nothing(path: Path, tmp_path: Path, change: str) -> None:
    make, told = CHANGES[change]
    changed = tmp_path / "graph.pb"
    changed.write_bytes(make(path.read_bytes()))
    network = SsdLite()
    before = {key: tensor.clone() for key, tensor in network.state_dict().items()}
    with pytest.raises(WeightsError, match=told) as caught:
        load_graph(network, changed)
    assert "\n" not in str(caught.value) and str(changed) in str(caught.value) and len(str(caught.value)) < 600
    assert all(torch.equal(tensor, before[key]) for key, tensor in network.state_dict().items())

"""The frozen graph `person_ssdlite` into our network: all its weights are taken, and its settings must be ours."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from detectors.errors import WeightsError
from detectors.persons.frozen_graph import Node, Value, read_graph
from detectors.persons.mobilenet import EXTRAS, Convolution
from detectors.persons.ssdlite import COLOUR_SCALE, COLOUR_SHIFT, SIDE, SsdLite, cell_anchors

# What the graph does with the network's output.
PERSON = 1  # of the classes
CODE_SCALES = (10.0, 10.0, 5.0, 5.0)  # of y, x, h, w
LEAST_SCORE, IOU_THRESHOLD, MOST = 1e-8, 0.6, 100

TRUNK, PREDICTOR = "FeatureExtractor/MobilenetV2/", "BoxPredictor_"
PARTS = {
    "code_depthwise": "BoxEncodingPredictor_depthwise",
    "code": "BoxEncodingPredictor",
    "logits_depthwise": "ClassPredictor_depthwise",
    "logits": "ClassPredictor",
}
NORM = ("gamma", "beta", "moving_mean", "moving_variance")
ANCHORS, PREPARE, FINISH = "MultipleGridAnchorGenerator/", "Preprocessor/", "Postprocessor/"
RESIZE, SCORES = f"{PREPARE}map/while/ResizeImage/resize_images/ResizeBilinear", f"{FINISH}convert_scores"
NMS = f"{FINISH}BatchMultiClassNonMaxSuppression/map/while/MultiClassNonMaxSuppression/"
NAMED = 5  # nodes that a message names


def load_graph(network: SsdLite, path: Path) -> None:
    """Fill a network, or change nothing. Raises WeightsError naming what is missing, left over or otherwise."""
    graph = read_graph(path)
    try:
        places = dict(_places(network))
        _check_names(places, graph)
        _check_settings(network, graph)
        values = {at: _folded(at, convolution, graph) for at, convolution in places.items()}
    except ValueError as error:
        raise WeightsError(f"{path} is not the graph of ssdlite_person: {error}") from None
    with torch.no_grad():
        for at, convolution in places.items():
            weight, bias = values[at]
            convolution.weight.copy_(weight)
            convolution.get_parameter("bias").copy_(bias)


def _places(network: SsdLite) -> Iterator[tuple[str, Convolution]]:
    """Every convolution under its path in the graph."""
    for name, module in network.named_modules():
        if isinstance(module, Convolution):
            yield _path(*name.removeprefix("trunk.").split(".")), module


def _path(group: str, place: str = "", part: str = "") -> str:
    if group == "predictors":
        return f"{PREDICTOR}{place}/{PARTS[part]}"
    if group == "blocks":
        return f"{TRUNK}expanded_conv{'' if place == '0' else f'_{place}'}/{part}"
    if group == "extras":
        inner, out = EXTRAS[int(place)]
        size = f"Conv2d_{int(place) + 2}"
        wide = f"{TRUNK}layer_19_2_{size}_3x3_s2_{out}"
        return (f"{TRUNK}layer_19_1_{size}_1x1_{inner}", f"{wide}_depthwise", wide)[int(part)]
    return TRUNK + {"stem": "Conv", "last": "Conv_1"}[group]


def _kernel(at: str, convolution: Convolution) -> str:
    return f"{at}/depthwise_weights" if convolution.depthwise else f"{at}/weights"


def _is_normed(at: str, convolution: Convolution) -> bool:
    """The last of a predictor have biases instead."""
    return convolution.depthwise or not at.startswith(PREDICTOR)


def _check_names(places: Mapping[str, Convolution], graph: Mapping[str, Node]) -> None:
    expected = set()
    for at, convolution in places.items():
        others = [f"BatchNorm/{one}" for one in NORM] if _is_normed(at, convolution) else ["biases"]
        expected |= {_kernel(at, convolution), *(f"{at}/{one}" for one in others)}
    parts = {name for name in graph if name.startswith((TRUNK, PREDICTOR)) and graph[name].op == "Const"}
    stored = {name for name in parts if np.issubdtype(_numbers(graph, name).dtype, np.floating)}
    if stored != expected:
        missing, unknown = sorted(expected - stored), sorted(stored - expected)
        raise ValueError(f"missing {missing[:NAMED]}, unknown {unknown[:NAMED]}")


def _check_settings(network: SsdLite, graph: Mapping[str, Node]) -> None:
    for name, expected in _settings(network):
        found = _numbers(graph, name)
        if found.shape != np.shape(expected):
            raise ValueError(f"{name} has shape {found.shape}, expected {np.shape(expected)}")
        if not np.allclose(found, expected, rtol=1e-6, atol=0):
            raise ValueError(f"{name} is {found.tolist()}, expected {expected}")
    if _attribute(graph, RESIZE, "align_corners") or _attribute(graph, RESIZE, "half_pixel_centers"):
        raise ValueError(f"{RESIZE} is of another kind")
    if SCORES not in graph or graph[SCORES].op != "Sigmoid":
        raise ValueError(f"{SCORES} is no sigmoid")


def _settings(network: SsdLite) -> Iterator[tuple[str, float | tuple[float, ...]]]:
    """Constants of the graph with what we compute by."""
    yield f"{PREPARE}map/while/ResizeImage/stack", (SIDE, SIDE)
    yield f"{PREPARE}mul/x", COLOUR_SCALE
    yield f"{PREPARE}sub/y", COLOUR_SHIFT
    levels = zip(network.trunk.maps, cell_anchors(), strict=True)
    for level, ((_, cells), (scales, ratios)) in enumerate(levels):
        yield f"{ANCHORS}ToFloat_{2 * level + 2}/x", cells
        yield f"{ANCHORS}ToFloat_{2 * level + 3}/x", cells
        yield f"{ANCHORS}Sqrt{f'_{level}' if level else ''}/x", ratios
        yield f"{ANCHORS}truediv_{14 + level}/x", scales  # heights
        yield f"{ANCHORS}mul_{15 + 8 * level}/x", scales  # widths
    for place, scale in enumerate(CODE_SCALES):
        yield f"{FINISH}Decode/truediv{f'_{place}' if place else ''}/y", scale
    yield f"{FINISH}scale_logits/y", 1.0
    yield f"{FINISH}Slice/begin", (0, 0, PERSON)
    yield f"{NMS}non_max_suppression/score_threshold", LEAST_SCORE
    yield f"{NMS}non_max_suppression/iou_threshold", IOU_THRESHOLD
    yield f"{NMS}Minimum/x", MOST
    yield f"{NMS}Minimum_1/x", MOST


def _folded(at: str, convolution: Convolution, graph: Mapping[str, Node]) -> tuple[Tensor, Tensor]:
    """Kernel and bias; the batch norm after the convolution becomes part of them."""
    _check_operation(at, convolution, graph)
    kernel = _as_ours(_kernel(at, convolution), convolution, graph)
    if _is_normed(at, convolution):
        gamma, beta, mean, variance = (_vector(graph, f"{at}/BatchNorm/{one}", len(kernel)) for one in NORM)
        scale = gamma / np.sqrt(variance + _epsilon(graph, f"{at}/BatchNorm/FusedBatchNorm"))
        kernel, bias = kernel * scale[:, None, None, None], beta - mean * scale
    else:
        bias = _vector(graph, f"{at}/biases", len(kernel))
    return torch.from_numpy(kernel), torch.from_numpy(bias)


def _epsilon(graph: Mapping[str, Node], name: str) -> float:
    epsilon = _attribute(graph, name, "epsilon")
    if not isinstance(epsilon, float):
        raise ValueError(f"{name} has no epsilon")
    return epsilon


def _check_operation(at: str, convolution: Convolution, graph: Mapping[str, Node]) -> None:
    name, stride = f"{at}/{'depthwise' if convolution.depthwise else 'Conv2D'}", convolution.stride[0]
    if _attribute(graph, name, "strides") != (1, stride, stride, 1) or _attribute(graph, name, "padding") != b"SAME":
        raise ValueError(f"{name} has another stride or padding")


def _as_ours(name: str, convolution: Convolution, graph: Mapping[str, Node]) -> np.ndarray:
    """Kernels lie as (h, w, in, out), those of single channels as (h, w, channels, 1)."""
    size, channels, out = convolution.unshifted, convolution.in_channels, convolution.out_channels
    expected = (size, size, channels, 1 if convolution.depthwise else out)
    stored = _numbers(graph, name)
    if stored.shape != expected:
        raise ValueError(f"{name} has shape {stored.shape}, expected {expected}")
    kernel = stored.astype(np.float64).transpose((2, 3, 0, 1) if convolution.depthwise else (3, 2, 0, 1))
    return np.pad(kernel, ((0, 0), (0, 0), (1, 0), (1, 0))) if convolution.shifted else kernel


def _vector(graph: Mapping[str, Node], name: str, size: int) -> np.ndarray:
    found = _numbers(graph, name)
    if found.shape != (size,):
        raise ValueError(f"{name} has shape {found.shape}, expected {(size,)}")
    return found.astype(np.float64)


def _numbers(graph: Mapping[str, Node], name: str) -> np.ndarray:
    value = _attribute(graph, name, "value")
    if not isinstance(value, np.ndarray):
        raise ValueError(f"{name} holds no numbers")
    return value


def _attribute(graph: Mapping[str, Node], name: str, attribute: str) -> Value | None:
    if name not in graph:
        raise ValueError(f"there is no {name}")
    return graph[name].attributes.get(attribute)

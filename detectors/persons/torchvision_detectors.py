"""torchvision's detectors under our contract: of what they say of 91 classes, only whether it is a person is kept.

torchvision is imported when one is made: it takes seconds.
Shape letters: N pictures, R regions or anchors, H rows, W columns, C channels, K classes, M people of one picture.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from detectors import checkpoints
from detectors.persons.contract import PersonDetector, PictureSize

PERSON = 1  # among COCO's classes as torchvision numbers them; 0 is the background
MOST_PEOPLE = 300  # of a picture
# Trained when torchvision's batch norms, frozen, had no epsilon; its own builders set it back for these weights.
WITHOUT_EPSILON = ("fasterrcnn_resnet50_fpn", "retinanet_resnet50_fpn")


class TorchvisionDetector(PersonDetector):
    """What all of them share: they resize and normalise pictures themselves, whatever size comes in."""

    def __init__(self, name: str) -> None:
        super().__init__()
        from torchvision.models import detection

        self.network = getattr(detection, name)(weights=None, weights_backbone=None)
        for module in self.network.modules():
            if isinstance(module, nn.BatchNorm2d) and name in WITHOUT_EPSILON:
                module.eps = 0.0
        self.network.backbone.register_forward_hook(_in_float32)
        transform = self.network.transform
        if transform.fixed_size is not None:
            self.picture = PictureSize(transform.fixed_size[0], None, square=True)
        else:
            self.picture = PictureSize(transform.min_size[-1], transform.max_size, square=False)

    @property
    def judge(self) -> Any:
        """The part that leaves out boxes by their score and number."""
        return self.network

    def load(self, path: Path) -> None:
        """Raises WeightsError if the file holds another network."""
        checkpoints.load_file(self, path)

    def key_in(self, layout: str, key: str) -> str:
        """As in torchvision's files; `native` has them too."""
        if layout not in ("native", "torchvision"):
            raise ValueError(f"{type(self).__name__} has no layout {layout!r}")
        return key.removeprefix("network.") if layout == "torchvision" else key

    def detect(self, pictures_NHWC: Tensor, min_score: float) -> list[tuple[Tensor, Tensor]]:
        height, width = pictures_NHWC.shape[1:3]
        self.judge.score_thresh, self.judge.detections_per_img = min_score, MOST_PEOPLE
        found = self.network(list(pictures_NHWC.permute(0, 3, 1, 2) / 255))
        size_4 = torch.tensor([width, height, width, height], device=pictures_NHWC.device)
        return [_seen((one["boxes"] / size_4).clamp(0, 1), one["scores"]) for one in found]


def _seen(boxes_M4: Tensor, scores_M: Tensor) -> tuple[Tensor, Tensor]:
    """Without those beyond the border, of which no area is left."""
    seen = (boxes_M4[:, 2:] > boxes_M4[:, :2]).all(dim=1)
    return boxes_M4[seen], scores_M[seen]


class TwoStages(TorchvisionDetector):
    """Faster R-CNN (NeurIPS 2015, arXiv 1506.01497)."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.network.rpn.head.register_forward_hook(_in_float32)
        self.network.roi_heads.box_predictor.register_forward_hook(_people_of_regions)

    @property
    def judge(self) -> Any:
        return self.network.roi_heads


class OneStage(TorchvisionDetector):
    """Classes judged one by one: RetinaNet (ICCV 2017, arXiv 1708.02002), FCOS (ICCV 2019, arXiv 1904.01355)."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.network.head.register_forward_hook(_people_by_sigmoid)


class SingleShot(TorchvisionDetector):
    """Classes judged against each other: SSD (ECCV 2016, arXiv 1512.02325)."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.network.head.register_forward_hook(_people_by_softmax)


MAKERS: dict[str, Callable[[str], PersonDetector]] = {
    "fasterrcnn_resnet50_fpn_v2": TwoStages,
    "fasterrcnn_resnet50_fpn": TwoStages,
    "fasterrcnn_mobilenet_v3_large_fpn": TwoStages,
    "fasterrcnn_mobilenet_v3_large_320_fpn": TwoStages,
    "retinanet_resnet50_fpn_v2": OneStage,
    "retinanet_resnet50_fpn": OneStage,
    "fcos_resnet50_fpn": OneStage,
    "ssd300_vgg16": SingleShot,
    "ssdlite320_mobilenet_v3_large": SingleShot,
}

# The hooks below stand between a network's parts. Whatever precision these compute in, boxes need float32: bfloat16
# has 8 bits. And classes other than people go before boxes are sorted out, so that limits of number count people.


def _in_float32(_: nn.Module, __: Any, output: Any) -> Any:
    if isinstance(output, Tensor):
        return output.float()
    if isinstance(output, Mapping):
        return {key: _in_float32(_, __, value) for key, value in output.items()}
    return [_in_float32(_, __, value) for value in output]


def _people_of_regions(_: nn.Module, __: Any, output: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    logits_RK, boxes_R4K = output
    return _person_or_not(logits_RK.float()), boxes_R4K.float()[:, : 4 * (PERSON + 1)]


def _people_by_sigmoid(_: nn.Module, __: Any, output: Mapping[str, Tensor]) -> dict[str, Tensor]:
    found = {name: value.float() for name, value in output.items()}
    return found | {"cls_logits": found["cls_logits"][..., PERSON : PERSON + 1]}


def _people_by_softmax(_: nn.Module, __: Any, output: Mapping[str, Tensor]) -> dict[str, Tensor]:
    found = {name: value.float() for name, value in output.items()}
    return found | {"cls_logits": _person_or_not(found["cls_logits"])}


def _person_or_not(logits_K: Tensor) -> Tensor:
    """Two logits (..., 2) whose softmax has for a person what that of all (..., K) has."""
    others_K = torch.cat([logits_K[..., :PERSON], logits_K[..., PERSON + 1 :]], dim=-1)
    return torch.stack([others_K.logsumexp(dim=-1), logits_K[..., PERSON]], dim=-1)

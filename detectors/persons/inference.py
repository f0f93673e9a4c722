"""A person detector made ready for inference on one device: in one precision, in batches, pictures uploaded.

Shape letters: N pictures, H rows, W columns.
"""

from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from detectors.inference.prepared import Precision, compute_dtype
from detectors.persons.contract import PeopleInPicture, PersonDetector

MIN_SCORE = 0.05
CPU_BATCH = 4
GPU_BATCH, GPU_BATCH_OF_LARGE = 32, 8  # pictures; Faster R-CNN needs much memory for its large ones
LARGE = 400  # pixels of the short side


class PersonInference:
    """Finds the people of pictures. The detector is for inference from then on."""

    def __init__(
        self,
        detector: PersonDetector,
        *,
        device: torch.device | str = "cpu",
        precision: Precision = "auto",
        batch: int | None = None,
        min_score: float = MIN_SCORE,
    ) -> None:
        self.picture = detector.picture
        self.device = torch.device(device)
        self.dtype = compute_dtype(device, precision)
        self.batch = batch or _batch(detector, self.device)
        self.min_score = min_score
        detector = detector.eval().requires_grad_(False)
        fold_norms(detector)
        self._detector = detector.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    @torch.inference_mode()
    def detect(self, pictures_NHWC: np.ndarray) -> list[PeopleInPicture]:
        """The people of every picture (uint8 RGB), with scores above `min_score`."""
        batches = range(0, len(pictures_NHWC), self.batch)
        return [one for start in batches for one in self._detect(pictures_NHWC[start : start + self.batch])]

    def _detect(self, pictures_NHWC: np.ndarray) -> list[PeopleInPicture]:
        pictures = self._upload(pictures_NHWC)
        with torch.autocast(self.device.type, self.dtype, enabled=self.dtype is not torch.float32):
            found = self._detector.detect(pictures, self.min_score)
        return [PeopleInPicture(boxes_M4.cpu().numpy(), scores_M.cpu().numpy()) for boxes_M4, scores_M in found]

    def _upload(self, pictures_NHWC: np.ndarray) -> Tensor:
        pictures = torch.from_numpy(np.ascontiguousarray(pictures_NHWC))
        if self.device.type == "cuda":
            pictures = pictures.pin_memory().to(self.device, non_blocking=True)
        return pictures


def fold_norms(network: nn.Module) -> None:
    """Make batch norms part of the convolutions that stand right before them, in place; for networks in eval mode."""
    for parent in list(network.modules()):
        for (name, module), (following, norm) in pairwise(list(parent.named_children())):
            if isinstance(module, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                setattr(parent, name, fuse_conv_bn_eval(module, norm))
                setattr(parent, following, nn.Identity())


def _batch(detector: PersonDetector, device: torch.device) -> int:
    if device.type == "cpu":
        return CPU_BATCH
    return GPU_BATCH_OF_LARGE if detector.picture.short_side > LARGE else GPU_BATCH

"""What a backbone sees inside boxes: its map pooled there, and class scores of that.

Shape letters: C channels, h x w cells of a map, N boxes, K classes.
"""

from copy import deepcopy

import numpy as np
import torch

from detectors.backbones.contract import Backbone
from detectors.backbones.roi_head import RoiHead, inside_boxes


class BoxFeatures:
    """Of a backbone made for boxes by its own box head; of another by the mean of its map, as its head was trained."""

    def __init__(self, backbone: Backbone) -> None:
        import torchvision.ops  # noqa: F401 - takes seconds: here, and not while the first frames wait

        self.contract = backbone.contract
        if self.contract.map_stride is None:
            raise ValueError(f"{type(backbone).__name__} has no map to look at boxes in")
        self.map_stride = self.contract.map_stride
        # Copies, since people are few: they stay on the CPU wherever the backbone goes.
        self.roi_head: RoiHead | None = deepcopy(getattr(backbone, "roi_head", None))
        self.head = deepcopy(backbone.head)
        for head in (self.roi_head, self.head):
            if head is not None:
                head.eval().requires_grad_(False).cpu()

    @property
    def of_nobody(self) -> tuple[np.ndarray, np.ndarray | None]:
        """What is given for no box."""
        return self._classified(torch.zeros((0, self.contract.feature_channels)))

    @torch.inference_mode()
    def __call__(
        self, map_CHW: np.ndarray, boxes_N4: np.ndarray, size: tuple[int, int]
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Features (N, C) and logits (N, K) of boxes, x1, y1, x2, y2 in 0..1 of a picture of `size` (height, width)."""
        height, width = size
        pixels_N4 = torch.from_numpy(boxes_N4 * np.array([width, height, width, height], np.float32))
        boxes_N5 = torch.nn.functional.pad(pixels_N4, (1, 0))
        map_NCHW = torch.from_numpy(map_CHW)[None]
        if self.roi_head is not None:
            return self._classified(self.roi_head.pool(map_NCHW, boxes_N5))
        inside_NCBB = inside_boxes(map_NCHW, boxes_N5, map_stride=self.map_stride, aligned=True)
        return self._classified(inside_NCBB.mean((2, 3)))

    @torch.inference_mode()
    def _classified(self, features_NC: torch.Tensor) -> tuple[np.ndarray, np.ndarray | None]:
        classify = self.head if self.roi_head is None else self.roi_head.classify
        return features_NC.numpy(), None if classify is None else classify(features_NC).numpy()

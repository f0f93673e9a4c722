"""What is inside a box, from a feature map: RoIAlign, the maximum over the box, one linear layer."""

from torch import Tensor, nn

BINS = 7


def inside_boxes(map_NCHW: Tensor, boxes_M5: Tensor, *, map_stride: int, aligned: bool) -> Tensor:
    """RoIAlign (M, C, bins, bins) of boxes (index of the map, x1, y1, x2, y2 in pixels), map_stride pixels a cell."""
    from torchvision.ops import roi_align  # importing torchvision takes seconds

    inside_MCBB: Tensor = roi_align(
        map_NCHW, boxes_M5, BINS, spatial_scale=1 / map_stride, sampling_ratio=0, aligned=aligned
    )
    return inside_MCBB


class RoiHead(nn.Linear):
    """Map (N, C, h, w) and boxes (M, 5) to logits (M, K). Boxes are (index of the map, x1, y1, x2, y2 in pixels)."""

    def __init__(self, channels: int, classes: int, *, map_stride: int, aligned: bool) -> None:
        super().__init__(channels, classes)
        self.map_stride = map_stride
        self.aligned = aligned

    def pool(self, map_NCHW: Tensor, boxes_M5: Tensor) -> Tensor:
        """Features (M, C) of boxes."""
        return inside_boxes(map_NCHW, boxes_M5, map_stride=self.map_stride, aligned=self.aligned).amax(dim=(2, 3))

    def classify(self, features_MC: Tensor) -> Tensor:
        """Logits (M, K) of them."""
        return super().forward(features_MC)

    def forward(self, map_NCHW: Tensor, boxes_M5: Tensor) -> Tensor:  # type: ignore[override]
        return self.classify(self.pool(map_NCHW, boxes_M5))

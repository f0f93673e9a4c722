"""What is inside a box, from a feature map: RoIAlign, the maximum over the box, one linear layer."""

from torch import Tensor, nn

BINS = 7


class RoiHead(nn.Linear):
    """Map (N, C, h, w) and boxes (M, 5) to logits (M, K). Boxes are (index of the map, x1, y1, x2, y2 in pixels)."""

    def __init__(self, channels: int, classes: int, *, map_stride: int, aligned: bool) -> None:
        super().__init__(channels, classes)
        self.map_stride = map_stride  # pixels a cell of the map
        self.aligned = aligned

    def forward(self, map_NCHW: Tensor, boxes_M5: Tensor) -> Tensor:  # type: ignore[override]
        from torchvision.ops import roi_align  # importing torchvision takes seconds

        inside_MCBB = roi_align(
            map_NCHW, boxes_M5, BINS, spatial_scale=1 / self.map_stride, sampling_ratio=0, aligned=self.aligned
        )
        return super().forward(inside_MCBB.amax(dim=(2, 3)))

"""A frame as a vector that tells what is where and how that has changed, for pictures of any size.

The mean over the picture, with which image networks end, hides places: a recurrent network could not see what moves.
Shape letters: N clips, C channels, T frames, M frames of all clips, h x w cells of a map, P = 3C feature points.
"""

import torch
from torch import Tensor, nn

CHANGES = 5.0  # times which changes are told: from frame to frame there is little of them


class FramePoints(nn.Module):
    """Maps of frames (N, C, T, h, w) to (N, T, P), each frame alone: of every channel its mean, and where it is.

    That is its mean column and row, by softmax over the cells (feature points: Finn et al., arXiv 1509.06113).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.sharpness = nn.Parameter(torch.ones(channels, 1, 1))
        self.norm = nn.BatchNorm1d(3 * channels)

    def forward(self, map_NCTHW: Tensor) -> Tensor:
        frames = map_NCTHW.transpose(1, 2)
        map_MCHW = frames.flatten(0, 1)
        share_MCHW = (self.sharpness * map_MCHW).flatten(2).softmax(2).reshape(map_MCHW.shape)
        rows_H, columns_W = (torch.linspace(-1, 1, size, device=map_MCHW.device) for size in map_MCHW.shape[2:])
        row_MC = (share_MCHW.sum(3) * rows_H).sum(2)
        column_MC = (share_MCHW.sum(2) * columns_W).sum(2)
        points_MP: Tensor = self.norm(torch.cat([map_MCHW.mean((2, 3)), column_MC, row_MC], dim=1))
        return points_MP.reshape(*frames.shape[:2], -1)


class FrameVector(nn.Module):
    """Maps of frames (N, C, T, h, w) to vectors (N, T, width)."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.points = FramePoints(channels)
        self.layer = nn.Sequential(nn.Linear(6 * channels, width), nn.LayerNorm(width), nn.ReLU(inplace=True))

    def forward(self, map_NCTHW: Tensor) -> Tensor:
        points_NTP = self.points(map_NCTHW)
        return self.of_points(points_NTP, torch.cat([points_NTP[:, :1], points_NTP[:, :-1]], dim=1))

    def of_points(self, points: Tensor, before: Tensor) -> Tensor:
        """Of frames' points (..., P) and those of the frames that were seen before them: of the first, its own."""
        vectors: Tensor = self.layer(torch.cat([points, CHANGES * (points - before)], dim=-1))
        return vectors

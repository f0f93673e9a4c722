"""A frame as a vector that tells what is where, for pictures of any size.

The mean over the picture, with which image networks end, hides places: a recurrent network could not see what moves.
Shape letters: N clips, C channels, T frames, h x w cells of a map.
"""

from torch import Tensor, nn

GRID = 4  # cells a side: all that is told of places


class FrameVector(nn.Module):
    """Maps of frames (N, C, T, h, w) to vectors (N, T, width): a coarse grid of means, then a fully connected layer."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.grid = nn.Sequential(nn.AdaptiveAvgPool2d(GRID), nn.Flatten())
        self.layer = nn.Sequential(
            nn.Linear(channels * GRID**2, width, bias=False), nn.BatchNorm1d(width), nn.ReLU(inplace=True)
        )

    def forward(self, map_NCTHW: Tensor) -> Tensor:
        frames = map_NCTHW.transpose(1, 2)
        vectors_MC: Tensor = self.layer(self.grid(frames.flatten(0, 1)))
        return vectors_MC.reshape(*frames.shape[:2], -1)

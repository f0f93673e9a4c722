"""Decoded frames to RGB arrays: upright, of the wanted size."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from av.video.reformatter import VideoReformatter

from pipeline.records import Video


@dataclass(frozen=True, slots=True)
class Size:
    """How large a picture is wanted."""

    short_side: int  # pixels
    fit: Literal["keep", "crop", "squash"]
    multiple: int = 1  # sides are rounded to multiples of this
    long_side: int | None = None  # where the aspect is kept, at most
    enlarge: bool = True  # also beyond the size that the video has

    def of(self, video: Video) -> tuple[int, int]:
        """Height and width, pixels, before a crop."""
        if self.fit == "squash":
            return self._rounded(self.short_side), self._rounded(self.short_side)
        scale = self.short_side / min(video.width, video.height)
        if self.fit == "crop":
            return max(self.short_side, round(video.height * scale)), max(self.short_side, round(video.width * scale))
        if self.long_side is not None:
            scale = min(scale, self.long_side / max(video.width, video.height))
        if not self.enlarge:
            scale = min(scale, 1.0)
        return self._rounded(video.height * scale), self._rounded(video.width * scale)

    def _rounded(self, side: float) -> int:
        return max(1, round(side / self.multiple)) * self.multiple


class Picture:
    """Decoded frame to RGB array of the wanted size, upright; converted once however often it is shown."""

    def __init__(self, video: Video, size: Size) -> None:
        self.rotation = video.rotation
        self.height, self.width = size.of(video)
        self.crop = size.short_side if size.fit == "crop" else None
        self.reformatter = VideoReformatter()
        self.frame: Any = None
        self.array = np.empty(0)

    def room(self, frames: int) -> np.ndarray:
        """An array for so many pictures; each is copied there while it is still in the processor's cache."""
        height, width = (self.crop, self.crop) if self.crop is not None else (self.height, self.width)
        return np.empty((frames, height, width, 3), np.uint8)

    def __call__(self, frame: Any) -> np.ndarray:
        if frame is not self.frame:
            self.frame, self.array = frame, self._convert(frame)
        return self.array

    def _convert(self, frame: Any) -> np.ndarray:
        width, height = (self.height, self.width) if self.rotation % 180 else (self.width, self.height)
        scaled = self.reformatter.reformat(frame, width=width, height=height, format="rgb24", threads=1)
        image = np.rot90(scaled.to_ndarray(), self.rotation // 90)
        if self.crop is not None:
            top, left = (self.height - self.crop) // 2, (self.width - self.crop) // 2
            image = image[top : top + self.crop, left : left + self.crop]
        return image

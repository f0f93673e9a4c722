"""Decode a segment into chunks of frames, sampled by presentation time. Knows nothing of what looks at the frames.

Sample k is the frame on screen at k / rate seconds after the first shown frame: the last one whose time is not later.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from math import floor, inf
from typing import Any, Literal

import numpy as np
from av.video.reformatter import VideoReformatter

from pipeline.records import DecodeReport, FrameChunk, Segment, Video
from stages.frames import Shown, reading


@dataclass(frozen=True, slots=True)
class Sampling:
    """Which instants are decoded, at which size, and how far beyond a segment's ends."""

    rate: Fraction  # samples a second
    halo_before: int  # samples
    halo_after: int
    chunk_frames: int
    short_side: int  # pixels
    fit: Literal["keep", "crop", "squash"]
    size_multiple: int  # sides are rounded to multiples of this


class Decode:
    """Turn a segment into FrameChunks, halo included, and a DecodeReport at the end."""

    def __init__(self, sampling: Sampling) -> None:
        self.sampling = sampling

    def setup(self) -> None:
        """Nothing heavy to prepare."""

    def __call__(self, segment: Segment) -> Iterator[FrameChunk | DecodeReport]:
        """Raises VideoError if the video cannot be opened any more."""
        rate, stopwatch = self.sampling.rate, _Stopwatch()
        next_sample = max(0, round(segment.start_s * rate) - self.sampling.halo_before)
        stop = None if segment.is_last else round(segment.stop_s * rate) + self.sampling.halo_after
        picture = _Picture(segment.video, self.sampling)
        chunk, filled = picture.room(self.sampling.chunk_frames), 0
        with reading(segment.video) as reader:
            shown = reader.frames_from(floor(next_sample / rate / reader.tick))
            for frame in _sampled(shown, reader.tick * rate, next_sample, stop):
                chunk[filled] = picture(frame)
                filled += 1
                if filled == len(chunk):
                    yield from stopwatch.pausing(_chunk(segment, chunk, next_sample, rate))
                    next_sample += filled
                    chunk, filled = picture.room(self.sampling.chunk_frames), 0
        if filled:
            yield from stopwatch.pausing(_chunk(segment, chunk[:filled], next_sample, rate))
        yield DecodeReport(
            end_s=reader.end_s,
            lost=reader.lost_within(segment.start_s, inf if segment.is_last else segment.stop_s),
            frames=reader.frames,
            busy_s=stopwatch.busy_s(),
            waiting_s=stopwatch.waiting_s,
        )


def _chunk(segment: Segment, frames: np.ndarray, first: int, rate: Fraction) -> FrameChunk:
    times_s = np.array([float(k / rate) for k in range(first, first + len(frames))])
    return FrameChunk(segment.video.key, frames, times_s)


def _sampled(shown: Iterator[Shown], step: Fraction, first: int, stop: int | None) -> Iterator[Any]:
    """The frame on screen at each sample from `first` up to `stop` (None: the end); a tick is `step` samples."""
    sample, current = first, None
    for following in shown:
        if current is not None:
            before = _first_sample(following.start, step)
            for _ in range(sample, before if stop is None else min(before, stop)):
                yield current.frame
                sample += 1
            if stop is not None and following.start * step >= stop:
                return
        current = following
    if current is not None:
        end = _first_sample(current.stop, step)
        for _ in range(sample, end if stop is None else min(end, stop)):
            yield current.frame


def _first_sample(ticks: int, step: Fraction) -> int:
    """At or after an instant."""
    return -(-ticks * step.numerator // step.denominator)


class _Picture:
    """Decoded frame to RGB array of the wanted size, upright; converted once however often it is shown."""

    def __init__(self, video: Video, sampling: Sampling) -> None:
        self.rotation = video.rotation
        self.height, self.width = _target_size(video, sampling)
        self.crop = sampling.short_side if sampling.fit == "crop" else None
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


def _target_size(video: Video, sampling: Sampling) -> tuple[int, int]:
    """Height and width, pixels."""

    def rounded(side: float) -> int:
        return max(1, round(side / sampling.size_multiple)) * sampling.size_multiple

    scale = sampling.short_side / min(video.width, video.height)
    if sampling.fit == "squash":
        return rounded(sampling.short_side), rounded(sampling.short_side)
    if sampling.fit == "crop":
        return max(sampling.short_side, round(video.height * scale)), max(
            sampling.short_side, round(video.width * scale)
        )
    return rounded(video.height * scale), rounded(video.width * scale)


@dataclass(slots=True)
class _Stopwatch:
    """Tells time at work from time held back by whoever takes the chunks."""

    started: float = field(default_factory=time.perf_counter)
    waiting_s: float = 0.0

    def pausing(self, chunk: FrameChunk) -> Iterator[FrameChunk]:
        before = time.perf_counter()
        yield chunk
        self.waiting_s += time.perf_counter() - before

    def busy_s(self) -> float:
        return time.perf_counter() - self.started - self.waiting_s

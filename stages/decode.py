"""Decode a segment into chunks of frames, sampled by presentation time. Knows nothing of what looks at the frames.

Sample k is the frame on screen at k / rate seconds after the first shown frame: the last one whose time is not later.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil
from typing import Any, Literal

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from pipeline.errors import VideoError
from pipeline.records import DecodeReport, Failure, FrameChunk, Segment, Video
from stages.probe import clock_time, frame_rate, opened

_FIRST_BACK_OFF_S = 2
_REORDERED_FRAMES = 16  # the most that H.264 and HEVC hold back
_MAX_READ_ERRORS = 100  # in a row, before the rest of a file is given up


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
        first = max(0, round(segment.start_s * rate) - self.sampling.halo_before)
        stop = None if segment.is_last else round(segment.stop_s * rate) + self.sampling.halo_after
        reader = _Reader(segment.video)
        picture = _Picture(segment.video, self.sampling)
        chunk: list[np.ndarray] = []
        next_sample = first
        for frame in _sampled(reader.frames_from(first / rate), rate, first, stop):
            chunk.append(picture(frame))
            if len(chunk) == self.sampling.chunk_frames:
                yield from stopwatch.pausing(_chunk(segment, chunk, next_sample, rate))
                next_sample += len(chunk)
                chunk = []
        if chunk:
            yield from stopwatch.pausing(_chunk(segment, chunk, next_sample, rate))
        yield reader.report(segment, stopwatch)


def _chunk(segment: Segment, frames: list[np.ndarray], first: int, rate: Fraction) -> FrameChunk:
    times_s = np.array([float(k / rate) for k in range(first, first + len(frames))])
    return FrameChunk(segment.video.key, np.stack(frames), times_s)


@dataclass(frozen=True, slots=True)
class _Shown:
    """A decoded frame and when it is on screen, seconds from the first shown frame."""

    start: Fraction
    stop: Fraction  # by its own account; the next frame may come earlier or later
    frame: Any


def _sampled(shown: Iterator[_Shown], rate: Fraction, first: int, stop: int | None) -> Iterator[Any]:
    """The frame on screen at each sample instant from `first` up to `stop` (None: up to the end of the video)."""
    sample, current = first, None
    for following in shown:
        if current is not None:
            before = ceil(following.start * rate)
            for _ in range(sample, before if stop is None else min(before, stop)):
                yield current.frame
                sample += 1
            if sample == stop:
                return
        current = following
    if current is not None:
        end = ceil(current.stop * rate)
        for _ in range(sample, end if stop is None else min(end, stop)):
            yield current.frame


class _Reader:
    """A video's frames in the order they are shown, and an account of those that could not be read."""

    def __init__(self, video: Video) -> None:
        self.video = video
        self.lost: list[_Lost] = []
        self.end: Fraction | None = None  # known once the last frame was read
        self.frames = 0

    def frames_from(self, start: Fraction) -> Iterator[_Shown]:
        """From the frame on screen at `start` on; earlier ones of the same group of pictures are decoded and dropped."""
        with opened(self.video.uri) as (container, stream):
            previous: _Shown | None = None
            for shown in self._run_up(container, stream, start):
                if shown.start > start and previous is not None and previous.start <= start:
                    yield previous
                if shown.start > start:
                    yield shown
                previous = shown
            if previous is not None and previous.start <= start:
                yield previous
            self.end = previous.stop if previous is not None else None

    def _run_up(self, container: Any, stream: Any, start: Fraction) -> Iterator[_Shown]:
        """Frames from a key frame at or before `start`; goes farther back where the first landing was too late."""
        back_off = Fraction(0)
        while True:
            target = start - back_off
            if target > 0:
                _seek(container, stream, self.video.origin + target)
            elif back_off:
                container.seek(0)
            frames = self._decoded(container, stream)
            first = next(frames, None)
            if target <= 0 or (first is not None and first.start <= start):
                break
            frames.close()
            self.lost.clear()
            back_off = max(2 * back_off, Fraction(_FIRST_BACK_OFF_S))
        if first is not None:
            yield first
            yield from frames

    def _decoded(self, container: Any, stream: Any) -> Iterator[_Shown]:
        """Every frame that can be decoded from here on, in order; gaps that errors left go to `lost`."""
        usual = 1 / frame_rate(stream)
        trouble: VideoError | None = None
        last: _Shown | None = None
        since = 0  # frames since the trouble began: its gap shows only after the decoder's reordering
        for result in _frames_and_errors(container, stream):
            if isinstance(result, VideoError):
                trouble, since = trouble or result, 0
                continue
            self.frames += 1
            start = self._time_of(result, last, usual)
            if last is not None and start <= last.start:
                trouble, since = trouble or VideoError("BadTimestamps", "timestamps run backwards"), 0
                continue
            if trouble is not None and last is not None and start > last.stop + usual / 2:
                self.lost.append(_Lost(last.stop, start, trouble))
                since = _REORDERED_FRAMES
            since += 1
            if since > _REORDERED_FRAMES:
                trouble = None
            length = result.duration * result.time_base if result.duration else usual
            last = _Shown(start, start + length, result)
            yield last
        if last is not None:
            self._account_for_end(last.stop, trouble)

    def _time_of(self, frame: Any, last: _Shown | None, usual: Fraction) -> Fraction:
        clock = clock_time(frame)
        if clock is None:
            return Fraction(0) if last is None else last.start + usual
        return clock - self.video.origin

    def _account_for_end(self, end: Fraction, trouble: VideoError | None) -> None:
        announced = Fraction(self.video.announced_s or 0)
        slack = Fraction(1, 2) if trouble is None else 2 / self.video.fps
        if announced > end + slack:
            too_short = VideoError("Truncated", "the file ends before the length that its header announces")
            self.lost.append(_Lost(end, announced, trouble or too_short))

    def report(self, segment: Segment, stopwatch: "_Stopwatch") -> DecodeReport:
        start_s, stop_s = segment.start_s, float("inf") if segment.is_last else segment.stop_s
        lost = (one.within(segment.video.key, start_s, stop_s) for one in self.lost)
        return DecodeReport(
            end_s=None if self.end is None else float(self.end),
            lost=tuple(failure for failure in lost if failure is not None),
            frames=self.frames,
            busy_s=stopwatch.busy_s(),
            waiting_s=stopwatch.waiting_s,
        )


@dataclass(frozen=True, slots=True)
class _Lost:
    """A span without a readable picture."""

    start: Fraction
    stop: Fraction
    trouble: VideoError

    def within(self, video: str, start_s: float, stop_s: float) -> Failure | None:
        span_s = max(start_s, float(self.start)), min(stop_s, float(self.stop))
        if span_s[0] >= span_s[1]:
            return None
        return Failure(video, "decode", self.trouble.error_class, str(self.trouble), span_s)


def _seek(container: Any, stream: Any, clock: Fraction) -> None:
    try:
        container.seek(int(clock / stream.time_base), stream=stream, backward=True)
    except av.error.FFmpegError:
        container.seek(0)  # streams without an index are read from the start


def _frames_and_errors(container: Any, stream: Any) -> Iterator[Any]:
    """Decoded frames, and a VideoError wherever a packet could not be read or decoded."""
    errors = 0
    while errors < _MAX_READ_ERRORS:
        try:
            for packet in container.demux(stream):
                errors = 0
                try:
                    yield from packet.decode()
                except av.error.FFmpegError as error:
                    yield VideoError("Damaged", f"frames cannot be decoded ({error.strerror})")
            return
        except av.error.EOFError:
            return
        except (av.error.FFmpegError, OSError) as error:
            errors += 1
            yield VideoError("Damaged", f"the file cannot be read here ({error.strerror})")


class _Picture:
    """Decoded frame to RGB array of the wanted size, upright; each frame is converted once however often it is shown."""

    def __init__(self, video: Video, sampling: Sampling) -> None:
        self.rotation = video.rotation
        self.height, self.width = _target_size(video, sampling)
        self.crop = sampling.short_side if sampling.fit == "crop" else None
        self.reformatter = VideoReformatter()
        self.frame: Any = None
        self.array = np.empty(0)

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

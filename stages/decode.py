"""Decode a segment into chunks of frames, sampled by presentation time. Knows nothing of what looks at the frames.

Sample k is the frame on screen at k / rate seconds after the first shown frame: the last one whose time is not later.
Key frames are a second, coarser sampling of the same frames, at a size of their own. Sound lies beside the samples.
"""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil, floor, inf
from typing import Any

import numpy as np

from pipeline.records import DecodeReport, FrameChunk, KeyFrames, Segment
from stages.frames import FrameReader, Shown, reading
from stages.hearing import Hearing, hearing
from stages.picture import Picture, Size


@dataclass(frozen=True, slots=True)
class KeySampling:
    """Which instants are key frames, and their size."""

    rate: Fraction  # key frames a second
    size: Size


@dataclass(frozen=True, slots=True)
class Sampling:
    """Which instants are decoded, at which size, and how far beyond a segment's ends."""

    rate: Fraction  # samples a second
    halo_before: int  # samples
    halo_after: int
    chunk_frames: int
    size: Size
    key_frames: KeySampling | None = None
    sound_per_frame: int = 0  # samples of sound beside each sample; 0: none is decoded


class Decode:
    """Turn a segment into FrameChunks, halo included, and a DecodeReport at the end."""

    def __init__(self, sampling: Sampling) -> None:
        self.sampling = sampling

    def setup(self) -> None:
        """Nothing heavy to prepare."""

    def __call__(self, segment: Segment) -> Iterator[FrameChunk | DecodeReport]:
        """Raises VideoError if the video cannot be opened any more."""
        stopwatch = _Stopwatch()
        first = max(0, round(segment.start_s * self.sampling.rate) - self.sampling.halo_before)
        with ExitStack() as stack:
            reader = stack.enter_context(reading(segment.video))
            sound = self._sound(segment, reader, stack)
            samples, keys = self._samples(segment, first, reader.tick), self._key_frames(segment, reader.tick)
            shown = reader.frames_from(floor(first / self.sampling.rate / reader.tick))
            for frame, until in _on_screen(shown):
                while samples.take(frame, until):
                    keys.take(frame, min(until, samples.next_tick))  # no more: one picture may stay for hours
                    yield from stopwatch.pausing(_chunk(segment, samples, keys, sound))
                keys.take(frame, until)
                if samples.is_over(until):
                    break
            if samples.filled or keys.filled:
                yield from stopwatch.pausing(_chunk(segment, samples, keys, sound))
        yield DecodeReport(
            end_s=reader.end_s,
            lost=reader.lost_within(segment.start_s, inf if segment.is_last else segment.stop_s),
            frames=reader.frames,
            busy_s=stopwatch.busy_s(),
            waiting_s=stopwatch.waiting_s,
        )

    def _sound(self, segment: Segment, reader: FrameReader, stack: ExitStack) -> Hearing | None:
        rate, per_frame = self.sampling.rate, self.sampling.sound_per_frame
        if not per_frame:
            return None
        seekable = reader.packets.seekable
        return stack.enter_context(hearing(segment.video, rate=rate, per_frame=per_frame, seekable=seekable))

    def _samples(self, segment: Segment, first: int, tick: Fraction) -> "_Pictures":
        sampling = self.sampling
        stop = None if segment.is_last else round(segment.stop_s * sampling.rate) + sampling.halo_after
        picture = Picture(segment.video, sampling.size)
        return _Pictures(picture, sampling.rate, tick, first=first, stop=stop, room=sampling.chunk_frames)

    def _key_frames(self, segment: Segment, tick: Fraction) -> "_Pictures | _NoPictures":
        sampling = self.sampling.key_frames
        if sampling is None:
            return _NoPictures()
        first, stop = (_first_key(time_s, sampling.rate) for time_s in (segment.start_s, segment.stop_s))
        picture = Picture(segment.video, sampling.size)
        return _Pictures(picture, sampling.rate, tick, first=first, stop=None if segment.is_last else stop)


def _first_key(time_s: float, rate: Fraction) -> int:
    """The first at or after an instant."""
    return ceil(time_s * float(rate) - 1e-6)


def _chunk(
    segment: Segment, samples: "_Pictures", keys: "_Pictures | _NoPictures", sound: Hearing | None
) -> FrameChunk:
    key_frames = KeyFrames(*keys.give()) if isinstance(keys, _Pictures) and keys.filled else None
    sound_TA = None if sound is None else sound.beside(samples.next - samples.filled, samples.filled)
    return FrameChunk(segment.video.key, *samples.give(), key_frames, sound_TA)


def _on_screen(shown: Iterator[Shown]) -> Iterator[tuple[Any, int]]:
    """Each frame and the tick up to which it is on screen; the first one is so from before it is due."""
    current = None
    for following in shown:
        if current is not None:
            yield current.frame, following.start
        current = following
    if current is not None:
        yield current.frame, current.stop


class _Pictures:
    """The pictures at consecutive samples, gathered until they are given."""

    def __init__(
        self, picture: Picture, rate: Fraction, tick: Fraction, *, first: int, stop: int | None, room: int | None = None
    ) -> None:
        """`room`: so many are given at once; None: however many there are."""
        self.picture, self.rate, self.next, self.stop, self.room = picture, rate, first, stop, room
        self._step = tick * rate  # samples a tick
        self._begin()

    def _begin(self) -> None:
        self._pictures, self.filled = self.picture.room(self.room or 1), 0

    @property
    def next_tick(self) -> int:
        """The last tick up to when the next sample is due."""
        return self.next * self._step.denominator // self._step.numerator

    def take(self, frame: Any, until: int) -> bool:
        """Add the frame for every sample before a tick; true once all room is taken: give, then take it again."""
        end = -(-until * self._step.numerator // self._step.denominator)
        for _ in range(self.next, end if self.stop is None else min(end, self.stop)):
            if self.filled == len(self._pictures):
                if self.room is not None:
                    break
                self._pictures = np.concatenate([self._pictures, self.picture.room(self.filled)])
            self._pictures[self.filled] = self.picture(frame)
            self.filled, self.next = self.filled + 1, self.next + 1
        return self.filled == self.room

    def is_over(self, until: int) -> bool:
        return self.stop is not None and until * self._step >= self.stop

    def give(self) -> tuple[np.ndarray, np.ndarray]:
        """What was gathered, and the instants."""
        given = self._pictures[: self.filled]
        times_s = np.array([float(k / self.rate) for k in range(self.next - self.filled, self.next)])
        self._begin()
        return given, times_s


class _NoPictures:
    """Where none are wanted."""

    filled = 0

    def take(self, frame: Any, until: int) -> None:
        """Drops it."""


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

"""A video's sound beside its frames: mono, sample n at n / rate seconds after the first shown frame.

It is made in blocks, each from the packets about it and by a decoder that begins anew: decoders fill in noise of their
own making, and some containers round times, so that else it would show where reading began.
Shape letters: T frames, A samples beside a frame, M samples of a run.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from math import ceil
from typing import Any

import av
import numpy as np
from av.codec.context import Flags2
from av.stream import Discard

from pipeline.records import Video
from stages.probe import UNREADABLE, opened
from stages.resampling import resampled
from stages.sound_packets import SoundPackets, Timed
from stages.sound_runs import Run, runs_of

_BLOCK_S = 5
_RUN_UP_S = Fraction(1, 2)  # decoded before a block, until a decoder has forgotten that it began
_REACH_S = Fraction(1, 10)  # and behind it: what a decoder holds back, and half a filter of the resampling
_NOISY = {"aac", "aac_latm", "ac3", "eac3"}  # decoders whose generator of noise no flushing resets


@contextmanager
def hearing(video: Video, *, rate: Fraction, per_frame: int, seekable: bool) -> Iterator["Hearing"]:
    """`rate`: frames a second; `seekable`: as its PacketReader found. Raises VideoError if it cannot be opened."""
    with opened(video.uri) as pictures:
        stream = next((one for one in pictures.container.streams.audio if one.codec_context is not None), None)
        if stream is None:
            yield Hearing(None, None, rate=rate, per_frame=per_frame)
            return
        packets = SoundPackets(pictures, stream, origin=video.origin, seekable=seekable)
        stream.discard = Discard.default
        if not packets.needs_pictures:
            pictures.stream.discard = Discard.all
        yield Hearing(packets, stream.codec_context, rate=rate, per_frame=per_frame)


class Hearing:
    """Reads the sound of an open video in order; where there is none there is silence, beyond its ends too."""

    def __init__(self, packets: SoundPackets | None, codec: Any, *, rate: Fraction, per_frame: int) -> None:
        self.packets, self.per_frame, self.rate = packets, per_frame, rate * per_frame
        self.block = ceil(_BLOCK_S * self.rate)  # samples
        self._decoder = None if codec is None else _Decoder(codec)
        self._unread: Iterator[Timed] | None = None
        self._waiting: list[Timed] = []  # packets read, that the next block may want
        self._number, self._samples = -1, np.zeros(0, np.float32)  # the block read last

    def beside(self, first: int, count: int) -> np.ndarray:
        """Sound (count, A), -1..1, from frame `first` on: row i from its instant to that of the next one."""
        start, stop = first * self.per_frame, (first + count) * self.per_frame
        pieces = [np.zeros(0, np.float32)]
        while start < stop:
            number, within = divmod(start, self.block)
            pieces.append(self._read(number)[within : within + stop - start])
            start += len(pieces[-1])
        return np.concatenate(pieces).reshape(count, self.per_frame)

    def _read(self, number: int) -> np.ndarray:
        if number != self._number:
            self._number, self._samples = number, np.zeros(self.block, np.float32)
            for run in self._runs(Fraction(number * self.block) / self.rate):
                self._add(run, number * self.block)
        return self._samples

    def _runs(self, start: Fraction) -> list[Run]:
        """What sounds about a block that begins at an instant, seconds."""
        if self.packets is None or self._decoder is None:
            return []
        stop = start + Fraction(self.block) / self.rate + _REACH_S
        packets = self._packets(self.packets, float(start - _RUN_UP_S), float(stop))
        return runs_of(self._decoder.frames(packets), self.packets.tick)

    def _packets(self, packets: SoundPackets, start: float, stop: float) -> list[Any]:
        """All that are heard within a span, and one before that may be; which, depends on nothing else."""
        if self._unread is None:
            self._unread = packets.from_instant(max(0.0, start))
        self._waiting = [one for one in self._waiting if one.stop > start]
        while not self._waiting or self._waiting[-1].start < stop:
            following = next(self._unread, None)
            if following is None:
                break
            if following.stop > start:
                self._waiting.append(following)
        return [one.packet for one in self._waiting if one.start < stop]

    def _add(self, run: Run, first: int) -> None:
        """Lay it over what there is of the block whose first sample is number `first`."""
        begin, samples_M = resampled(run.mono(), start=run.start * self.rate, ratio=self.rate / run.rate)
        room = self._samples[max(0, begin - first) : max(0, begin - first + len(samples_M))]
        room[:] = np.clip(samples_M[max(0, first - begin) :][: len(room)], -1, 1)


class _Decoder:
    """Decodes stretches of packets, each as if there had been nothing before."""

    def __init__(self, codec: Any) -> None:
        self.codec = codec
        self.is_noisy = codec.codec.canonical_name in _NOISY
        self._prepare(codec)

    def frames(self, packets: list[Any]) -> Iterator[Any]:
        """What is damaged is left out."""
        if not packets:
            return
        codec = self._anew() if self.is_noisy else self.codec
        for packet in [*packets, None]:
            try:
                yield from codec.decode(packet)
            except UNREADABLE:
                continue
        if not self.is_noisy:
            codec.flush_buffers()

    def _anew(self) -> Any:
        codec = av.CodecContext.create(self.codec.codec, "r")
        codec.extradata = self.codec.extradata
        self._prepare(codec)
        return codec

    def _prepare(self, codec: Any) -> None:
        """Samples marked as none of the sound are kept at their times: the marks depend on where reading began."""
        codec.thread_count = 1
        codec.flags2 |= Flags2.skip_manual

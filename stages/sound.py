"""A video's sound beside its new pictures: packets as they are where the new container holds them, else as AAC."""

from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import chain
from typing import Any

KEPT_IN_MP4 = {"aac", "ac3", "alac", "eac3", "mp3", "opus"}  # what players find there; Matroska holds nearly all

_AAC_RATES = {8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000}
_USUAL_RATE = 48_000
_JUMP_S = 1  # by which a clock runs back when recordings were joined; less is disorder
_RUN_UP_S = 1  # read before the wanted span


class Sound:
    """An audio stream on its way into another container, from `zero` up to `stop`: seconds on its container's clock."""

    def __init__(
        self,
        source: Any,
        target: Any,
        *,
        zero: Fraction,
        stop: Fraction | None,
        seekable: bool,
        unreadable: tuple[Any, ...],
        resampler: Callable[..., Any],
    ) -> None:
        self.source, self.target = source, target
        self.zero, self.stop, self.seekable = zero, stop, seekable
        self.unreadable, self.resampler = unreadable, resampler
        self.tick = Fraction(source.time_base)
        is_kept = _is_kept(source, target)
        self.how = "copied" if is_kept else "encoded"
        self.stream = target.add_stream_from_template(source) if is_kept else self._encoder()
        self._packets = self._copied() if is_kept else self._encoded()
        self._next: Any = None

    def write_until(self, time_s: Fraction | None) -> None:
        """What is heard before an instant, None: all there is; so that it lies beside the pictures of its time."""
        while (packet := self._next or next(self._packets, None)) is not None:
            if time_s is not None and packet.dts * packet.time_base >= time_s:
                self._next = packet
                return
            self._next = None
            packet.stream = self.stream
            try:
                self.target.mux(packet)
            except ValueError:  # damaged sound that the container refuses is left out
                continue

    def _encoder(self) -> Any:
        context = self.source.codec_context
        rate = context.sample_rate if context.sample_rate in _AAC_RATES else _USUAL_RATE
        return self.target.add_stream("aac", rate=rate, layout="mono" if context.channels == 1 else "stereo")

    def _copied(self) -> Iterator[Any]:
        zero, last = round(self.zero / self.tick), -1
        for packet in self._demuxed():
            if self._is_over(packet.pts):
                return
            packet.pts -= zero
            if packet.pts > last:
                last = packet.dts = packet.pts
                yield packet

    def _encoded(self) -> Iterator[Any]:
        resampler = self._resampler()
        for frame in chain(self._decoded(), [None]):
            try:
                pieces = resampler.resample(frame)
            except ValueError:  # it goes on with another rate or other channels
                resampler = self._resampler()
                pieces = resampler.resample(frame)
            for piece in pieces:
                yield from self.stream.encode(piece)
        yield from self.stream.encode(None)

    def _resampler(self) -> Any:
        """Fills what is missing with silence."""
        context = self.stream.codec_context
        return self.resampler(context.format, context.layout, context.sample_rate, options={"async": "1"})

    def _decoded(self) -> Iterator[Any]:
        """Frames of the wanted span, their times counted from its start."""
        zero = round(self.zero / self.tick)
        for packet in self._demuxed():
            try:
                frames = self.source.codec_context.decode(packet)
            except self.unreadable:
                continue
            for frame in frames:
                if frame.pts is None or frame.pts < zero:
                    continue
                if self._is_over(frame.pts):
                    return
                frame.pts -= zero
                yield frame

    def _is_over(self, ticks: int) -> bool:
        return self.stop is not None and ticks * self.tick >= self.stop

    def _demuxed(self) -> Iterator[Any]:
        """Packets with times that do not jump back, from some instant before the wanted span on."""
        if self.seekable:
            self._seek(self.zero - _RUN_UP_S)
        shift, end = 0, None
        for packet in self._read():
            ticks = packet.pts if packet.pts is not None else packet.dts
            if ticks is None or not packet.size:
                continue
            if end is not None and ticks + shift < end - _JUMP_S / self.tick:
                shift = end - ticks
            packet.pts = packet.dts = ticks + shift
            end = packet.pts + (packet.duration or 0)
            yield packet

    def _seek(self, clock_s: Fraction) -> None:
        try:
            self.source.container.seek(round(clock_s / self.tick), stream=self.source, backward=True)
        except self.unreadable:
            self.source.container.seek(0)

    def _read(self) -> Iterator[Any]:
        """Up to the end, or to where the file cannot be read."""
        try:
            yield from self.source.container.demux(self.source)
        except self.unreadable:
            return


def _is_kept(source: Any, target: Any) -> bool:
    codec = source.codec_context.codec.canonical_name
    return codec in (KEPT_IN_MP4 if "mp4" in target.format.name else target.supported_codecs)

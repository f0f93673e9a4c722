"""A video's sound packets in order, from any instant on, on the clock of its pictures.

Times are seconds on the video's own timeline, whose zero is the first shown frame; sound may begin before.
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Iterator
from fractions import Fraction
from typing import Any, NamedTuple

from stages.packets import PacketReader

_MAX_READ_ERRORS = 100  # in a row, before the rest of a file is given up
_FIRST_BACK_OFF_S = 1  # sound lies about as far from the pictures of its time
_BESIDE_S = 5  # sound lies no farther than this behind the pictures it is stored with
_MAX_EARLY = 1000  # packets of the next recording that came before its first picture
_CHUNK_HEADER_BYTES = 8  # of an AVI
_JUMP_S = 1  # by which a clock runs back when recordings were joined; less is disorder


class Timed(NamedTuple):
    """A packet and when it is heard, seconds."""

    start: float
    stop: float
    packet: Any  # its own times are those of the video's timeline too, in ticks of its stream


class SoundPackets:
    """Reads the sound of an open container, whose pictures `pictures` would read."""

    def __init__(self, pictures: PacketReader, stream: Any, *, origin: Fraction, seekable: bool) -> None:
        self.pictures, self.stream, self.seekable = pictures, stream, seekable
        self.tick = Fraction(stream.time_base)
        self.origin = round(origin / self.tick)  # ticks
        self._at_start = True
        form = pictures.container.format.name
        self._ticks = _AviIndex(stream).ticks if form == "avi" else _ticks
        self.needs_pictures = form == "mpegts" and not seekable  # for recordings may have been joined
        # Matroska keeps an index of pictures alone.
        self._guide = pictures.stream if form.startswith("matroska") else stream

    def from_instant(self, start: float) -> Iterator[Timed]:
        """From a packet on that begins no later, where there is one."""
        back_off = _FIRST_BACK_OFF_S
        while self.seekable and start > back_off:
            packets = self._timed(start - back_off)
            first = next(packets, None)
            if first is not None and first.start <= start:
                yield first
                yield from packets
                return
            back_off *= 8
        yield from self._timed(None)

    def _timed(self, instant: float | None) -> Iterator[Timed]:
        if not self._seek(instant):
            return
        tick_s = float(self.tick)
        for packet, ticks in self._joined() if self.needs_pictures else self._plain():
            ticks -= self.origin
            packet.pts = packet.dts = ticks
            yield Timed(ticks * tick_s, (ticks + (packet.duration or 0)) * tick_s, packet)

    def _seek(self, instant: float | None) -> bool:
        """To an instant, or to the start; whether that was possible."""
        if self._at_start and instant is None:
            self._at_start = False
            return True
        guide = self._guide
        clock_s = 0.0 if instant is None else instant + float(self.origin * self.tick)
        self._at_start = False
        try:
            self.pictures.container.seek(round(clock_s / float(guide.time_base)), stream=guide, backward=True)
        except self.pictures.unreadable:
            return False
        return True

    def _plain(self) -> Iterator[tuple[Any, int]]:
        for packet in self._read(self.stream):
            ticks = self._ticks(packet)
            if ticks is not None:
                yield packet, ticks

    def _joined(self) -> Iterator[tuple[Any, int]]:
        """Of recordings joined to one: each packet as the pictures are timed that it lies beside."""
        clock, early = _PicturesClock(self.pictures), deque[Any](maxlen=_MAX_EARLY)
        for packet in self._read(self.pictures.stream, self.stream):
            waiting = deque([packet])
            if packet.stream.index != self.stream.index:
                if not clock.sees_joint(packet):
                    continue
                waiting, early = early, deque(maxlen=_MAX_EARLY)
            for one in waiting:
                ticks = _ticks(one)
                placed = None if ticks is None else clock.place(ticks)
                if placed is not None:
                    yield one, placed
                elif ticks is not None:
                    early.append(one)

    def _read(self, *streams: Any) -> Iterator[Any]:
        """Up to the end, or to where the file cannot be read; of the sound only what is whole."""
        errors = 0
        while errors < _MAX_READ_ERRORS:
            try:
                for packet in self.pictures.container.demux(*streams):
                    errors = 0
                    if packet.size and not (packet.is_corrupt and packet.stream.index == self.stream.index):
                        yield packet
                return
            except self.pictures.unreadable:
                errors += 1


class _AviIndex:
    """Times by the index of an AVI; FFmpeg counts what it comes upon, and damage hides some."""

    def __init__(self, stream: Any) -> None:
        self.entries, self.units_a_tick = stream.index_entries, 0  # of the index; 0: it is of no use
        self.counts_bytes = False
        if len(self.entries) > 1:
            first, second = self.entries[0], self.entries[1]
            self.counts_bytes = second.timestamp - first.timestamp == first.size > 1
            if self.counts_bytes:
                self.units_a_tick = round((stream.codec_context.bit_rate or 0) * stream.time_base / 8)
            elif second.timestamp - first.timestamp == 1:
                self.units_a_tick = 1

    def ticks(self, packet: Any) -> int | None:
        chunk = (packet.pos or 0) - _CHUNK_HEADER_BYTES
        row = bisect_right(self.entries, chunk, key=lambda entry: entry.pos) - 1
        if row < 0 or not self.units_a_tick:
            return _ticks(packet)
        entry = self.entries[row]
        within = chunk - entry.pos  # of long chunks FFmpeg makes several packets
        if within >= (entry.size if self.counts_bytes else 1):
            return _ticks(packet)
        return int((entry.timestamp + within) // self.units_a_tick)


class _PicturesClock:
    """Where recordings were joined, as PacketReader finds it: pictures go on one after the other."""

    def __init__(self, pictures: PacketReader) -> None:
        self.usual, self.jump = pictures.usual, round(_JUMP_S / pictures.tick)
        self.reach = round(_BESIDE_S / pictures.tick)
        self._shifts = 0, 0  # of the recording before, and of this one
        self._last: int | None = None  # decoding time of the picture before, as the file has it

    def sees_joint(self, packet: Any) -> bool:
        ticks, last = packet.dts if packet.dts is not None else packet.pts, self._last
        if ticks is None:
            ticks = 0 if last is None else last + self.usual
        self._last = ticks
        if last is None or ticks >= last - self.jump:
            return False
        self._shifts = self._shifts[1], self._shifts[1] + last + self.usual - ticks
        return True

    def place(self, ticks: int) -> int | None:
        """Sound of that time; None: it belongs to pictures still to come."""
        if self._last is None:
            return ticks
        now = self._last + self._shifts[1]
        nearest = min((ticks + shift for shift in self._shifts), key=lambda one: abs(one - now))
        return None if nearest < now - self.reach else nearest


def _ticks(packet: Any) -> int | None:
    ticks: int | None = packet.pts if packet.pts is not None else packet.dts
    return ticks

"""A video stream's packets in decoding order, from any instant on, on a clock that never runs back.

Times are whole ticks of the stream's time base, on the container's clock.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import cached_property
from itertools import dropwhile
from typing import Any

from pipeline.errors import VideoError
from stages.header import frame_rate

_MAX_READ_ERRORS = 100  # in a row, before the rest of a file is given up
_CLOCK_SAMPLES = 32  # places at which a transport stream's clock is read
_JUMP_S = 1  # by which a clock runs back when recordings were joined; less is disorder

_CHUNK_HEADER_BYTES = 8
DAMAGED = VideoError("Damaged", "bytes are damaged or missing, so that frames cannot be decoded")

Item = Any  # a packet, None where the decoder is to be emptied, or a VideoError where the file is damaged


class PacketReader:
    """Reads one stream of an open container. `num_errors` counts what FFmpeg only logs and then passes over."""

    def __init__(
        self, container: Any, stream: Any, *, unreadable: tuple[Any, ...], num_errors: Callable[[], int]
    ) -> None:
        self.container = container
        self.stream = stream
        self.unreadable = unreadable
        self.num_errors = num_errors
        self.tick = Fraction(stream.time_base)  # seconds
        self.usual = max(1, round(1 / frame_rate(stream) / self.tick))  # length of a frame, ticks
        self._format = container.format.name
        self._at_start = True
        self._errors = 0
        self._last: int | None = None  # decoding time of the packet before, as the file has it
        self._shift = 0
        self._row: int | None = None  # of the index of an AVI, where the next packet should be
        self._skipped = False  # whether packets that the index knows were not found

    def ticks_of(self, frame: Any) -> int | None:
        """When a frame is shown; by decoding time, which FFmpeg counts on per frame shown, where there is no other."""
        ticks: int | None = frame.pts if frame.pts is not None else frame.dts
        return ticks

    @cached_property
    def seekable(self) -> bool:
        """Whether a seek finds an instant.

        Not without a clock, in a program stream (FFmpeg guesses times behind a seek), or where the clock runs back.
        """
        if self.stream.start_time is None or self._format == "mpeg":
            return False
        return self._format != "mpegts" or self._clock_rises()

    def packets_from(self, clock: int | None) -> Iterator[Item]:
        """From a key packet at or before `clock`, as far as the container can tell; None: from the start."""
        if clock is None:
            self._rewind()
            return self._read()
        if self.seekable and self._seek(clock):
            return dropwhile(_is_no_key, self._read())
        self._rewind()
        return self._from_last_key(clock)

    def _seek(self, clock: int) -> bool:
        self._at_start = False
        try:
            self.container.seek(clock, stream=self.stream, backward=True)
        except self.unreadable:
            return False
        return True

    def _rewind(self) -> None:
        if self._at_start:
            return
        try:
            self.container.seek(0, unsupported_byte_offset=not self.seekable)
        except self.unreadable:
            self.container.seek(0, unsupported_byte_offset=True)

    def _from_last_key(self, clock: int) -> Iterator[Item]:
        """Reads from where it is, but begins with the last key packet that is not after `clock`."""
        group: list[Item] = []
        items = self._read()
        for item in items:
            if item is not None and not isinstance(item, VideoError):
                if item.dts > clock:
                    group.append(item)
                    break
                if item.is_keyframe:
                    group = []
            group.append(item)
        yield from group
        yield from items

    def _read(self) -> Iterator[Item]:
        self._at_start = False
        self._errors, self._last, self._shift, self._row, self._skipped = 0, None, 0, None, False
        while self._errors < _MAX_READ_ERRORS:
            try:
                yield from self._until_error()
                break
            except self.unreadable as error:
                self._errors += 1
                invalid = isinstance(error, ValueError)  # as FFmpeg calls what makes no sense to it
                reason = error.strerror or error
                yield DAMAGED if invalid else VideoError("Damaged", f"the file cannot be read here ({reason})")
        yield None

    def _until_error(self) -> Iterator[Item]:
        """Holds one packet back: where a container has to search for the next, the end of this one is damaged too."""
        held, logged = None, self.num_errors()
        for packet in self.container.demux(self.stream):
            damaged = self.num_errors() != logged
            shift = self._shift
            timed = self._timed(packet) if packet.size else None  # an empty one would end the decoding
            if held is not None and not (damaged and self._format.startswith("matroska")):
                yield held
            if self._shift != shift:  # recordings were joined here: a new size would drop what the decoder still holds
                yield None
            held = timed
            if damaged or self._skipped:
                yield DAMAGED
            self._errors = 0
            logged = self.num_errors()
        if held is not None:
            yield held

    def _timed(self, packet: Any) -> Any:
        """The packet with the times that hold: AVI has only numbers of frames, and joined streams begin anew."""
        if self._format == "avi":
            packet.pts, packet.dts = None, self._numbered(packet)
        if packet.dts is None:
            packet.dts = packet.pts if packet.pts is not None else self._next()
        if self._format == "mpegts" and self._last is not None and packet.dts < self._last - _JUMP_S / self.tick:
            self._shift += self._next() - packet.dts
        self._last = packet.dts
        if self._shift:
            packet.dts += self._shift
            packet.pts = None if packet.pts is None else packet.pts + self._shift
        return packet

    def _numbered(self, packet: Any) -> int | None:
        """By the index; FFmpeg counts the chunks it comes upon, so that its times slip behind damage."""
        entries, chunk = self.stream.index_entries, (packet.pos or 0) - _CHUNK_HEADER_BYTES
        row, self._skipped = self._row, False
        if row is None or row >= len(entries) or entries[row].pos != chunk:
            row = bisect_left(entries, chunk, key=lambda entry: entry.pos)
        if row >= len(entries) or entries[row].pos != chunk:
            return None if packet.dts is None else int(packet.dts)
        if self._row is not None:
            self._skipped = any(entries[missed].size for missed in range(self._row, row))
        self._row = row + 1
        return int(entries[row].timestamp)

    def _next(self) -> int:
        return 0 if self._last is None else self._last + self.usual

    def _clock_rises(self) -> bool:
        """At places spread over the file; where it does not, a seek, which halves intervals, goes astray."""
        self._at_start = False
        last = None
        for place in range(_CLOCK_SAMPLES):
            self.container.seek(self.container.size * place // _CLOCK_SAMPLES, unsupported_byte_offset=True)
            ticks = self._next_time()
            if ticks is not None and last is not None and ticks < last - _JUMP_S / self.tick:
                return False
            last = last if ticks is None else ticks
        return True

    def _next_time(self) -> int | None:
        times = (item.dts for item in self._read() if item is not None and not isinstance(item, VideoError))
        return next(times, None)


def _is_no_key(item: Item) -> bool:
    return isinstance(item, VideoError) or (item is not None and not item.is_keyframe)

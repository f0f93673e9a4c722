"""A video's frames in the order they are shown, and an account of the spans that could not be read.

Times are whole ticks of the stream's clock; zero is the first shown frame. What counts as lost:
- a frame that the decoder refuses, or gives back flagged as patched up where data was missing;
- a hole in time beside which the container or its packets were damaged; without damage it is a pause, its frame stays.
A transport stream numbers its packets by 4 bits: one hole in 16 leaves no trace there and passes for a pause.
Frames that refer to a lost one are used, smeared as players show them: the next key frame may be minutes away.
FFmpeg's err_detect stays at its default: stricter settings refuse what it can patch, and what follows is smeared more.
"""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from pipeline.errors import VideoError
from pipeline.records import Failure, Video
from stages.packets import DAMAGED, PacketReader
from stages.probe import opened

_FIRST_BACK_OFF_S = 2
_REORDERED_FRAMES = 16  # the most that H.264 and HEVC hold back
_SLACK_S = Fraction(1, 2)  # by which a header may promise too much


@dataclass(frozen=True, slots=True)
class Shown:
    """A decoded frame and when it is on screen, ticks."""

    start: int
    stop: int  # by its own account; the next frame may come earlier or later
    frame: Any


@contextmanager
def reading(video: Video) -> Iterator["FrameReader"]:
    """Raises VideoError if the video cannot be opened any more."""
    with opened(video.uri) as packets:
        yield FrameReader(video, packets)


class FrameReader:
    """Reads an open video from any instant on."""

    def __init__(self, video: Video, packets: PacketReader) -> None:
        self.video = video
        self.packets = packets
        self.tick = packets.tick
        self.origin = round(video.origin / self.tick)
        self.lost: list[_Lost] = []
        self.end: int | None = None  # known once the last frame was read
        self.last_packet = 0  # time of the last one there is
        self.frames = 0  # decoded

    @property
    def end_s(self) -> float | None:
        """Where the video ends, if it was read that far."""
        return None if self.end is None else float(self.end * self.tick)

    def lost_within(self, start_s: float, stop_s: float) -> tuple[Failure, ...]:
        """What could not be read, as far as it was come upon, cut to a span."""
        failures = []
        for one in self.lost:
            span_s = max(start_s, float(one.start * self.tick)), min(stop_s, float(one.stop * self.tick))
            if span_s[0] < span_s[1]:
                failures.append(Failure(self.video.key, "decode", one.error.error_class, str(one.error), span_s))
        return tuple(failures)

    def frames_from(self, start: int) -> Iterator[Shown]:
        """From the frame on screen at `start` on; earlier ones that it refers to are decoded and dropped."""
        before: Shown | None = None
        for shown in self._run_up(start):
            if shown.start <= start:
                before = shown
                continue
            if before is not None:
                yield before
                before = None
            yield shown
        if before is not None:
            yield before

    def _run_up(self, start: int) -> Iterator[Shown]:
        """From a sound key frame at or before `start`; goes farther back where a landing was too late or damaged.

        A damaged key frame is patched up from frames before it, and other segments may not have decoded the same ones.
        """
        back_off, first_back_off = 0, round(_FIRST_BACK_OFF_S / self.tick)
        while (target := start - back_off) > 0:
            frames = self._sound(self.origin + target)
            first = next(frames, None)
            if first is not None and first.start <= start:
                yield first
                yield from frames
                return
            frames.close()
            back_off = max(2 * back_off, first_back_off)
        yield from self._sound(None)

    def _sound(self, clock: int | None) -> Generator[Shown, None, None]:
        """Undamaged frames in order, from a key packet at or before `clock`; none where that is damaged itself."""
        self.lost, self.end = [], None
        troubles = _Troubles(_REORDERED_FRAMES * self.packets.usual)
        last: Shown | None = None
        for frame in self._decoded(self.packets.packets_from(clock), troubles):
            shown = self._timed(frame, last)
            if frame.is_corrupt:
                troubles.note(DAMAGED, shown.start, exact=True)
            if troubles.spoil(shown.start):
                continue
            if last is None and troubles and clock is not None:
                return
            if last is not None and shown.start <= last.start:
                continue
            if last is not None and troubles:
                self._account_for_gap(last, shown, troubles)
            last = shown
            yield shown
        if last is not None:
            self._account_for_end(last, troubles)

    def _decoded(self, items: Iterator[Any], troubles: "_Troubles") -> Iterator[Any]:
        codec = self.packets.stream.codec_context
        ticks, exact = 0, False
        for item in items:
            if isinstance(item, VideoError):
                troubles.note(item, ticks, exact=False)
                continue
            if item is not None:
                exact = item.pts is not None
                ticks = (item.pts if exact else item.dts) - self.origin
                if item.is_keyframe:
                    troubles.end_before(ticks)
                if item.is_corrupt:
                    troubles.note(DAMAGED, ticks, exact=exact)
            try:
                frames = codec.decode(item)
            except self.packets.unreadable:
                troubles.note(DAMAGED, ticks, exact=exact)
                continue
            if item is None:
                codec.flush_buffers()
            self.frames += len(frames)
            yield from frames
        self.last_packet = ticks

    def _timed(self, frame: Any, last: Shown | None) -> Shown:
        ticks = self.packets.ticks_of(frame)
        counted = 0 if last is None else last.start + self.packets.usual
        start = counted if ticks is None else ticks - self.origin
        return Shown(start, start + (frame.duration or self.packets.usual), frame)

    def _account_for_gap(self, last: Shown, shown: Shown, troubles: "_Troubles") -> None:
        error = troubles.between(last.start, shown.start, exact=shown.start - last.stop <= self.packets.usual // 2)
        if error is not None and shown.start > last.stop:
            self.lost.append(_Lost(last.stop, shown.start, error))

    def _account_for_end(self, last: Shown, troubles: "_Troubles") -> None:
        """Where the end is damaged, even FFmpeg's guess of the length counts as a promise."""
        self.end = last.stop
        error = troubles.between(last.start, None, exact=False)
        promised_s = self.video.announced_s or (self.video.duration_s if error else 0)
        promised = round(Fraction(promised_s) / self.tick)
        slack = round(_SLACK_S / self.tick)
        if promised > self.last_packet + slack and promised > last.stop + slack:
            self.lost.append(_Lost(last.stop, promised, _TRUNCATED))
        elif error is not None and promised > last.stop + self.packets.usual // 2:
            self.lost.append(_Lost(last.stop, promised, error))


_TRUNCATED = VideoError("Truncated", "the file ends before the length that its header announces")


@dataclass(frozen=True, slots=True)
class _Lost:
    """A span without a readable picture, ticks."""

    start: int
    stop: int
    error: VideoError


@dataclass(slots=True)
class _Trouble:
    error: VideoError
    ticks: int
    exact: bool  # the frame of just this time is missing; else some frames about it
    until: int | None = None  # time of the next key packet: what is missing from there on has other reasons


class _Troubles:
    """Damage come upon lately. A hole in time is lost only beside damage.

    What explains a hole must not depend on how far back reading began, so damage reaches up to the next key packet.
    """

    def __init__(self, reach: int) -> None:
        self.reach = reach  # ticks from damage to the hole it leaves, at most
        self.recent: list[_Trouble] = []

    def __bool__(self) -> bool:
        return bool(self.recent)

    def note(self, error: VideoError, ticks: int, *, exact: bool) -> None:
        self.recent.append(_Trouble(error, ticks, exact))

    def end_before(self, key: int) -> None:
        for trouble in self.recent:
            if trouble.until is None:
                trouble.until = key

    def spoil(self, ticks: int) -> bool:
        """Whether the frame of this time is damaged, though FFmpeg may not say so."""
        return any(one.exact and one.ticks == ticks for one in self.recent)

    def between(self, start: int, stop: int | None, *, exact: bool) -> VideoError | None:
        """Why frames are missing between two, or up to the end (None), if any are. Forgets what is older."""
        self.recent = [
            one for one in self.recent if one.ticks + self.reach >= start and (one.until is None or one.until > start)
        ]
        for one in self.recent:
            if one.exact and one.ticks > start and (stop is None or one.ticks < stop):
                return one.error
            if not exact and (stop is None or one.ticks - self.reach < stop):
                return one.error
        return None

"""Write a video anew with something drawn on every picture: same times, same sound, in bounded memory."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.audio.resampler import AudioResampler
from av.video.reformatter import ColorRange, VideoReformatter

from pipeline.errors import VideoError
from pipeline.opening import open_source
from pipeline.records import Video
from stages.frames import FrameReader, Shown, reading
from stages.picture import Picture, Size
from stages.probe import UNREADABLE
from stages.sound import Sound

FORMATS = {".mp4": "mp4", ".mkv": "matroska"}

_ENCODER = {"preset": "veryfast", "crf": "21"}
_MUXER = {"mp4": {"movflags": "+faststart"}, "matroska": {}}
_MATRICES = {1: 1, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9}  # of colours: a stream's number for it, and the scaler's
_UNKNOWN_MATRIX = 2

Paint = Callable[[np.ndarray, float], None]  # a canvas (height + below, width, 3) to change; seconds
Progress = Callable[[float], None]  # seconds of the video's own timeline


@dataclass(frozen=True, slots=True)
class Rendered:
    """What was written."""

    frames: int
    duration_s: float
    sound: str  # copied, encoded, none


def render(
    video: Video,
    out: Path,
    paint: Paint,
    *,
    size: Size,
    below: int,
    container: str = "mp4",
    start_s: float = 0.0,
    stop_s: float | None = None,
    progress: Progress | None = None,
) -> Rendered:
    """Write [start_s, stop_s) of a video, or all of it, as H.264; what is written begins with zero.

    `size` and `below`, the pixels that are free below the picture, must be even.
    Raises VideoError if there is nothing to show, OSError for a place that cannot be written.
    """
    with ExitStack() as stack:
        reader = stack.enter_context(reading(video))
        tick, zero = reader.tick, round(Fraction(start_s) / reader.tick)
        frames = _frames(reader, zero, None if stop_s is None else round(Fraction(stop_s) / tick))
        shown = next(frames, None)
        if shown is None:
            raise VideoError(
                "NoFrames", f"it shows nothing from {start_s:g} s on; it ends at {reader.end_s or 0:.1f} s"
            )
        options = _MUXER[container]
        target = stack.enter_context(av.open(str(out.absolute()), "w", format=container, container_options=options))
        pictures = _PaintedPictures(reader, size, below, target)
        sound = stack.enter_context(_sound(reader, target, zero * tick, stop_s))
        count, end = 0, 0
        while shown is not None:
            time_s = float((zero + shown.start) * tick)
            if sound is not None:
                sound.write_until(shown.start * tick)
            target.mux(pictures.encode(shown, paint, time_s))
            if progress is not None:
                progress(time_s)
            count, end, shown = count + 1, shown.stop, next(frames, None)
        target.mux(pictures.stream.encode(None))
        if sound is not None:
            sound.write_until(None)
        return Rendered(count, float(end * tick), "none" if sound is None else sound.how)


def _frames(reader: FrameReader, zero: int, stop: int | None) -> Iterator[Shown]:
    """On screen within a span, ticks after its start, each up to the next; the last one as long as it says itself."""
    current: Shown | None = None
    for shown in reader.frames_from(zero):
        if current is not None:
            yield _cut(current, shown.start, zero, stop)
        if stop is not None and shown.start >= stop:
            return
        current = shown
    if current is not None and current.stop > zero:
        yield _cut(current, current.stop, zero, stop)


def _cut(shown: Shown, until: int, zero: int, stop: int | None) -> Shown:
    until = until if stop is None else min(until, stop)
    return Shown(max(shown.start, zero) - zero, until - zero, shown.frame)


class _PaintedPictures:
    """Decoded frames, drawn on and encoded, in the colours and times of the video."""

    def __init__(self, reader: FrameReader, size: Size, below: int, target: Any) -> None:
        self.tick = reader.tick
        self.picture, self.reformatter = Picture(reader.video, size), VideoReformatter()
        self.pixels_HW3 = np.zeros((self.picture.height + below, self.picture.width, 3), np.uint8)
        source = reader.packets.stream.codec_context
        self.matrix = _MATRICES.get(source.colorspace)
        self.stream = target.add_stream("libx264", rate=reader.video.fps, options=_ENCODER)
        context = self.stream.codec_context
        context.height, context.width = self.pixels_HW3.shape[:2]
        context.pix_fmt, context.time_base = "yuv420p", self.tick
        context.thread_type = "FRAME"  # pictures at once on every core, while the next ones are drawn
        context.color_range = ColorRange.MPEG
        context.colorspace = source.colorspace if self.matrix else _UNKNOWN_MATRIX
        context.color_primaries, context.color_trc = source.color_primaries, source.color_trc

    def encode(self, shown: Shown, paint: Paint, time_s: float) -> Any:
        """Packets that this picture brings out."""
        self.pixels_HW3[: self.picture.height] = self.picture(shown.frame)
        paint(self.pixels_HW3, time_s)
        pixels = av.VideoFrame.from_numpy_buffer(self.pixels_HW3, format="rgb24")
        frame = self.reformatter.reformat(
            pixels, format="yuv420p", dst_colorspace=self.matrix, dst_color_range=ColorRange.MPEG, threads=1
        )
        frame.pts, frame.duration, frame.time_base = shown.start, shown.stop - shown.start, self.tick
        return self.stream.encode(frame)


@contextmanager
def _sound(reader: FrameReader, target: Any, start_s: Fraction, stop_s: float | None) -> Iterator[Sound | None]:
    """The video's sound, read beside its pictures; None if it has none that can be decoded."""
    source = open_source(reader.video.uri)
    container = av.open(source, metadata_errors="replace")
    try:
        heard = next((stream for stream in container.streams.audio if stream.codec_context is not None), None)
        for stream in container.streams:
            if stream is not heard:
                stream.discard = av.stream.Discard.all
        yield heard and Sound(
            heard,
            target,
            zero=reader.video.origin + start_s,
            stop=None if stop_s is None else reader.video.origin + Fraction(stop_s),
            seekable=start_s > 0 and reader.packets.seekable,
            unreadable=UNREADABLE,
            resampler=AudioResampler,
        )
    finally:
        container.close()
        if not isinstance(source, str):
            source.close()

"""Join parts of recordings, or pictures, into one mp4: how demo and made-up recordings are made, in bounded memory."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import repeat
from pathlib import Path

import av
import numpy as np

from pipeline.errors import VideoError
from pipeline.records import DecodeReport, Segment, Source, Video
from stages.decode import Decode, Sampling
from stages.picture import Size
from stages.probe import Probe

Progress = Callable[[int, int], None]  # parts written, parts in all

CHUNK_FRAMES = 16
ENCODERS = {"libx264": {"crf": "20", "preset": "veryfast"}, "mpeg4": {"qscale": "4"}}  # the first that this FFmpeg has


@dataclass(frozen=True, slots=True)
class Clip:
    """A span of a video, seconds on its own timeline."""

    video: Path
    start_s: float
    stop_s: float


@dataclass(frozen=True, slots=True)
class Still:
    """One frame of a video, held."""

    video: Path
    at_s: float
    hold_s: float


Part = Clip | Still


def compose(
    parts: Sequence[Part], out: Path, *, width: int, height: int, fps: Fraction | int, progress: Progress | None = None
) -> None:
    """Write the parts one after another, scaled to fit with black borders; sides must be even.

    Raises VideoError for a part that shows nothing, OSError for a place that cannot be written.
    """
    rate = Fraction(fps)
    write_pictures(_all_canvases(parts, width, height, rate, progress), out, width=width, height=height, fps=rate)


def write_pictures(
    pictures: Iterable[np.ndarray],
    out: Path,
    *,
    width: int,
    height: int,
    fps: Fraction | int,
    each_alone: bool = False,
) -> None:
    """Write pictures (height, width, 3), uint8 RGB, as an mp4, whole or not at all; sides must be even.

    `each_alone`: every frame is coded without the others, so that it holds no trace of them. Raises OSError for a place
    that cannot be written.
    """
    rate = Fraction(fps)
    # Written beside its place and renamed: whoever stops this half way leaves no video that only looks whole.
    partial = out.with_name(f".{out.name}.{os.getpid()}.part")
    try:
        with av.open(str(partial), "w", format="mp4") as container:
            stream = _add_stream(container, width, height, rate)
            if each_alone:
                stream.gop_size = 1
            for number, picture in enumerate(pictures):
                frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
                frame.pts, frame.time_base = number, 1 / rate
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        partial.replace(out)
    finally:
        partial.unlink(missing_ok=True)


def _add_stream(container: av.container.OutputContainer, width: int, height: int, rate: Fraction) -> av.VideoStream:
    name = next(name for name in ENCODERS if name in av.codecs_available)
    stream = container.add_stream(name, rate=rate, options=ENCODERS[name])
    stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
    return stream


def _all_canvases(
    parts: Sequence[Part], width: int, height: int, rate: Fraction, progress: Progress | None
) -> Iterator[np.ndarray]:
    for number, part in enumerate(parts, 1):
        yield from _canvases(part, width, height, rate)
        if progress is not None:
            progress(number, len(parts))


def _canvases(part: Part, width: int, height: int, rate: Fraction) -> Iterator[np.ndarray]:
    """A part's pictures (height, width, 3), one every 1 / rate seconds."""
    if isinstance(part, Clip):
        pictures = _pictures(part.video, part.start_s, part.stop_s, width, height, rate)
    else:
        first = next(_pictures(part.video, part.at_s, part.at_s + float(1 / rate), width, height, rate))
        pictures = repeat(first, round(part.hold_s * rate))
    for picture in pictures:
        yield _letterboxed(picture, width, height)


def _pictures(
    path: Path, start_s: float, stop_s: float, width: int, height: int, rate: Fraction
) -> Iterator[np.ndarray]:
    """The video's own picture at every sample instant of a span, scaled to fit. Raises VideoError if there is none."""
    video = Probe()(Source(path.name, str(path), path.stat().st_size))
    segment = Segment(video, index=0, start_s=start_s, stop_s=stop_s, is_last=False)
    shown = 0
    for chunk in Decode(_sampling(video, width, height, rate))(segment):
        if not isinstance(chunk, DecodeReport):
            shown += len(chunk.frames_THWC)
            yield from chunk.frames_THWC
    if not shown:
        raise VideoError(
            "NoFrames", f"{path} shows nothing from {start_s} to {stop_s} s; it is {video.duration_s} s long"
        )


def _sampling(video: Video, width: int, height: int, rate: Fraction) -> Sampling:
    scale = min(width / video.width, height / video.height)
    return Sampling(
        rate=rate,
        halo_before=0,
        halo_after=0,
        chunk_frames=CHUNK_FRAMES,
        size=Size(max(2, int(min(video.width, video.height) * scale)), "keep", multiple=2),
    )


def _letterboxed(picture: np.ndarray, width: int, height: int) -> np.ndarray:
    picture = picture[:height, :width]  # rounding to even sides may have gone over by a pixel
    top, left = (height - picture.shape[0]) // 2, (width - picture.shape[1]) // 2
    canvas = np.zeros((height, width, 3), np.uint8)
    canvas[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    return canvas

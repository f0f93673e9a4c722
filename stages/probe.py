"""Open a video just far enough to know what it is: size, clock, first frame, length. Decodes one frame."""

import errno
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import Any

import av
import av.logging

from pipeline.errors import VideoError
from pipeline.records import Source, Video
from pipeline.sources import fingerprint, open_source

av.logging.set_level(None)  # what is wrong with a file is told in the tables, not on the terminal

# Containers whose header says how long the picture is; elsewhere FFmpeg guesses from the bit rate.
_KEEPS_ITS_LENGTH = {"mov", "mp4", "matroska", "webm", "avi", "asf"}
_UNREADABLE = {
    errno.EACCES: ("PermissionDenied", "no permission to read it"),
    errno.ENOENT: ("NotFound", "the file is gone"),
    errno.EISDIR: ("IsADirectory", "it is a directory, not a video"),
    errno.ELOOP: ("SymlinkLoop", "it is a symbolic link that leads back to itself"),
}


class Probe:
    """Turn a listed source into a Video, or say in one sentence why it is none."""

    def setup(self) -> None:
        """Nothing heavy to prepare."""

    def __call__(self, source: Source) -> Video:
        """Raises VideoError."""
        if source.error is not None:
            raise VideoError(*source.error)
        with opened(source.uri) as (container, stream):
            frame = _first_frame(container, stream)
            origin = clock_time(frame)
            announced_s = _announced_s(container, stream, origin)
            duration_s = announced_s or _header_s(container) or _scanned_s(container, stream, origin)
            width, height, rotation = _shown_size(frame, stream)
            return Video(
                key=source.key,
                uri=source.uri,
                fingerprint=fingerprint(source.uri, source.size),
                duration_s=duration_s,
                announced_s=announced_s,
                fps=frame_rate(stream),
                width=width,
                height=height,
                codec=stream.codec_context.name,
                rotation=rotation,
                origin=origin,
            )


@contextmanager
def opened(uri: str) -> Iterator[tuple[Any, Any]]:
    """The container and its first real video stream, decoding on one thread. Raises VideoError."""
    with _reported():
        source = open_source(uri)
        container = av.open(source, metadata_errors="replace")
    try:
        yield container, _video_stream(container)
    finally:
        container.close()
        if not isinstance(source, str):
            source.close()


@contextmanager
def _reported() -> Iterator[None]:
    try:
        yield
    except av.error.InvalidDataError as error:
        reason = f"{error.strerror}: not a video, or its header is damaged or cut off"
        raise VideoError("NotAVideo", reason) from None
    except OSError as error:
        known = _UNREADABLE.get(error.errno or 0)
        raise VideoError(*(known or (type(error).__name__, f"cannot be opened: {error.strerror or error}"))) from None


def _video_stream(container: Any) -> Any:
    for stream in container.streams.video:
        if not stream.disposition & av.stream.Disposition.attached_pic:
            if stream.codec_context is None:
                raise VideoError("UnsupportedCodec", "its video codec is not one this build of FFmpeg decodes")
            stream.codec_context.thread_count = 1
            return stream
    kinds = ", ".join(sorted({stream.type for stream in container.streams})) or "nothing"
    raise VideoError("NoVideoStream", f"it holds no picture, only {kinds}")


def clock_time(frame: Any) -> Fraction | None:
    """Presentation time on the container's clock, seconds; decoding time where a container keeps no other."""
    ticks = frame.pts if frame.pts is not None else frame.dts
    return None if ticks is None else ticks * frame.time_base


def frame_rate(stream: Any) -> Fraction:
    """Average frames a second; only a hint."""
    return Fraction(stream.average_rate or stream.guessed_rate or 25)


def _first_frame(container: Any, stream: Any) -> Any:
    try:
        for packet in container.demux(stream):
            for frame in _decoded(packet):
                if clock_time(frame) is not None:
                    return frame
    except (av.error.FFmpegError, OSError) as error:
        raise VideoError("NoFrames", f"not one frame can be decoded: {error.strerror}") from None
    raise VideoError("NoFrames", "it has a header, but not one frame that can be decoded")


def _decoded(packet: Any) -> list[Any]:
    try:
        return list(packet.decode())
    except av.error.FFmpegError:
        return []


def _announced_s(container: Any, stream: Any, origin: Fraction) -> float | None:
    if not _KEEPS_ITS_LENGTH & set(container.format.name.split(",")):
        return None
    start = stream.start_time * stream.time_base if stream.start_time is not None else Fraction(0)
    if stream.duration:
        return float(start + stream.duration * stream.time_base - origin)
    tag = re.fullmatch(r"(\d+):(\d+):(\d+(?:\.\d+)?)", stream.metadata.get("DURATION", ""))
    if tag:
        hours, minutes, seconds = tag.groups()
        return float(int(hours) * 3600 + int(minutes) * 60 + Fraction(seconds) - origin)
    return None


def _header_s(container: Any) -> float | None:
    return container.duration / av.time_base if container.duration else None


def _scanned_s(container: Any, stream: Any, origin: Fraction) -> float:
    """Length by the packets, without decoding: for recordings whose header knows none."""
    container.seek(0)
    end = origin
    try:
        for packet in container.demux(stream):
            if packet.pts is not None:
                end = max(end, (packet.pts + (packet.duration or 0)) * packet.time_base)
    except av.error.FFmpegError:
        pass  # what can be read up to here is what there is
    return float(end - origin)


def _shown_size(frame: Any, stream: Any) -> tuple[int, int, int]:
    """Width and height as shown, and the quarter turns (degrees counter-clockwise) that get there."""
    rotation = round(frame.rotation / 90) % 4 * 90
    width, height = frame.width, frame.height
    pixel_aspect = stream.sample_aspect_ratio
    if pixel_aspect and math.isfinite(pixel_aspect):
        width = max(1, round(width * pixel_aspect))
    return (height, width, rotation) if rotation % 180 else (width, height, rotation)

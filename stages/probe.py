"""Open a video just far enough to know what it is: size, clock, first frame, length. Decodes one frame."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.logging

from pipeline.errors import VideoError
from pipeline.opening import fingerprint, open_source
from pipeline.records import Source, Video
from stages.header import announced_s, frame_rate, guessed_s, shown_size, with_unread_fragments
from stages.packets import PacketReader

# What is wrong with a file is told in the tables, not on the terminal: FFmpeg's errors are counted, never printed.
av.logging.set_level(av.logging.PANIC)

UNREADABLE = (av.error.FFmpegError, OSError)
_NOT_OPENED = {
    errno.EACCES: ("PermissionDenied", "no permission to read it"),
    errno.ENOENT: ("NotFound", "the file is gone"),
    errno.EISDIR: ("IsADirectory", "it is a directory, not a video"),
    errno.ELOOP: ("SymlinkLoop", "it is a symbolic link that leads back to itself"),
}
_NO_VIDEO = "not a video, or its header is damaged or cut off"


class Probe:
    """Turn a listed source into a Video, or say in one sentence why it is none."""

    def setup(self) -> None:
        """Nothing heavy to prepare."""

    def __call__(self, source: Source) -> Video:
        """Raises VideoError."""
        if source.error is not None:
            raise VideoError(*source.error)
        with opened(source.uri) as packets:
            frame = _first_frame(packets)
            origin = (packets.ticks_of(frame) or 0) * packets.tick  # a very short AVI has no times at all
            announced = _announced_s(source.uri, packets, origin)
            width, height, rotation = shown_size(frame, packets.stream)
            return Video(
                key=source.key,
                uri=source.uri,
                fingerprint=fingerprint(source.uri, source.size),
                duration_s=announced or _duration_s(packets, origin),
                announced_s=announced,
                fps=frame_rate(packets.stream),
                width=width,
                height=height,
                codec=packets.stream.codec_context.name,
                rotation=rotation,
                origin=origin,
            )


@contextmanager
def opened(uri: str) -> Iterator[PacketReader]:
    """The packets of a file's first real video stream, to be decoded on one thread. Raises VideoError."""
    with _reported():
        source = open_source(uri)
        container = av.open(source, metadata_errors="replace")
    try:
        stream = _video_stream(container)
        for other in container.streams:
            if other is not stream:
                other.discard = av.stream.Discard.all
        yield PacketReader(container, stream, unreadable=UNREADABLE, num_errors=_num_errors)
    finally:
        container.close()
        if not isinstance(source, str):
            source.close()


@contextmanager
def _reported() -> Iterator[None]:
    try:
        yield
    except (av.error.InvalidDataError, av.error.EOFError) as error:
        raise VideoError("NotAVideo", f"{error.strerror}: {_NO_VIDEO}") from None
    except UNREADABLE as error:
        known = _NOT_OPENED.get(error.errno or 0)
        raise VideoError(*(known or (type(error).__name__, f"cannot be opened: {error.strerror or error}"))) from None


def _num_errors() -> int:
    """Messages of level error that FFmpeg gave so far in this process."""
    count, _ = av.logging.get_last_error()
    return int(count)


def _video_stream(container: Any) -> Any:
    for stream in container.streams.video:
        if not stream.disposition & av.stream.Disposition.attached_pic:
            if stream.codec_context is None:
                raise VideoError("UnsupportedCodec", "its video codec is not one this build of FFmpeg decodes")
            stream.codec_context.thread_count = 1
            return stream
    kinds = ", ".join(sorted({stream.type for stream in container.streams})) or "nothing"
    raise VideoError("NoVideoStream", f"it holds no picture, only {kinds}")


def _first_frame(packets: PacketReader) -> Any:
    reason = ""
    for packet in packets.packets_from(None):
        if isinstance(packet, VideoError):
            continue
        try:
            for frame in packets.stream.codec_context.decode(packet):
                if not frame.is_corrupt:
                    return frame
        except UNREADABLE as error:
            reason = f" ({error.strerror})"
    raise VideoError("NoFrames", f"it has a header, but not one frame that can be decoded{reason}")


def _announced_s(uri: str, packets: PacketReader, origin: Fraction) -> float | None:
    announced = announced_s(packets.container, packets.stream, origin)
    if announced is None or "mp4" not in packets.container.format.name:
        return announced
    file = open_source(uri)
    with Path(file).open("rb") if isinstance(file, str) else file as content:
        return with_unread_fragments(announced, packets.container, content)


def _duration_s(packets: PacketReader, origin: Fraction) -> float:
    """By the header's guess; by the packets, without decoding, where there is none or its clock cannot be trusted."""
    guess = guessed_s(packets.container, packets.stream) if packets.seekable else None
    if guess is not None:
        return guess
    end = origin
    for packet in packets.packets_from(None):
        if packet is not None and not isinstance(packet, VideoError):
            shown = packet.pts if packet.pts is not None else packet.dts
            end = max(end, (shown + (packet.duration or packets.usual)) * packets.tick)
    return float(end - origin)

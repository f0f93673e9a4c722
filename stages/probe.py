"""Open a video just far enough to know what it is: size, clock, first frame, length. Decodes one frame."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import Any

import av
import av.logging

from pipeline.errors import VideoError
from pipeline.records import Source, Video
from pipeline.sources import fingerprint, open_source
from stages.header import announced_s, frame_rate, guessed_s, shown_size
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
            origin = packets.ticks_of(frame) * packets.tick
            announced = announced_s(packets.container, packets.stream, origin)
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
                other.discard = "all"
        yield PacketReader(container, stream, unreadable=UNREADABLE, num_errors=_num_errors)
    finally:
        container.close()
        if not isinstance(source, str):
            source.close()

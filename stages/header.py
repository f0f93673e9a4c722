"""What a video's header and first frame say of it: length, size, rotation. None of it is believed without reading."""

import math
import re
from fractions import Fraction
from typing import Any, BinaryIO

# Containers whose header says how long the picture is; elsewhere FFmpeg guesses from the bit rate.
_KEEPS_ITS_LENGTH = {"mov", "mp4", "matroska", "webm", "avi", "asf"}
_SEARCHED_BYTES = 1 << 24
_CONTAINER_TICKS = 1_000_000  # a second, in the unit of a container's duration


def frame_rate(stream: Any) -> Fraction:
    """Average frames a second; only a hint."""
    return Fraction(stream.average_rate or stream.guessed_rate or 25)


def announced_s(container: Any, stream: Any, origin: Fraction) -> float | None:
    """Seconds of picture that the container promises, None if it promises nothing."""
    formats = set(container.format.name.split(","))
    tick = Fraction(stream.time_base)
    if not _KEEPS_ITS_LENGTH & formats:
        return None
    if "avi" in formats:  # FFmpeg shortens its duration to what the file can hold; the number of frames stays
        promised = max(stream.frames, stream.duration or 0) * tick
    elif stream.duration:
        promised = (stream.start_time or 0) * tick + stream.duration * tick - origin
    else:
        promised = _tagged_end(stream) - origin
    return float(promised) if promised > 0 else None


def _tagged_end(stream: Any) -> Fraction:
    """Matroska's end of the stream on its clock, seconds; 0 if it has none."""
    tag = re.fullmatch(r"(\d+):(\d+):(\d+(?:\.\d+)?)", stream.metadata.get("DURATION", ""))
    if tag is None:
        return Fraction(0)
    hours, minutes, seconds = tag.groups()
    return int(hours) * 3600 + int(minutes) * 60 + Fraction(seconds)


def with_unread_fragments(announced: float, container: Any, file: BinaryIO) -> float:
    """Fragments of an mp4 are read up to the first broken box; what lies behind counts by its share of the bytes."""
    entries = [stream.index_entries[-1] for stream in container.streams if len(stream.index_entries)]
    read = max((entry.pos + entry.size for entry in entries), default=0)
    if not 0 < read < container.size or _boxes_go_on(file, read, container.size):
        return announced
    file.seek(read)
    return announced * container.size / read if b"moof" in file.read(_SEARCHED_BYTES) else announced


def _boxes_go_on(file: BinaryIO, position: int, size: int) -> bool:
    """Whether whole boxes follow each other up to the end of the file."""
    while position + 8 <= size:
        file.seek(position)
        head = file.read(16)
        length = int.from_bytes(head[:4], "big")
        if length == 1:
            length = int.from_bytes(head[8:], "big")
        if length < 8 or not head[4:8].isalnum():
            return False
        position += length
    return position == size


def guessed_s(container: Any, stream: Any) -> float | None:
    """FFmpeg's estimate of the length."""
    if stream.duration and stream.duration > 0:
        return float(stream.duration * Fraction(stream.time_base))
    return container.duration / _CONTAINER_TICKS if container.duration and container.duration > 0 else None


def shown_size(frame: Any, stream: Any) -> tuple[int, int, int]:
    """Width and height as shown, and the quarter turns (degrees counter-clockwise) that get there."""
    rotation = round(frame.rotation / 90) % 4 * 90
    width, height = frame.width, frame.height
    pixel_aspect = stream.sample_aspect_ratio
    if pixel_aspect and math.isfinite(pixel_aspect):
        width = max(1, round(width * pixel_aspect))
    return (height, width, rotation) if rotation % 180 else (width, height, rotation)

"""What of the work is open, under way and done. Bookkeeping of the driver: small records in, small records out."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from pipeline.records import Failure, Segment, Source, Video


@dataclass(slots=True)
class VideoWork:
    """One video under way."""

    source: Source
    video: Video
    segments: list[Segment]
    spool_names: dict[int, str]  # by index of segment
    open: set[int]  # indices of segments neither spooled nor given up
    lost: list[Failure] = field(default_factory=list)  # segments given up
    started: float = field(default_factory=time.time)

    @property
    def kept(self) -> list[Segment]:
        """Segments whose result lies in the spool."""
        given_up = {failure.span_s for failure in self.lost}
        return [segment for segment in self.segments if (segment.start_s, segment.stop_s) not in given_up]


class Ledger:
    """Segments waiting, longest videos first, and videos by key until they are finished."""

    def __init__(self) -> None:
        self.videos: dict[str, VideoWork] = {}
        self._waiting: list[Segment] = []

    def open_video(self, work: VideoWork) -> None:
        self.videos[work.source.uri] = work
        self._waiting += [segment for segment in work.segments if segment.index in work.open]
        self._waiting.sort(key=lambda segment: (-segment.video.duration_s, segment.video.uri, segment.index))

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def next_segment(self) -> Segment | None:
        return self._waiting.pop(0) if self._waiting else None

    def withdraw(self, uri: str) -> list[Segment]:
        """Take every waiting segment of a video out."""
        withdrawn = [segment for segment in self._waiting if segment.video.uri == uri]
        self._waiting = [segment for segment in self._waiting if segment.video.uri != uri]
        return withdrawn

    def put_back(self, segments: Iterable[Segment]) -> None:
        self._waiting[:0] = segments

    def close_segment(self, segment: Segment, failure: Failure | None = None) -> VideoWork | None:
        """Book a segment as spooled, or given up; returns the video when that was its last."""
        work = self.videos[segment.video.uri]
        work.open.discard(segment.index)
        if failure is not None:
            work.lost.append(failure)
        return work if not work.open else None

    def close_video(self, work: VideoWork) -> None:
        del self.videos[work.source.uri]

"""What of the work is open, under way and done. Bookkeeping of the driver: small records in, small records out."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.records import Failure, Segment, Source, StageTimes, Video


@dataclass(slots=True)
class VideoWork:
    """One video under way."""

    source: Source
    video: Video
    features_key: str  # of all that determines its features
    segments: list[Segment]
    paths: dict[int, Path]  # of their results, by index of segment
    open: set[int]  # indices of segments whose result is neither there nor given up
    is_cached: bool = False  # the feature cache holds it whole
    lost: list[Failure] = field(default_factory=list)  # segments given up
    redone: set[int] = field(default_factory=set)  # indices of segments whose file could not be read
    started: float = field(default_factory=time.time)

    @property
    def kept(self) -> list[Segment]:
        """Segments that have a result."""
        given_up = {failure.span_s for failure in self.lost}
        return [segment for segment in self.segments if (segment.start_s, segment.stop_s) not in given_up]


@dataclass(frozen=True, slots=True)
class Finished:
    """What the driver needs to hear of a finished video."""

    status: str
    found: Mapping[str, int]  # how many of what
    failures: tuple[Failure, ...]
    times: StageTimes  # of the last step alone


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
        """Book a segment as done, or given up; returns the video when that was its last."""
        work = self.videos[segment.video.uri]
        work.open.discard(segment.index)
        if failure is not None:
            work.lost.append(failure)
        return work if not work.open else None

    def close_video(self, work: VideoWork) -> None:
        del self.videos[work.source.uri]

"""Who gets another try when its worker dies. An error that a stage raises is no such case: it would come again."""

from collections import Counter, deque
from typing import Literal

from pipeline.errors import VideoError
from pipeline.records import Segment

_DEADLY_SEGMENTS = 3  # of one video, before the rest of it is given up

Verdict = Literal["again", "alone", "lost"]


class Tries:
    """Counts deaths. The last try of a segment runs alone on its lane, so that no innocent neighbour pays."""

    def __init__(self, attempts: int) -> None:
        self.attempts = attempts
        self.alone: deque[Segment] = deque()  # segments waiting for their last try
        self._deaths: Counter[tuple[str, str]] = Counter()
        self._lost: Counter[str] = Counter()  # segments by video

    def may_try_again(self, uri: str, work: str) -> bool:
        """Book a death of whoever did that work on that video."""
        self._deaths[uri, work] += 1
        return self._deaths[uri, work] < self.attempts

    def judge(self, segment: Segment) -> Verdict:
        """Book a death at this segment; `alone` puts it into the queue for that."""
        work = f"segment {segment.index}"
        if not self.may_try_again(segment.video.uri, work):
            self._lost[segment.video.uri] += 1
            return "lost"
        if self._deaths[segment.video.uri, work] < self.attempts - 1:
            return "again"
        self.alone.append(segment)
        return "alone"

    def is_deadly(self, uri: str) -> bool:
        """One deadly segment may be a damaged spot; after a few, workers are spared the rest of the video."""
        return self._lost[uri] >= _DEADLY_SEGMENTS

    def error(self) -> VideoError:
        """What a video is told that lost its last try."""
        times = "once" if self.attempts == 1 else f"{self.attempts} times"
        return VideoError(
            "WorkerDied", f"the process that worked on it died {times}: killed, out of memory, or a crash"
        )

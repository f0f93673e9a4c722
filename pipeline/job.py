"""One run, whatever engine does the work and whatever it makes of videos: what is still to do, and what came of it."""

from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.contracts import FeatureStages, Finish
from pipeline.errors import VideoError, describe
from pipeline.feature_cache import CachedVideo, FeatureCache
from pipeline.ledger import Finished, Ledger, VideoWork
from pipeline.progress import Progress
from pipeline.records import Failure, Outcome, Segment, Source, StageTimes, Video
from pipeline.segments import segments_of
from pipeline.selection import content_of
from pipeline.spool import DamagedSegments, read_account, spool_name

Ended = Callable[[Source, Video | None, tuple[Failure, ...]], None]


class Job:
    """The driver's side of a run. An engine takes work from it and books what became of it."""

    def __init__(
        self,
        *,
        stages: FeatureStages,
        finish: Finish,
        cache: FeatureCache | None,
        spool_folder: Callable[[Source, str], Path],
        progress: Progress,
        retry_lost: bool = False,
        ended: Ended | None = None,
    ) -> None:
        self.stages = stages
        self.finish = finish
        self.cache = cache  # looked into for videos whose features are there
        self.spool_folder = spool_folder  # of new segments, by source and key of its features
        self.progress = progress
        self.retry_lost = retry_lost  # segments with lost spans are done again
        self.ended = ended  # hears of every video at its end
        self.segment_s = stages.config.segments.length_s
        self.attempts = stages.config.engine.attempts
        self.ledger = Ledger()
        self.tally = progress.tally
        self.sources: deque[Source] = deque()  # not yet probed, largest first
        self.ready: deque[VideoWork] = deque()  # every segment done or given up

    def begin(self, sources: Sequence[Source], done: Sequence[Mapping[str, Any]] = ()) -> None:
        """Take on sources; `done` are the rows of those that earlier runs committed."""
        self.sources.extend(sorted(sources, key=lambda source: (-source.size, source.uri)))
        for row in done:
            self.tally.book_earlier(row)
        self.tally.videos = len(self.sources)
        self.tally.bytes_total = sum(source.size for source in self.sources)
        self.progress.start()

    @property
    def is_over(self) -> bool:
        return self.tally.committed == self.tally.videos

    def open_video(self, source: Source, video: Video) -> None:
        """Plan a probed video; segments that an earlier run did count as done."""
        key = self.stages.key_of(video)
        cached = None if self.cache is None else self.cache.cached(key)
        work = self._work_of(source, video, key) if cached is None else _cached_work(source, video, key, cached)
        if self.retry_lost and (cached is None or cached.failures):
            self._open_again(work, _with_losses(work))
        self.tally.book_probed(source.size, video.duration_s)
        self.tally.spooled_s += sum(
            segment.stop_s - segment.start_s for segment in work.segments if segment.index not in work.open
        )
        self._open(work)

    def _work_of(self, source: Source, video: Video, key: str) -> VideoWork:
        segments = segments_of(video, self.segment_s, self.stages.step_s)
        folder = self.spool_folder(source, key)
        paths = {segment.index: folder / spool_name(key, segment) for segment in segments}
        missing = {index for index, path in paths.items() if not path.exists()}
        return VideoWork(source, video, key, segments, paths, open=missing)

    def _open(self, work: VideoWork) -> None:
        self.ledger.open_video(work)
        if not work.open:
            self._make_ready(work)
        self.progress.update()

    def _open_again(self, work: VideoWork, indices: Collection[int]) -> None:
        """Have segments done anew, whatever there is of them."""
        folder = self.spool_folder(work.source, work.features_key)
        for segment in work.segments:
            if segment.index in indices:
                work.paths[segment.index] = folder / spool_name(work.features_key, segment)
                work.open.add(segment.index)
                work.is_cached = False

    def path_of(self, segment: Segment) -> Path:
        return self.ledger.videos[segment.video.uri].paths[segment.index]

    def refuse(self, source: Source, error: BaseException) -> None:
        """Book a video that could not be opened as failed."""
        self.tally.book_probed(source.size, 0.0)
        self._refuse(source, None, [self._failure(source.key, "probe", error)])

    def close_segment(self, segment: Segment, times: StageTimes) -> None:
        """Book a segment whose result is on disk."""
        self.tally.done_s += segment.stop_s - segment.start_s
        self.tally.add_times(times)
        self._close(segment, None)

    def lose_segment(self, segment: Segment, error: BaseException) -> None:
        """Book a segment that is given up."""
        stage = "decode" if isinstance(error, VideoError) else "features"
        self.tally.done_s += segment.stop_s - segment.start_s
        span_s = segment.start_s, segment.stop_s
        self._close(segment, self._failure(segment.video.key, stage, error, span_s))

    def _close(self, segment: Segment, failure: Failure | None) -> None:
        work = self.ledger.close_segment(segment, failure)
        if work is not None:
            self._make_ready(work)
        self.progress.update()

    def _make_ready(self, work: VideoWork) -> None:
        self.ledger.close_video(work)
        self.ready.append(work)

    def close_video(self, work: VideoWork, finished: Finished) -> None:
        """Book a finished video."""
        self.tally.add_times(finished.times)
        self._end(work.source, work.video, finished.status, finished.found, finished.failures)

    def lose_video(self, work: VideoWork, error: BaseException) -> None:
        """Book a video that could not be finished as failed; segments that cannot be read are done again first."""
        if isinstance(error, DamagedSegments) and self._repair(work, error.paths):
            return
        self._refuse(work.source, work.video, [*work.lost, self._failure(work.source.key, "finish", error)])

    def _repair(self, work: VideoWork, damaged: Collection[Path]) -> bool:
        """Each segment once."""
        indices = {index for index, path in work.paths.items() if path in damaged} - work.redone
        if not indices:
            return False
        work.redone |= indices
        self.tally.spooled_s -= sum(one.stop_s - one.start_s for one in work.segments if one.index in indices)
        if self.cache is not None:
            self.cache.unmark(work.features_key)
        self._open_again(work, indices)
        self._open(work)
        return True

    def _refuse(self, source: Source, video: Video | None, failures: list[Failure]) -> None:
        print_of_content = video.fingerprint if video else content_of(source)
        self.finish.refuse(Outcome(source, print_of_content, video, None, tuple(failures)))
        self._end(source, video, "failed", {}, tuple(failures))

    def _end(
        self,
        source: Source,
        video: Video | None,
        status: str,
        found: Mapping[str, int],
        failures: tuple[Failure, ...],
    ) -> None:
        self.tally.book(status, found)
        self.progress.video(source.key, status, failures)
        if self.ended is not None:
            self.ended(source, video, failures)
        self.progress.update()

    def _failure(
        self, video: str, stage: str, error: BaseException, span_s: tuple[float, float] | None = None
    ) -> Failure:
        return Failure(video, stage, *describe(error), span_s)


def _cached_work(source: Source, video: Video, key: str, cached: CachedVideo) -> VideoWork:
    paths = {segment.index: cached.folder / segment.file for segment in cached.segments}
    return VideoWork(source, video, key, cached.segments_of(video), paths, open=set(), is_cached=True)


def _with_losses(work: VideoWork) -> set[int]:
    """Segments on disk that miss something, or cannot be read."""
    return {index for index, path in work.paths.items() if index not in work.open and _has_losses(path)}


def _has_losses(path: Path) -> bool:
    try:
        report, _ = read_account(path)
    except DamagedSegments:
        return True
    return bool(report.lost)

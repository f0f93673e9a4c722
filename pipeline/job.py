"""One run of detect, whatever engine does the work: what is still to do, and what has come of it."""

from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from pipeline.contracts import Stages
from pipeline.errors import VideoError, describe
from pipeline.finish import Finished
from pipeline.ledger import Ledger, VideoWork
from pipeline.plan import segments_of
from pipeline.progress import Progress
from pipeline.records import Failure, Outcome, Segment, Source, StageTimes, Video
from pipeline.results import Committed, Results, part_name, result_key
from pipeline.sources import fingerprint
from pipeline.spool import spool_name

_FILES_AT_ONCE = 16


class Job:
    """The driver's side of a run. An engine takes work from it and books what became of it."""

    def __init__(
        self, *, stages: Stages, results: Results, segment_s: float, attempts: int, progress: Progress
    ) -> None:
        self.stages = stages
        self.results = results
        self.config_hash = stages.write.metadata["config_hash"]
        self.segment_s = segment_s
        self.attempts = attempts
        self.progress = progress
        self.ledger = Ledger()
        self.tally = progress.tally
        self.sources: deque[Source] = deque()  # not yet probed, largest first
        self.ready: deque[VideoWork] = deque()  # every segment spooled or given up

    def select(self, sources: Sequence[Source], *, retry_failed: bool) -> None:
        """Leave out what is committed already; a changed file, config or weight makes a video new.

        A name that an earlier run gave to another file stays that file's; the newcomer goes by its address.
        """
        committed = self.results.committed()
        owners = {before.row["video"]: before.row["uri"] for before in committed.values()}
        named = [
            source if owners.get(source.key, source.uri) == source.uri else replace(source, key=source.uri)
            for source in sources
        ]
        ordered = sorted(named, key=lambda source: (-source.size, source.uri))
        parts = [part_name(source.uri, source.key) for source in ordered]
        with ThreadPoolExecutor(_FILES_AT_ONCE) as pool:
            done = pool.map(
                lambda source, part: self._is_done(source, committed.get(part), retry_failed), ordered, parts
            )
        for source, part, is_done in zip(ordered, parts, done, strict=True):
            if is_done:
                self.results.clear_spool(part)  # a kill may have fallen between the commit and this
                self.tally.book_earlier(committed[part].row)
            else:
                self.sources.append(source)
                self.tally.bytes_total += source.size
        self.tally.videos = len(self.sources)
        self.progress.start()

    def _is_done(self, source: Source, before: Committed | None, retry_failed: bool) -> bool:
        if before is None or (retry_failed and before.row["status"] != "ok"):
            return False
        return before.result_key == result_key(self.config_hash, _content(source))

    @property
    def is_over(self) -> bool:
        return self.tally.committed == self.tally.videos

    def open_video(self, source: Source, video: Video) -> None:
        """Plan a probed video; segments that an earlier run spooled count as done."""
        segments = segments_of(video, self.segment_s, self.stages.step_s)
        key = result_key(self.config_hash, video.fingerprint)
        work = VideoWork(
            source=source,
            video=video,
            segments=segments,
            spool_names={segment.index: spool_name(key, segment) for segment in segments},
            open=set(),
        )
        spooled = {segment.index for segment in segments if self.spool_path(work, segment).exists()}
        work.open.update({segment.index for segment in segments} - spooled)
        self.ledger.open_video(work)
        self.tally.book_probed(source.size, video.duration_s)
        for segment in segments:
            if segment.index in spooled:
                self.tally.spooled_s += segment.stop_s - segment.start_s
        if not work.open:
            self._make_ready(work)
        self.progress.update()

    def spool_path(self, work: VideoWork, segment: Segment) -> Path:
        folder = self.results.spool_folder(part_name(work.source.uri, work.source.key))
        return folder / work.spool_names[segment.index]

    def path_of(self, segment: Segment) -> Path:
        return self.spool_path(self.ledger.videos[segment.video.uri], segment)

    def refuse(self, source: Source, error: BaseException) -> None:
        """Commit a video that could not be opened as failed."""
        self.tally.book_probed(source.size, 0.0)
        self._commit_failed(source, None, [self._failure(source.key, "probe", error)])

    def close_segment(self, segment: Segment, times: StageTimes) -> None:
        """Book a segment whose result lies in the spool."""
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
        """Book a committed video."""
        self.tally.add_times(finished.times)
        self.tally.book(finished.status, finished.detections)
        self.progress.video(work.source.key, finished.status, finished.failures)
        self.progress.update()

    def lose_video(self, work: VideoWork, error: BaseException) -> None:
        """Commit a video that could not be finished as failed."""
        self._commit_failed(work.source, work.video, [*work.lost, self._failure(work.source.key, "localize", error)])
        self.results.clear_spool(part_name(work.source.uri, work.source.key))

    def _commit_failed(self, source: Source, video: Video | None, failures: list[Failure]) -> None:
        print_of_content = video.fingerprint if video else _content(source)
        outcome = Outcome(source, print_of_content, video, None, tuple(failures))
        self.stages.write(outcome)
        self.tally.book("failed", 0)
        self.progress.video(source.key, "failed", outcome.failures)
        self.progress.update()

    def _failure(
        self, video: str, stage: str, error: BaseException, span_s: tuple[float, float] | None = None
    ) -> Failure:
        return Failure(video, stage, *describe(error), span_s)


def _content(source: Source) -> str:
    """Fingerprint, also of what cannot be read."""
    try:
        return fingerprint(source.uri, source.size)
    except (OSError, ValueError):
        return "unreadable"

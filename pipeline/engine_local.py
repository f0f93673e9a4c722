"""Run a job in this process, one step after the other: for small jobs, debugging, and to check the other engine by."""

from collections.abc import Iterable, Iterator

from pipeline.errors import StopRun
from pipeline.job import Job
from pipeline.records import DecodeReport, FrameChunk, Segment
from pipeline.spool import write_segment


def run(job: Job, threads: int | None = None) -> None:
    """Raises StopRun; any other error costs the segment or video it came from."""
    stages = job.stages
    stages.features.setup(threads)
    for stage in (stages.probe, stages.decode, job.finish):
        stage.setup()
    while not job.is_over:
        if job.ready:
            _finish(job)
        elif (segment := job.ledger.next_segment()) is not None:
            _process(job, segment)
        else:
            _probe(job)


def _probe(job: Job) -> None:
    source = job.sources.popleft()
    try:
        video = job.stages.probe(source)
    except Exception as error:
        job.refuse(source, error)
    else:
        job.open_video(source, video)


def _process(job: Job, segment: Segment) -> None:
    try:
        decoded = _watched(job, job.stages.decode(segment))
        result = job.stages.features(segment, decoded)
        write_segment(job.path_of(segment), result)
    except StopRun:
        raise
    except Exception as error:
        job.lose_segment(segment, error)
    else:
        job.close_segment(segment, result.times)


def _watched(job: Job, decoded: Iterable[FrameChunk | DecodeReport]) -> Iterator[FrameChunk | DecodeReport]:
    try:
        for item in decoded:
            yield item
            if isinstance(item, FrameChunk):
                job.tally.under_way_s += item.duration_s
                job.progress.update()
    finally:
        job.tally.under_way_s = 0.0


def _finish(job: Job) -> None:
    work = job.ready.popleft()
    try:
        finished = job.finish(work)
    except StopRun:
        raise
    except Exception as error:
        job.lose_video(work, error)
    else:
        job.close_video(work, finished)

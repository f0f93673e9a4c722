"""The last step of a video: its spooled segments become rows in the tables."""

import time
from dataclasses import dataclass

from pipeline.contracts import Localize, Write
from pipeline.ledger import VideoWork
from pipeline.records import DecodeReport, Failure, Outcome, StageTimes
from pipeline.results import Results, part_name
from pipeline.spool import SpooledFeatures, read_account

_TOUCHING_S = 1e-6


@dataclass(frozen=True, slots=True)
class Finished:
    """What the driver needs to hear of a committed video."""

    status: str
    detections: int
    failures: tuple[Failure, ...]
    times: StageTimes  # of this step alone


def finish_video(work: VideoWork, localize: Localize, write: Write, results: Results) -> Finished:
    """Localize, write, commit, clear the spool. May be repeated after a crash at any point."""
    part = part_name(work.source.uri, work.source.key)
    paths = [results.spool_folder(part) / work.spool_names[segment.index] for segment in work.kept]
    accounts = [read_account(path) for path in paths]
    reports = [report for report, _ in accounts]
    times = sum((times for _, times in accounts), StageTimes())
    failures = merged([failure for report in reports for failure in report.lost] + work.lost)
    blocks = SpooledFeatures(paths)
    end_s = _end_s(work, reports, failures)
    before, detections = time.perf_counter(), None
    if any(True for _ in blocks):
        lost = [failure.span_s for failure in failures if failure.span_s is not None]
        detections = localize(blocks, end_s, lost)
    own = StageTimes({"localize": time.perf_counter() - before})
    outcome = Outcome(
        source=work.source,
        fingerprint=work.video.fingerprint,
        video=work.video,
        detections=detections,
        failures=tuple(failures),
        end_s=end_s,
        n_segments=len(work.segments),
        times=times,
        wall_s=time.time() - work.started,
    )
    before = time.perf_counter()
    write(outcome, blocks)
    own += StageTimes({"write": time.perf_counter() - before})
    results.clear_spool(part)
    return Finished(outcome.status, 0 if detections is None else len(detections), outcome.failures, own)


def _end_s(work: VideoWork, reports: list[DecodeReport], failures: list[Failure]) -> float:
    """Where the video ends: as decoded; as announced where the end is lost."""
    ends = [report.end_s for report in reports if report.end_s is not None]
    ends = ends or [work.video.duration_s]
    return max(ends + [failure.span_s[1] for failure in failures if failure.span_s is not None])


def merged(failures: list[Failure]) -> list[Failure]:
    """Failures in order of time, those that touch joined, so that they do not tell how the video was cut."""
    ordered = sorted(failures, key=lambda failure: failure.span_s or (0.0, 0.0))
    joined: list[Failure] = ordered[:1]
    for one in ordered[1:]:
        before = joined[-1]
        same = (before.error_class, before.message) == (one.error_class, one.message)
        if same and before.span_s and one.span_s and one.span_s[0] <= before.span_s[1] + _TOUCHING_S:
            span_s = before.span_s[0], max(before.span_s[1], one.span_s[1])
            joined[-1] = Failure(before.video, before.stage, before.error_class, before.message, span_s)
        else:
            joined.append(one)
    return joined

"""The last step of a video: from its segments' files to rows in the tables, or to an entry of the feature cache."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np

from pipeline.contracts import FeatureStages, Stages
from pipeline.feature_cache import FeatureCache, FeatureSettings
from pipeline.ledger import Finished, VideoWork
from pipeline.person_settings import SEEN
from pipeline.records import DecodeReport, Detections, Failure, Outcome, People, Span, StageTimes, Video
from pipeline.results import ResultsFolder, part_name
from pipeline.spool import SpooledFeatures, SpooledPeople, read_accounts

_TOUCHING_S = 1e-6


@dataclass(frozen=True, slots=True)
class Account:
    """What its segments tell of a video."""

    blocks: SpooledFeatures
    people: SpooledPeople
    is_empty: bool  # not one feature
    end_s: float
    failures: tuple[Failure, ...]
    times: StageTimes  # of all its segments

    @property
    def lost(self) -> list[Span]:
        return [failure.span_s for failure in self.failures if failure.span_s is not None]


def account_of(work: VideoWork) -> Account:
    """Raises DamagedSegments."""
    paths = [work.paths[segment.index] for segment in work.kept]
    accounts = read_accounts(paths)
    reports = [report for report, _ in accounts]
    found = [replace(failure, video=work.source.key) for report in reports for failure in report.lost]
    failures = merged(found + work.lost)
    blocks = SpooledFeatures(paths, work.source.key)
    return Account(
        blocks=blocks,
        people=SpooledPeople(paths, work.source.key),
        is_empty=not any(True for _ in blocks),
        end_s=_end_s(work, reports, failures),
        failures=tuple(failures),
        times=sum((times for _, times in accounts), StageTimes()),
    )


class KeepFeatures:
    """Make a video's features count in the cache, unless something of them was given up."""

    def __init__(self, cache: FeatureCache, stages: FeatureStages) -> None:
        self.cache = cache
        config = stages.config
        self.settings = FeatureSettings(
            features_hash=stages.features_hash,
            backbone=config.backbone.model_dump(mode="json"),
            frames=config.frames.model_dump(mode="json"),
            persons=config.persons.model_dump(mode="json", include=SEEN) if config.persons.is_on else None,
        )

    def setup(self) -> None:
        """Nothing to prepare."""

    def __call__(self, work: VideoWork) -> Finished:
        account = account_of(work)
        for _ in account.blocks:
            pass  # whoever trains on them is to find none that cannot be read
        self.keep(work, account)
        status = "failed" if account.is_empty else "partial" if account.failures else "ok"
        return Finished(status, {}, account.failures, StageTimes())

    def keep(self, work: VideoWork, account: Account) -> None:
        """Raises StopRun when the disk refuses."""
        if not (work.is_cached or work.lost or account.is_empty):
            self.cache.mark(work, account.end_s, account.failures, self.settings)

    def refuse(self, outcome: Outcome) -> None:
        """There is nothing to keep."""


class WriteTables:
    """Localize, track, write, commit, clear the spool."""

    def __init__(self, stages: Stages, results: ResultsFolder, keep: KeepFeatures | None) -> None:
        self.localize, self.track, self.write = stages.localize, stages.track, stages.write
        self.results = results
        self.keep = keep  # None: features go when the video is committed

    def setup(self) -> None:
        for stage in (self.localize, self.track):
            if stage is not None:
                stage.setup()

    def __call__(self, work: VideoWork) -> Finished:
        account = account_of(work)
        if self.keep is not None:
            self.keep.keep(work, account)
        detections = people = None
        own = StageTimes()
        if not account.is_empty:
            detections = self._actions(account, own)
            people = self._people(account, work.video, own)
        outcome = Outcome(
            source=work.source,
            fingerprint=work.video.fingerprint,
            video=work.video,
            detections=detections,
            failures=account.failures,
            end_s=account.end_s,
            n_segments=len(work.segments),
            times=account.times,
            wall_s=time.time() - work.started,
            people=people,
        )
        with _timing(own, "write"):
            self.write(outcome, account.blocks)
        self._clear_spool(outcome)
        return Finished(outcome.status, counts(outcome, localized=self.localize is not None), outcome.failures, own)

    def _actions(self, account: Account, times: StageTimes) -> Detections:
        if self.localize is None:
            return Detections(np.zeros((0, 2)), np.zeros(0, np.int64), np.zeros(0))
        with _timing(times, "localize"):
            return self.localize(account.blocks, account.end_s, account.lost)

    def _people(self, account: Account, video: Video, times: StageTimes) -> People | None:
        if self.track is None:
            return None
        with _timing(times, "track"):
            return self.track(account.people, video, account.end_s, account.lost)

    def refuse(self, outcome: Outcome) -> None:
        self.write(outcome)
        self._clear_spool(outcome)

    def _clear_spool(self, outcome: Outcome) -> None:
        self.results.clear_spool(part_name(outcome.source.uri, outcome.source.key))


def counts(outcome: Outcome, *, localized: bool) -> dict[str, int]:
    """How many there are of what was looked for; a person who does nothing is no tube."""
    found: dict[str, int] = {}
    if localized and outcome.detections is not None:
        found["actions"] = len(outcome.detections)
    if outcome.people is not None:
        found["people"] = len(np.unique(outcome.people.tracks.tracks_N))
        found["tubes"] = int((outcome.people.tubes.labels_U >= 0).sum())
    return found


@contextmanager
def _timing(times: StageTimes, stage: str) -> Iterator[None]:
    before = time.perf_counter()
    yield
    times.busy_s[stage] = time.perf_counter() - before


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

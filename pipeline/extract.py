"""Features alone: every source's in the feature cache, to train on, without localizing and without tables."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from pipeline.contracts import FeatureStages
from pipeline.engines import Engine, work
from pipeline.feature_cache import CachedVideo, FeatureCache
from pipeline.finish import KeepFeatures
from pipeline.job import Job
from pipeline.progress import Progress
from pipeline.records import Failure, Source, Video
from pipeline.settings import Config

FeatureStageMaker = Callable[[Config], FeatureStages]


@dataclass(frozen=True, slots=True)
class Extracted:
    """What came of one source."""

    source: Source
    features: CachedVideo | None  # None: failed, or a part of it was given up
    failures: tuple[Failure, ...]  # with features: spans in them without a readable picture


def extract(
    sources: Sequence[Source],
    config: Config,
    *,
    make_stages: FeatureStageMaker,
    progress: Progress,
    engine: Engine = "ray",
    address: str | None = None,
) -> list[Extracted]:
    """Compute what the cache does not hold yet, and keep it, whatever config.cache says; one result a source, in order.

    The same call again goes on where a run was stopped. Raises ConfigError before, StopRun while working.
    """
    stages = make_stages(config)
    cache = FeatureCache(stages.cache)
    extracted: dict[str, Extracted] = {}

    def ended(source: Source, video: Video | None, failures: tuple[Failure, ...]) -> None:
        cached = None if video is None else cache.cached(stages.key_of(video))
        features = None if cached is None else replace(cached, video=source.key, uri=source.uri)
        if features is None and not failures:
            failures = (Failure(source.key, "cache", "Vanished", "its features were removed from the cache meanwhile"),)
        extracted[source.uri] = Extracted(source, features, failures)

    with progress:
        job = Job(
            stages=stages,
            finish=KeepFeatures(cache, stages),
            cache=cache,
            spool_folder=lambda _, key: cache.entry(key),
            progress=progress,
            ended=ended,
        )
        job.begin(sources)
        if not job.is_over:
            work(job, engine, address)
    return [extracted[source.uri] for source in sources]

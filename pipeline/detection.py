"""The main job from end to end: sources in, tables out. The stages are handed in, since the pipeline knows no model."""

import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from pipeline.compact import split
from pipeline.config import ConfigError
from pipeline.contracts import Stages
from pipeline.engines import Engine, work
from pipeline.feature_cache import FeatureCache
from pipeline.finish import KeepFeatures, WriteTables
from pipeline.job import Job
from pipeline.progress import Progress, Tally
from pipeline.records import Source
from pipeline.results import ResultsFolder, part_name
from pipeline.selection import select
from pipeline.settings import Config

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")  # pathlib makes one slash of two

StageMaker = Callable[[Config, ResultsFolder, str], Stages]


def detect(
    sources: Sequence[Source],
    config: Config,
    out: Path,
    *,
    make_stages: StageMaker,
    progress: Progress,
    engine: Engine = "ray",
    address: str | None = None,
    retry_failed: bool = False,
) -> Tally:
    """Find actions in every source that is not committed yet. Raises ConfigError before, StopRun while working."""
    if _ADDRESS.match(str(out)):
        raise ConfigError(f"--out: {out}: tables are written to a folder, not to a store; give a path")
    run_id = time.strftime("%Y%m%dT%H%M%S")
    results = ResultsFolder(out)
    stages = make_stages(config, results, run_id)
    config = stages.config
    with results.writing(), progress:
        job = _job(stages, results, progress, retry_failed)
        selection = select(sources, results, stages.write.metadata["config_hash"], retry_failed=retry_failed)
        split(results, [part_name(source.uri, source.key) for source in selection.open])
        job.begin(selection.open, selection.done)
        results.describe(
            {
                "run_id": run_id,
                **stages.write.metadata,
                "config": config.model_dump(mode="json"),
                "inputs": len(sources),
                "engine": engine,
                "address": address,
            }
        )
        if not job.is_over:
            work(job, engine, address)
    return progress.tally


def _job(stages: Stages, results: ResultsFolder, progress: Progress, retry_failed: bool) -> Job:
    use = stages.config.cache.features
    cache = FeatureCache(stages.cache)
    keep = KeepFeatures(cache, stages) if use == "keep" else None

    def spool_folder(source: Source, features_key: str) -> Path:
        return cache.entry(features_key) if keep else results.spool_folder(part_name(source.uri, source.key))

    return Job(
        stages=stages,
        finish=WriteTables(stages, results, keep),
        cache=None if use == "off" else cache,
        spool_folder=spool_folder,
        progress=progress,
        retry_lost=retry_failed,
    )

"""The main job from end to end: sources in, tables out. The stages are handed in, since the pipeline knows no model."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

from pipeline.contracts import Stages
from pipeline.job import Job
from pipeline.progress import Progress, Tally
from pipeline.records import Source
from pipeline.results import Results
from pipeline.settings import Config

StageMaker = Callable[[Config, Results, str], Stages]


def detect(
    sources: Sequence[Source],
    config: Config,
    out: Path,
    *,
    make_stages: StageMaker,
    progress: Progress,
    engine: Literal["ray", "local"] = "ray",
    address: str | None = None,
    retry_failed: bool = False,
) -> Tally:
    """Find actions in every source that is not committed yet. Raises ConfigError before, StopRun while working."""
    run_id = time.strftime("%Y%m%dT%H%M%S")
    results = Results(out)
    stages = make_stages(config, results, run_id)
    config = stages.config
    with results.writing(), progress:
        job = Job(
            stages=stages,
            results=results,
            segment_s=config.segments.length_s,
            attempts=config.engine.attempts,
            progress=progress,
        )
        job.select(sources, retry_failed=retry_failed)
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
            _work(job, config, engine, address)
    return progress.tally


def _work(job: Job, config: Config, engine: Literal["ray", "local"], address: str | None) -> None:
    if engine == "local":
        from pipeline import engine_local

        threads = config.engine.threads
        engine_local.run(job, None if threads == "auto" else threads)
    else:
        from pipeline import engine_ray

        engine_ray.run(job, config.engine, address)

"""The two engines by name; Ray is imported only where it works."""

from typing import Literal

from pipeline.job import Job

Engine = Literal["ray", "local"]


def work(job: Job, engine: Engine, address: str | None = None) -> None:
    """Until the job is over. Raises StopRun."""
    settings = job.stages.config.engine
    if engine == "local":
        from pipeline import engine_local

        engine_local.run(job, None if settings.threads == "auto" else settings.threads)
    else:
        from pipeline import engine_ray

        engine_ray.run(job, settings, address)

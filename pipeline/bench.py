"""How fast decode and backbone are alone, and how much of that both engines keep: one video, one machine, one run."""

import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle
from math import ceil
from pathlib import Path

from rich.console import Console

from pipeline.contracts import Decode, Features, Stages
from pipeline.detection import StageMaker, detect
from pipeline.engines import Engine
from pipeline.errors import InputError, StopRun, VideoError
from pipeline.opening import local_path
from pipeline.progress import Progress
from pipeline.records import Failure, FrameChunk, Segment, Source, Video
from pipeline.results import ResultsFolder
from pipeline.segments import segments_of
from pipeline.settings import CacheSettings, Config

_LEAST_SEGMENTS, _LEAST_S = 2, 20.0  # of work for an engine; of less, start and end would be most of what is seen
_HELD_FRAMES = 256
_BACKBONE_S = 5.0

Told = Callable[[str], None]  # what is being measured


@dataclass(frozen=True, slots=True)
class Round:
    """Seconds of video a second, of each part measured once; decode and backbone count the halo as work."""

    decode_x: float
    backbone_x: float
    local_x: float
    ray_x: float
    samples_per_s: float  # samples decoded for a second of video, halo included

    @property
    def bound_x(self) -> float:
        return 1 / (1 / self.decode_x + 1 / self.backbone_x)


@dataclass(frozen=True, slots=True)
class _Subject:
    """What is measured, ready to go."""

    config: Config
    make_stages: StageMaker
    stages: Stages
    video: Video
    segments: list[Segment]
    held: list[FrameChunk]
    copies: list[Source]


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured, on what."""

    video: Video
    copies: int  # of it, that an engine worked through
    segments: int  # of each
    load: float  # of the machine, before
    rounds: list[Round]


def bench(
    source: Source,
    config: Config,
    make_stages: StageMaker,
    told: Told,
    *,
    copies: int | None = None,
    repeats: int = 1,
) -> Measured:
    """The engines work `copies` of the video through, by default enough for 20 seconds.

    Raises InputError for a video that cannot be measured, StopRun if an engine fails on it.
    """
    with tempfile.TemporaryDirectory(prefix="untrimmed-bench-") as temp:
        folder, load = Path(temp), os.getloadavg()[0]
        subject = _prepare(source, config, make_stages, copies, folder)
        rounds = [_measure(subject, folder / f"round {number}", told) for number in range(1, repeats + 1)]
    return Measured(subject.video, len(subject.copies), len(subject.segments), load, rounds)


def _prepare(source: Source, config: Config, make_stages: StageMaker, copies: int | None, folder: Path) -> _Subject:
    stages = make_stages(config, ResultsFolder(folder / "alone"), "bench")
    config = stages.config.model_copy(update={"cache": CacheSettings(features="off")})  # work, not what is kept of it
    stages.probe.setup()
    stages.decode.setup()
    try:
        video = stages.probe(source)
        segments = segments_of(video, config.segments.length_s, stages.step_s)
        before = time.perf_counter()
        held = _held(stages.decode, segments[0])
        took_s = time.perf_counter() - before
    except VideoError as error:
        raise InputError(f"{source.key}: {error}") from None
    stages.features.setup(None if config.engine.threads == "auto" else config.engine.threads)
    _run_backbone(stages.features, segments[0], iter(held[:1]))  # the first run is slower than all others
    frames, infer_s = _run_backbone(stages.features, segments[0], iter(held))
    speed_x = frames / (took_s + infer_s) / config.frames.sampled.rate
    least = ceil(max(_LEAST_SEGMENTS / len(segments), _LEAST_S * speed_x / video.duration_s))
    sources = _copies(source, copies or least, folder)
    return _Subject(config, make_stages, stages, video, segments, held, sources)


def _held(decode: Decode, segment: Segment) -> list[FrameChunk]:
    """The first frames of a segment, a couple of hundred."""
    chunks = (item for item in decode(segment) if isinstance(item, FrameChunk))
    held: list[FrameChunk] = []
    while sum(len(chunk.times_s) for chunk in held) < _HELD_FRAMES and (more := next(chunks, None)) is not None:
        held.append(more)
    if not held:
        raise VideoError("NoFrames", "not one frame of it can be decoded")
    return held


def _copies(source: Source, count: int, folder: Path) -> list[Source]:
    """The video under that many names: an engine works every address once."""
    path = local_path(source.uri)
    if count == 1:
        return [source]
    if path is None:
        raise InputError(f"{source.uri}: too short to measure from afar: give a local file or a longer video")
    links = [folder / f"copy-{number}{Path(path).suffix}" for number in range(count)]
    for link in links:
        link.symlink_to(path)
    return [Source(link.name, str(link), source.size) for link in links]


def _measure(subject: _Subject, folder: Path, told: Told) -> Round:
    """All four, one after the other, so that a busy spell of the machine falls on each of them in some round."""
    told(f"{folder.name}: decode alone")
    samples, took_s = _run_decode(subject.stages.decode, subject.segments)
    decode_x, samples_per_s = subject.video.duration_s / took_s, samples / subject.video.duration_s
    told(f"{folder.name}: backbone alone")
    frames, took_s = _run_backbone(subject.stages.features, subject.segments[0], _repeated(subject.held))
    backbone_x = frames / took_s / samples_per_s
    told(f"{folder.name}: engine local")
    local_x = _engine_x(subject, "local", folder)
    told(f"{folder.name}: engine ray")
    ray_x = _engine_x(subject, "ray", folder)
    return Round(decode_x, backbone_x, local_x, ray_x, samples_per_s)


def _run_decode(decode: Decode, segments: Sequence[Segment]) -> tuple[int, float]:
    """Samples, and the seconds that they took."""
    before = time.perf_counter()
    items = (item for segment in segments for item in decode(segment))
    samples = sum(len(item.times_s) for item in items if isinstance(item, FrameChunk))
    return samples, time.perf_counter() - before


def _run_backbone(features: Features, segment: Segment, chunks: Iterator[FrameChunk]) -> tuple[int, float]:
    """Frames, and the seconds that they took."""
    frames = 0

    def counted() -> Iterator[FrameChunk]:
        nonlocal frames
        for chunk in chunks:
            frames += len(chunk.times_s)
            yield chunk

    before = time.perf_counter()
    features(segment, counted())
    return frames, time.perf_counter() - before


def _repeated(held: Sequence[FrameChunk]) -> Iterator[FrameChunk]:
    """All of them, again and again, until there was time enough to measure."""
    started = time.perf_counter()
    yield from held
    for chunk in cycle(held):
        if time.perf_counter() - started >= _BACKBONE_S:
            return
        yield chunk


class _Timer(Progress):
    """Takes the time from the first probed video to the last committed one, and shows nothing."""

    def __init__(self) -> None:
        super().__init__(Console(quiet=True, force_terminal=False))
        self.started: float | None = None
        self.stopped = 0.0

    def update(self) -> None:
        if self.tally.probed and self.started is None:
            self.started = time.perf_counter()
        if self.tally.committed == self.tally.videos and not self.stopped:
            self.stopped = time.perf_counter()

    def video(self, key: str, status: str, failures: tuple[Failure, ...]) -> None:
        if status == "failed":
            raise StopRun(f"{key} failed, so there is nothing to measure: {failures[0].message}")


def _engine_x(subject: _Subject, engine: Engine, folder: Path) -> float:
    timer = _Timer()
    detect(
        subject.copies,
        subject.config,
        folder / engine,
        make_stages=subject.make_stages,
        progress=timer,
        engine=engine,
    )
    assert timer.started is not None  # detect came back, so every video was probed
    return timer.tally.done_s / (timer.stopped - timer.started)

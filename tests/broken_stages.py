"""Stages that fail on purpose; in a module of their own, so that Ray's workers can import them."""

import os
import signal
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from pipeline.contracts import Stages
from pipeline.errors import VideoError
from pipeline.records import DecodeReport, Detections, Failure, FeatureSequence, FrameChunk, Segment, Span
from pipeline.results import ResultsFolder
from pipeline.settings import Config
from stages.build import build_stages
from stages.decode import Decode
from stages.localize import Localize

POISON = "street.mp4"


class DeadlyDecode(Decode):
    """Kills its process on every segment of the poisonous video, as a crash in a codec would."""

    def __call__(self, segment: Segment) -> Iterator[FrameChunk | DecodeReport]:
        if segment.video.key == POISON:
            os.kill(os.getpid(), signal.SIGKILL)
        yield from super().__call__(segment)


class RaisingDecode(Decode):
    """Raises on the second segment of the poisonous video."""

    def __call__(self, segment: Segment) -> Iterator[FrameChunk | DecodeReport]:
        if segment.video.key == POISON and segment.index == 1:
            raise VideoError("Damaged", "made to fail")
        yield from super().__call__(segment)


class LosingDecode(Decode):
    """Says of the poisonous video that its second second is lost."""

    def __call__(self, segment: Segment) -> Iterator[FrameChunk | DecodeReport]:
        for item in super().__call__(segment):
            if isinstance(item, DecodeReport) and segment.video.key == POISON and segment.index == 0:
                item = replace(item, lost=(Failure(POISON, "decode", "Damaged", "made to fail", (1.0, 2.0)),))
            yield item


class RaisingLocalize(Localize):
    """Raises on one video."""

    def __call__(self, blocks: Iterable[FeatureSequence], duration_s: float, lost: Sequence[Span]) -> Detections:
        if next(iter(blocks)).video == POISON:
            raise ZeroDivisionError("made to fail")
        return super().__call__(blocks, duration_s, lost)


def with_deadly_decode(config: Config, results: ResultsFolder, run_id: str) -> Stages:
    stages = build_stages(config, results, run_id)
    return replace(stages, decode=DeadlyDecode(stages.decode.sampling))


def with_raising_decode(config: Config, results: ResultsFolder, run_id: str) -> Stages:
    stages = build_stages(config, results, run_id)
    return replace(stages, decode=RaisingDecode(stages.decode.sampling))


def with_losses(config: Config, results: ResultsFolder, run_id: str) -> Stages:
    stages = build_stages(config, results, run_id)
    return replace(stages, decode=LosingDecode(stages.decode.sampling))


def with_raising_localize(config: Config, results: ResultsFolder, run_id: str) -> Stages:
    stages = build_stages(config, results, run_id)
    return replace(stages, localize=RaisingLocalize(config.localizer))

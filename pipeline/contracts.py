"""What an engine expects of the stages it runs; their makers are in stages/, which the pipeline does not know."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from pipeline.records import (
    DecodeReport,
    Detections,
    FeatureSequence,
    FrameChunk,
    Outcome,
    Segment,
    Source,
    Span,
    Video,
)
from pipeline.settings import Config
from pipeline.spool import SegmentResult


class Probe(Protocol):
    def setup(self) -> None: ...
    def __call__(self, source: Source) -> Video: ...


class Decode(Protocol):
    def setup(self) -> None: ...
    def __call__(self, segment: Segment) -> Iterator[FrameChunk | DecodeReport]: ...


class Features(Protocol):
    def setup(self, threads: int | None = None) -> None: ...
    def __call__(self, segment: Segment, decoded: Iterable[FrameChunk | DecodeReport]) -> SegmentResult: ...


class Localize(Protocol):
    def setup(self) -> None: ...
    def __call__(self, blocks: Iterable[FeatureSequence], duration_s: float, lost: Sequence[Span]) -> Detections: ...


class Write(Protocol):
    metadata: Mapping[str, str]  # of every part: config_hash, weights_hash, software_version

    def __call__(self, outcome: Outcome, blocks: Iterable[FeatureSequence] = ()) -> None: ...


@dataclass(frozen=True, slots=True)
class Stages:
    """The stages of a run, by settings only; a worker calls setup() on those it uses."""

    config: Config  # what they were made from, nothing left open
    probe: Probe
    decode: Decode
    features: Features
    localize: Localize
    write: Write
    step_s: float  # of the backbone's grid

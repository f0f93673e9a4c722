"""What an engine expects of the stages it runs; their makers are in stages/, which the pipeline does not know."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pipeline.ledger import Finished, VideoWork
from pipeline.records import (
    DecodeReport,
    Detections,
    FeatureSequence,
    FrameChunk,
    Outcome,
    People,
    PersonBoxes,
    Segment,
    Source,
    Span,
    Video,
)
from pipeline.settings import Config
from pipeline.spool import SegmentResult, features_key


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


class Track(Protocol):
    def setup(self) -> None: ...
    def __call__(self, blocks: Iterable[PersonBoxes], video: Video, duration_s: float, lost: Sequence[Span]) -> People:
        """`blocks` are consecutive, and are gone through more than once."""


class Write(Protocol):
    metadata: Mapping[str, str]  # of every part: config_hash, weights_hash, software_version

    def __call__(self, outcome: Outcome, blocks: Iterable[FeatureSequence] = ()) -> None: ...


class Finish(Protocol):
    """The last step of a video: what becomes of its segments once each is there or given up."""

    def setup(self) -> None: ...

    def __call__(self, work: VideoWork) -> Finished:
        """May be repeated after a crash at any point. Raises DamagedSegments."""

    def refuse(self, outcome: Outcome) -> None:
        """Book a video that came to nothing; called where the driver is, without setup()."""


@dataclass(frozen=True, slots=True)
class FeatureStages:
    """The stages from a source to its features, by settings only; a worker calls setup() on those it uses."""

    config: Config  # what they were made from, nothing left open
    probe: Probe
    decode: Decode
    features: Features
    step_s: float  # of the backbone's grid
    features_hash: str  # of all that determines features, but for the video and what is given of its people
    cache: Path  # folder of features that are kept
    given: Callable[[str], str] | None  # by a video's key: hash of its people, if they are given instead of found

    def key_of(self, video: Video) -> str:
        """Of all that determines the video's features."""
        given = "" if self.given is None else f" {self.given(video.key)}"
        return features_key(self.features_hash, f"{video.fingerprint}{given}")


@dataclass(frozen=True, slots=True)
class Stages(FeatureStages):
    """The stages of a whole run."""

    localize: Localize | None  # None: actions of the whole picture are not looked for
    track: Track | None  # None: people are not looked for
    write: Write

"""What detect would do, without doing it: every source probed, its segments counted, the work estimated."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import ceil

from pipeline.contracts import Stages
from pipeline.errors import Refusal
from pipeline.probing import probe_all
from pipeline.records import Source, Video
from pipeline.segments import segments_of
from pipeline.settings import Config, Sampled

MOST_ROWS = 50


@dataclass(slots=True)
class Plan:
    """The totals, and the first videos of each kind."""

    config: Config
    step_s: float
    rows: list[tuple[Video, int]] = field(default_factory=list)  # and its number of segments
    refused: list[tuple[Source, Refusal]] = field(default_factory=list)
    videos: int = 0
    failing: int = 0
    seconds: float = 0.0
    segments: int = 0
    frames: int = 0
    key_frames: int = 0  # at which people are looked for
    pixels: int = 0

    def add(self, video: Video) -> None:
        config = self.config
        count = len(segments_of(video, config.segments.length_s, self.step_s))
        frames = ceil(video.duration_s * config.frames.sampled.rate)
        self.videos += 1
        self.seconds += video.duration_s
        self.segments += count
        self.frames += frames
        self.key_frames += ceil(video.duration_s * config.persons.rate) if config.persons.is_on else 0
        self.pixels += frames * _pixels(video, config.frames.sampled)
        if len(self.rows) < MOST_ROWS:
            self.rows.append((video, count))

    def refuse(self, source: Source, refusal: Refusal) -> None:
        self.failing += 1
        if len(self.refused) < MOST_ROWS:
            self.refused.append((source, refusal))


def plan_of(sources: Sequence[Source], stages: Stages) -> Plan:
    """Probe every source."""
    plan = Plan(stages.config, stages.step_s)
    stages.probe.setup()
    for source, found in probe_all(sources, stages.probe):
        if isinstance(found, Video):
            plan.add(found)
        else:
            plan.refuse(source, found)
    return plan


def _pixels(video: Video, frames: Sampled) -> int:
    """Of one frame as the backbone sees it, but for rounding."""
    longer = max(video.width, video.height) / min(video.width, video.height)
    return round(frames.short_side**2 * (longer if frames.fit == "keep" else 1))

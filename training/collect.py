"""From an annotation file and videos, or features made elsewhere, to the videos of both splits.

Whatever cannot be used is told, never dropped silently.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from annotations.records import Annotations
from annotations.split import split_by_fraction, split_by_subset
from pipeline.errors import StopRun
from pipeline.extract import Extracted
from pipeline.records import FeatureSequence, Source, Span
from pipeline.training_settings import SplitSettings
from training.videos import AnnotatedVideo

FRACTION = 0.2  # held out where the file knows no subsets
MOST_NAMED = 5


@dataclass(frozen=True, eq=False, slots=True)
class VideoFeatures:
    """A video's features, wherever they come from."""

    blocks: Iterable[FeatureSequence]
    duration_s: float
    lost: Sequence[Span] = ()
    source: Source | None = None


@dataclass(eq=False, slots=True)
class Splits:
    """What a training works on."""

    training: list[AnnotatedVideo]
    validation: list[AnnotatedVideo]
    class_names: tuple[str, ...]
    notices: list[str] = field(default_factory=list)


def split(annotations: Annotations, settings: SplitSettings, *, seed: int) -> tuple[Annotations, Annotations, str]:
    """Both splits, and in words how they came about. Raises AnnotationError."""
    if settings.fraction is not None:
        return *split_by_fraction(annotations, settings.fraction, seed), f"a fraction of {settings.fraction:g} by name"
    if not any(annotations.subsets):
        return *split_by_fraction(annotations, FRACTION, seed), f"a fraction of {FRACTION:g} by name: no subsets"
    return *split_by_subset(annotations, settings.training, settings.validation), "the file's subsets"


def collect(
    training: Annotations, validation: Annotations, features: Mapping[str, VideoFeatures], *, shuffle_seed: int | None
) -> Splits:
    """Annotated videos of both splits that have features. Raises StopRun if one split has none.

    With a `shuffle_seed` the training labels change places at random.
    """
    splits = Splits([], [], training.spans.labels)
    for own, annotations, what in (
        (splits.training, training, "to train on"),
        (splits.validation, validation, "to validate on"),
    ):
        missing = [name for name in annotations.spans.videos if name not in features]
        if missing:
            splits.notices.append(f"{len(missing)} videos {what} have no features: {named(missing)}")
        own += [_annotated(annotations, name, features[name]) for name in annotations.spans.videos if name in features]
        if not sum(len(video.labels_G) for video in own):
            raise StopRun(f"there is no video {what} that has both features and annotated actions")
    if shuffle_seed is not None:
        splits.training = _shuffled(splits.training, np.random.default_rng(shuffle_seed))
    return splits


def usable(extracted: Mapping[str, Extracted]) -> dict[str, VideoFeatures]:
    """Those that have features, by annotated name."""
    return {
        name: VideoFeatures(one.features.blocks, one.features.end_s, one.features.lost, one.source)
        for name, one in extracted.items()
        if one.features is not None
    }


def named(names: Sequence[str]) -> str:
    """The first few."""
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more


def _annotated(annotations: Annotations, name: str, features: VideoFeatures) -> AnnotatedVideo:
    """Spans are cut where the video ends: annotators' clocks and files' lengths differ by some frames."""
    spans = annotations.spans
    rows_N = spans.video_N == spans.videos.index(name)
    clipped_G2 = np.clip(spans.spans_N2[rows_N], 0.0, features.duration_s)
    inside_G = clipped_G2[:, 1] > clipped_G2[:, 0]
    labels_G = spans.label_N[rows_N][inside_G].astype(np.int64)
    return AnnotatedVideo(
        name, features.blocks, features.duration_s, features.lost, clipped_G2[inside_G], labels_G, features.source
    )


def _shuffled(videos: Sequence[AnnotatedVideo], rng: np.random.Generator) -> list[AnnotatedVideo]:
    labels = rng.permutation(np.concatenate([video.labels_G for video in videos]))
    shuffled, first = [], 0
    for video in videos:
        own_G = labels[first : first + len(video.labels_G)]
        first += len(own_G)
        shuffled.append(replace(video, labels_G=own_G))
    return shuffled

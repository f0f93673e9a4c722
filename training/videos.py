"""Videos to learn from: their features, and what is to be found in them.

Shape letters: S steps, C channels, G ground truths.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from detectors.temporal.windows import Window, first_grid, windows
from pipeline.records import FeatureSequence, Source, Span

_ALL_STEPS = 1 << 62


@dataclass(frozen=True, eq=False, slots=True)
class AnnotatedVideo:
    """One video of a training or validation split."""

    name: str
    blocks: Iterable[FeatureSequence]  # consecutive; may be gone through again and again
    duration_s: float
    lost: Sequence[Span]
    spans_s_G2: np.ndarray
    labels_G: np.ndarray  # int64
    source: Source | None = None  # where its pictures are, None if it is known by features made elsewhere


@dataclass(frozen=True, eq=False, slots=True)
class Lesson:
    """A video in memory, its actions in steps."""

    features_SC: np.ndarray  # float16
    shown_S: np.ndarray  # bool, False where the picture is lost
    spans_G2: np.ndarray
    labels_G: np.ndarray


def lesson_of(video: AnnotatedVideo) -> Lesson:
    """Raises DamagedSegments."""
    whole = whole_of(video.blocks, video.lost)
    spans_G2 = first_grid(video.blocks).steps(video.spans_s_G2)
    return Lesson(whole.features_SC.astype(np.float16), whole.shown_S, spans_G2, video.labels_G)


def whole_of(blocks: Iterable[FeatureSequence], lost: Sequence[Span] = ()) -> Window:
    """All steps of a video as one window."""
    return next(windows(blocks, core_steps=_ALL_STEPS, halo=0, lost=lost))

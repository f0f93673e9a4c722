"""A summary of annotations before someone trains or measures on them: what there is, what is missing, what looks wrong.

Shape letters: N spans.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from annotations.matching import match_videos
from annotations.records import Annotations, LabelledSpans
from annotations.suspicions import (
    Suspicion,
    count_classes,
    count_overlaps,
    distinct,
    rows_by,
    same_class_overlaps,
    suspicions_of,
)

QUANTILES = (0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True, slots=True)
class ClassSummary:
    """One class; labels without instances have none."""

    label: str
    instances: int
    videos: int
    total_s: float
    duration_quantiles_s: tuple[float, ...]  # at QUANTILES
    instances_by_subset: Mapping[str | None, int]  # None: videos whose subset the file does not tell


@dataclass(frozen=True, slots=True)
class Summary:
    """What `annotations check` shows."""

    classes: tuple[ClassSummary, ...]
    num_videos: int
    num_instances: int
    videos_by_subset: Mapping[str | None, int]
    overlaps_same_class: int  # pairs of spans of one video; duplicates count once
    overlaps_other_class: int
    missing_videos: tuple[str, ...] | None  # annotated, but not in the folder; None where no folder was looked at
    unannotated_videos: tuple[str, ...] | None  # in the folder, but not annotated
    suspicions: tuple[Suspicion, ...]


def summarize(
    annotations: Annotations,
    names: Sequence[str] | None = None,
    durations_s: Mapping[str, float] | None = None,
) -> Summary:
    """`names`: the videos of a folder; `durations_s`: those probed, by these names, or by the file's without `names`.

    Raises AnnotationError where names are ambiguous.
    """
    spans = annotations.spans
    key_of = match_videos(names if names is not None else spans.videos, spans.videos)
    probed_s = {key_of[name]: duration_s for name, duration_s in (durations_s or {}).items() if name in key_of}
    found = set(key_of.values())
    same, every = _count_overlaps(distinct(spans))
    return Summary(
        classes=_classes(annotations),
        num_videos=len(spans.videos),
        num_instances=len(spans),
        videos_by_subset=Counter(annotations.subsets),
        overlaps_same_class=same,
        overlaps_other_class=every - same,
        missing_videos=None if names is None else tuple(key for key in spans.videos if key not in found),
        unannotated_videos=None if names is None else tuple(name for name in names if name not in key_of),
        suspicions=tuple(suspicions_of(annotations, probed_s)),
    )


def _classes(annotations: Annotations) -> tuple[ClassSummary, ...]:
    spans = annotations.spans
    _, by_subset = count_classes(annotations)
    lengths_N = spans.spans_N2[:, 1] - spans.spans_N2[:, 0]
    rows_of = rows_by(spans.label_N)
    return tuple(
        ClassSummary(
            label=spans.labels[label],
            instances=len(rows_N),
            videos=len(np.unique(spans.video_N[rows_N])),
            total_s=float(lengths_N[rows_N].sum()),
            duration_quantiles_s=tuple(np.quantile(lengths_N[rows_N], QUANTILES).tolist()),
            instances_by_subset={
                subset: counts[name] for subset, counts in by_subset.items() if (name := spans.labels[label]) in counts
            },
        )
        for label, rows_N in rows_of.items()
    )


def _count_overlaps(spans: LabelledSpans) -> tuple[int, int]:
    """Pairs of one class, and all pairs."""
    every = sum(count_overlaps(spans.spans_N2[rows_N]) for rows_N in rows_by(spans.video_N).values())
    return sum(same_class_overlaps(spans).values()), every

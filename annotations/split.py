"""Which annotated videos to train on and which to validate on: by the file's subsets, or by a fraction."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from annotations.errors import AnnotationError
from annotations.records import Annotations


def of_subsets(annotations: Annotations, names: Sequence[str]) -> Annotations:
    """Videos of these subsets, upper or lower case. Raises AnnotationError if there are none, or without spans."""
    wanted = {name.casefold() for name in names}
    pairs = zip(annotations.spans.videos, annotations.subsets, strict=True)
    videos = [video for video, subset in pairs if subset is not None and subset.casefold() in wanted]
    asked = " or ".join(repr(name) for name in names)
    if not videos:
        raise AnnotationError(f"no video is in subset {asked}; {_there_are(annotations.subsets)}")
    chosen = annotations.of_videos(videos)
    if not len(chosen.spans):
        raise AnnotationError(f"the videos of subset {asked} have no annotated spans; choose another subset")
    return chosen


def split_by_subset(
    annotations: Annotations, train: Sequence[str], validation: Sequence[str]
) -> tuple[Annotations, Annotations]:
    """Training and validation videos by names of subsets; of each list one must be there. Raises AnnotationError."""
    both = {name.casefold() for name in train} & {name.casefold() for name in validation}
    if both:
        raise AnnotationError(f"subset {min(both)!r} is named to train on and to validate on; choose one")
    return of_subsets(annotations, train), of_subsets(annotations, validation)


def split_by_fraction(
    annotations: Annotations, validation_fraction: float, seed: int
) -> tuple[Annotations, Annotations]:
    """Training and validation videos: the same for the same names and seed, whatever their order in the file.

    Videos with and without spans are shared out by themselves, so that each side has annotated ones. Raises
    AnnotationError if less than two videos have spans.
    """
    if not 0 < validation_fraction < 1:
        raise AnnotationError(f"the fraction to validate on must lie between 0 and 1, got {validation_fraction}")
    videos = annotations.spans.videos
    annotated = {videos[number] for number in np.unique(annotations.spans.video_N)}
    if len(annotated) < 2:
        raise AnnotationError(f"{len(annotated)} video has annotated spans; a split needs two: annotate another")
    held_out = set(_first(annotated, validation_fraction, seed, least=1))
    held_out |= set(_first(set(videos) - annotated, validation_fraction, seed, least=0))
    return (
        annotations.of_videos([name for name in videos if name not in held_out]),
        annotations.of_videos([name for name in videos if name in held_out]),
    )


def _first(names: Iterable[str], fraction: float, seed: int, *, least: int) -> list[str]:
    """That fraction of the names, those whose hashes come first; at least so many are taken, and are left."""

    def key(name: str) -> str:
        return hashlib.sha256(f"{seed}/{name}".encode("utf-8", "surrogateescape")).hexdigest()

    ranked = sorted(names, key=key)
    return ranked[: min(max(round(fraction * len(ranked)), least), len(ranked) - least)]


def _there_are(subsets: Sequence[str | None]) -> str:
    counts = Counter(subset for subset in subsets if subset is not None)
    if not counts:
        return "the file tells no subsets: split by a fraction"
    return "there are " + ", ".join(f"{name!r} ({count} videos)" for name, count in sorted(counts.items()))

"""What in annotations looks like a slip, though a file may say it.

Shape letters: N spans, V videos.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from annotations.records import Annotations, LabelledSpans
from annotations.values import DURATION_TOLERANCE_S

SHORT_S = 0.1
FEW_INSTANCES = 5

Kind = Literal[
    "duplicate",
    "short span",
    "whole video",
    "beyond the end",
    "duration",
    "overlap",
    "rare class",
    "absent class",
    "empty subset",
    "similar labels",
]


@dataclass(frozen=True, slots=True)
class Suspicion:
    """Something that looks like a slip."""

    kind: Kind
    where: str  # a video with its span, a class or a subset
    what: str


def suspicions_of(annotations: Annotations, durations_s: Mapping[str, float]) -> Iterator[Suspicion]:
    """`durations_s`: what probing has told, by the names of the annotation file."""
    yield from _of_spans(annotations, durations_s)
    yield from _of_durations(annotations, durations_s)
    yield from _same_class_overlaps(annotations.spans)
    yield from _of_classes(annotations)
    yield from _similar_labels(annotations.spans.labels)


def _of_spans(annotations: Annotations, durations_s: Mapping[str, float]) -> Iterator[Suspicion]:
    spans = annotations.spans
    seen: set[tuple[int, float, float, int]] = set()
    rows = zip(spans.video_N.tolist(), spans.spans_N2.tolist(), spans.label_N.tolist(), strict=True)
    for video, (start_s, stop_s), label in rows:
        name = spans.videos[video]
        duration_s = durations_s.get(name, annotations.durations_s[video])
        where = f"{name} [{start_s:g}, {stop_s:g}] {spans.labels[label]}"
        key = (video, start_s, stop_s, label)
        if key in seen:
            yield Suspicion("duplicate", where, "the same span of the same class was there before")
        seen.add(key)
        if stop_s - start_s < SHORT_S:
            yield Suspicion("short span", where, f"{stop_s - start_s:g} s long, shorter than {SHORT_S} s")
        if duration_s is None:
            continue
        if stop_s > duration_s + DURATION_TOLERANCE_S:
            yield Suspicion("beyond the end", where, f"the video ends at {duration_s:g} s")
        elif start_s <= SHORT_S and stop_s >= duration_s - SHORT_S:
            yield Suspicion("whole video", where, f"covers all {duration_s:g} s of the video")


def _of_durations(annotations: Annotations, durations_s: Mapping[str, float]) -> Iterator[Suspicion]:
    for name, told_s in zip(annotations.spans.videos, annotations.durations_s, strict=True):
        probed_s = durations_s.get(name)
        if told_s is not None and probed_s is not None and abs(told_s - probed_s) > DURATION_TOLERANCE_S:
            yield Suspicion("duration", name, f"{told_s:g} s in the annotations, {probed_s:g} s in the file")


def _same_class_overlaps(spans: LabelledSpans) -> Iterator[Suspicion]:
    for (video, label), pairs in same_class_overlaps(distinct(spans)).items():
        where = f"{spans.videos[video]} {spans.labels[label]}"
        yield Suspicion("overlap", where, f"{pairs} {'pair' if pairs == 1 else 'pairs'} of spans of this class overlap")


def distinct(spans: LabelledSpans) -> LabelledSpans:
    """Without what is there twice, which is no overlap but a slip of its own."""
    rows_N4 = np.column_stack([spans.video_N, spans.label_N, spans.spans_N2])
    return spans.where(np.sort(np.unique(rows_N4, axis=0, return_index=True)[1]))


def same_class_overlaps(spans: LabelledSpans) -> dict[tuple[int, int], int]:
    """Overlapping pairs by (video, label); those without any are left out."""
    groups = spans.video_N * max(len(spans.labels), 1) + spans.label_N
    pairs_of = {group: count_overlaps(spans.spans_N2[rows_N]) for group, rows_N in rows_by(groups).items()}
    return {divmod(group, len(spans.labels)): pairs for group, pairs in pairs_of.items() if pairs}


def rows_by(groups_N: np.ndarray) -> dict[int, np.ndarray]:
    """Row indices of each group, in one sort."""
    order_N = np.argsort(groups_N, kind="stable")
    groups, begins = np.unique(groups_N[order_N], return_index=True)
    return dict(zip(groups.tolist(), np.split(order_N, begins[1:]), strict=bool(len(groups))))


def count_overlaps(spans_N2: np.ndarray) -> int:
    """Pairs of spans that share some time; spans that only touch do not."""
    spans_N2 = spans_N2[np.argsort(spans_N2[:, 0], kind="stable")]
    begun_N = np.searchsorted(spans_N2[:, 0], spans_N2[:, 1], side="left")
    return int((begun_N - np.arange(1, len(spans_N2) + 1)).sum())


def _of_classes(annotations: Annotations) -> Iterator[Suspicion]:
    totals, by_subset = count_classes(annotations)
    for label, count in sorted(totals.items()):
        if count < FEW_INSTANCES:
            instances = "1 instance" if count == 1 else f"{count} instances"
            yield Suspicion("rare class", label, f"{instances}, fewer than {FEW_INSTANCES}")
    for subset in sorted({subset for subset in annotations.subsets if subset is not None}):
        there = by_subset.get(subset, Counter())
        if not there:
            yield Suspicion("empty subset", subset, "no video of it has an annotated span")
            continue
        for label in sorted(totals.keys() - there.keys()):
            yield Suspicion("absent class", label, f"no instance in subset {subset!r}")


def count_classes(annotations: Annotations) -> tuple[Counter[str], dict[str | None, Counter[str]]]:
    """Instances by label: of all videos, and of each subset that has any."""
    spans = annotations.spans
    by_subset: dict[str | None, Counter[str]] = defaultdict(Counter)
    for video, label in zip(spans.video_N.tolist(), spans.label_N.tolist(), strict=True):
        by_subset[annotations.subsets[video]][spans.labels[label]] += 1
    return sum(by_subset.values(), Counter()), dict(by_subset)


def _similar_labels(labels: tuple[str, ...]) -> Iterator[Suspicion]:
    alike: dict[str, list[str]] = defaultdict(list)
    for label in labels:
        alike["".join(label.casefold().split())].append(label)
    for names in alike.values():
        if len(names) > 1:
            listed = ", ".join(repr(name) for name in names)
            yield Suspicion("similar labels", names[0], f"{listed} differ in case or blanks alone")

"""What a check of annotations counts, and what it finds suspicious."""

from typing import Any

import pytest
from annotation_samples import Row, annotations_of, spans_of
from hypothesis import given
from hypothesis import strategies as st

from annotations.check import summarize
from annotations.suspicions import Kind, count_overlaps

MANY: list[Row] = [(video, 10.0 * n, 10.0 * n + 1, label) for video in (0, 1) for n, label in enumerate(["run"] * 5)]


def kinds(summary: Any) -> list[tuple[str, str]]:
    return [(one.kind, one.where) for one in summary.suspicions]


def test_sound_annotations_raise_no_suspicion() -> None:
    annotations = annotations_of(MANY, ["a", "b"], [60.0, None], ["train", "val"])
    summary = summarize(annotations, ["a.mp4", "sub/b.mp4"], {"a.mp4": 60.3, "sub/b.mp4": 60.0})
    assert summary.suspicions == ()
    assert (summary.missing_videos, summary.unannotated_videos) == ((), ())


def test_classes_and_subsets_are_counted() -> None:
    rows = [*MANY, (0, 70.0, 74.0, "hop"), (0, 80.0, 82.0, "hop")]
    summary = summarize(annotations_of(rows, ["a", "b", "c"], subsets=["train", "val", None]))
    hop, run = summary.classes
    assert (hop.label, hop.instances, hop.videos, hop.total_s) == ("hop", 2, 1, 6.0)
    assert hop.duration_quantiles_s == (2.0, 2.5, 3.0, 3.5, 4.0)
    assert hop.instances_by_subset == {"train": 2}
    assert run.instances_by_subset == {"train": 5, "val": 5}
    assert (summary.num_videos, summary.num_instances) == (3, 12)
    assert summary.videos_by_subset == {"train": 1, "val": 1, None: 1}
    assert summary.missing_videos is None and summary.unannotated_videos is None


def test_videos_are_compared_with_the_folder() -> None:
    summary = summarize(annotations_of(MANY, ["a", "b"]), ["sub/a.mp4", "more.mp4"])
    assert (summary.missing_videos, summary.unannotated_videos) == (("b",), ("more.mp4",))


def test_overlaps_are_counted_by_pairs_within_a_video() -> None:
    rows = [(0, 0, 4, "run"), (0, 3, 6, "run"), (0, 5, 9, "hop"), (0, 9, 10, "hop"), (1, 0, 9, "run"), (1, 0, 9, "run")]
    summary = summarize(annotations_of(rows, ["a", "b"]))
    assert (summary.overlaps_same_class, summary.overlaps_other_class) == (1, 1)
    assert ("overlap", "a run") in kinds(summary)
    assert [where for kind, where in kinds(summary) if kind == "overlap"] == ["a run"]


@pytest.mark.parametrize(
    ("row", "kind", "where"),
    [
        ((0, 10.0, 11.0, "run"), "duplicate", "a [10, 11] run"),
        ((0, 55.0, 55.05, "run"), "short span", "a [55, 55.05] run"),
        ((0, 0.0, 60.0, "hop"), "whole video", "a [0, 60] hop"),
        ((1, 79.0, 81.0, "run"), "beyond the end", "b [79, 81] run"),
        ((0, 55.0, 58.0, "hop"), "rare class", "hop"),
        ((0, 55.0, 58.0, "hop"), "absent class", "hop"),
        ((0, 55.0, 58.0, "RUN"), "similar labels", "RUN"),
        ((0, 55.0, 58.0, "r un"), "similar labels", "r un"),
    ],
)
def test_slip_is_seen(row: Row, kind: Kind, where: str) -> None:
    annotations = annotations_of([*MANY, row], ["a", "b"], [60.0, None], ["train", "val"])
    assert (kind, where) in kinds(summarize(annotations, durations_s={"b": 70.0}))


def test_durations_that_disagree_are_seen() -> None:
    annotations = annotations_of(MANY, ["a", "b"], [60.0, 60.0])
    assert kinds(summarize(annotations, ["a.mp4", "b.mp4"], {"a.mp4": 60.4, "b.mp4": 61.0})) == [("duration", "b")]


def test_subset_without_spans_is_one_suspicion_rather_than_one_for_each_class() -> None:
    annotations = annotations_of(MANY, ["a", "b", "c"], subsets=["train", "val", "testing"])
    assert kinds(summarize(annotations)) == [("empty subset", "testing")]


spans = st.lists(st.tuples(st.integers(0, 20), st.integers(1, 9)), max_size=12)


@given(spans)
def test_overlaps_equal_those_counted_pair_by_pair(spans: list[tuple[int, int]]) -> None:
    rows: list[Row] = [(0, start, start + length, "run") for start, length in spans]
    slow = sum(max(one[1], other[1]) < min(one[2], other[2]) for n, one in enumerate(rows) for other in rows[:n])
    assert count_overlaps(spans_of(rows, ["a"]).spans_N2) == slow

"""Splits that no order of the file changes, and that leave neither side empty."""

from random import Random

import pytest
from annotation_samples import annotations_of, plain
from hypothesis import given
from hypothesis import strategies as st

from annotations.errors import AnnotationError
from annotations.records import Annotations
from annotations.split import of_subsets, split_by_fraction, split_by_subset


def annotated(names: list[str], quiet: int = 0) -> Annotations:
    """A span in each video but for the last `quiet`."""
    rows = [(number, float(number), number + 1.0, "run") for number in range(len(names) - quiet)]
    return annotations_of(rows, names)


def test_subsets_are_found_by_any_of_the_names_given() -> None:
    annotations = annotations_of(
        [(0, 0, 1, "run"), (1, 1, 2, "run"), (2, 2, 3, "run")], ["a", "b", "c"], subsets=["Training", "Test", "other"]
    )
    train, validation = split_by_subset(annotations, ["training", "train"], ["val", "test"])
    assert plain(train.spans) == [("a", 0, 1, "run")]
    assert plain(validation.spans) == [("b", 1, 2, "run")]


def test_subset_that_is_not_there_is_refused_with_those_that_are() -> None:
    annotations = annotations_of([(0, 0, 1, "run")], ["a", "b", "c"], subsets=["training", "training", "val"])
    with pytest.raises(AnnotationError, match=r"subset 'vla'; there are 'training' \(2 videos\), 'val' \(1 videos\)"):
        of_subsets(annotations, ["vla"])
    with pytest.raises(AnnotationError, match="the videos of subset 'val' have no annotated spans"):
        of_subsets(annotations, ["val"])
    with pytest.raises(AnnotationError, match="the file tells no subsets"):
        of_subsets(annotated(["a"]), ["val"])


def test_one_subset_for_both_sides_is_refused() -> None:
    with pytest.raises(AnnotationError, match="'val' is named to train on and to validate on"):
        split_by_subset(annotated(["a"]), ["train", "val"], ["VAL"])


names = st.lists(st.text(min_size=1, max_size=5), min_size=2, max_size=20, unique=True)


@given(names, st.floats(0.01, 0.99), st.integers(), st.randoms())
def test_fraction_is_stable_under_order_and_leaves_both_sides_spans(
    names: list[str], fraction: float, seed: int, random: Random
) -> None:
    train, validation = split_by_fraction(annotated(names), fraction, seed)
    assert len(train.spans) and len(validation.spans)
    assert sorted([*train.spans.videos, *validation.spans.videos]) == sorted(names)
    assert abs(len(validation.spans.videos) - fraction * len(names)) <= 1
    shuffled = random.sample(names, len(names))
    assert set(split_by_fraction(annotated(shuffled), fraction, seed)[1].spans.videos) == set(validation.spans.videos)


def test_videos_without_spans_are_shared_out_by_themselves() -> None:
    annotations = annotated([f"v{number}" for number in range(12)], quiet=10)
    train, validation = split_by_fraction(annotations, 0.5, seed=0)
    assert (len(train.spans), len(validation.spans)) == (1, 1)
    assert (len(train.spans.videos), len(validation.spans.videos)) == (6, 6)


def test_seed_changes_the_split() -> None:
    annotations = annotated([f"v{number}" for number in range(20)])
    splits = {split_by_fraction(annotations, 0.3, seed)[1].spans.videos for seed in range(5)}
    assert len(splits) > 1


def test_split_that_cannot_be_is_refused() -> None:
    with pytest.raises(AnnotationError, match="1 video has annotated spans; a split needs two"):
        split_by_fraction(annotated(["a", "b"], quiet=1), 0.5, seed=0)
    with pytest.raises(AnnotationError, match="must lie between 0 and 1, got 1"):
        split_by_fraction(annotated(["a", "b"]), 1, seed=0)

"""Annotations and features brought together: what is used, what is told, what stops a training before it begins."""

import numpy as np
import pytest
from labelled import spans
from small_training import STEP_S, video

from annotations.records import Annotations
from pipeline.errors import StopRun
from pipeline.training_settings import SplitSettings
from training.collect import VideoFeatures, collect, named, split

VIDEOS = ("a", "b", "c", "d")
ROWS = [
    ("a", 1.0, 4.0, "run"),
    ("a", 5.0, 9.0, "jump"),
    ("b", 2.0, 3.0, "run"),
    ("c", 2.0, 50.0, "jump"),
    ("c", 45.0, 50.0, "jump"),
]


def annotations(*subsets: str | None) -> Annotations:
    subsets = subsets or ("training", "training", "validation", "validation")
    return Annotations(spans(ROWS, VIDEOS), (None,) * 4, subsets)


def features(*names: str) -> dict[str, VideoFeatures]:
    return {name: VideoFeatures(video(name, 0).blocks, 130 * STEP_S) for name in names}  # 41.6 s


def both(whole: Annotations) -> tuple[Annotations, Annotations]:
    training, validation, _ = split(whole, SplitSettings(), seed=0)
    return training, validation


def test_videos_come_with_their_own_actions_cut_where_they_end() -> None:
    splits = collect(*both(annotations()), features(*VIDEOS), shuffle_seed=None)
    assert [one.name for one in splits.training] == ["a", "b"] and [one.name for one in splits.validation] == ["c", "d"]
    assert splits.class_names == ("run", "jump", "swim") and splits.notices == []
    assert splits.training[0].spans_s_G2.tolist() == [[1, 4], [5, 9]] and splits.training[0].labels_G.tolist() == [0, 1]
    assert splits.validation[0].spans_s_G2.tolist() == [[2, 130 * STEP_S]]  # the other one begins after the end
    assert splits.validation[1].spans_s_G2.shape == (0, 2)


def test_videos_without_features_are_told() -> None:
    splits = collect(*both(annotations()), features("a", "c"), shuffle_seed=None)
    assert splits.notices == [
        "1 videos to train on have no features: b",
        "1 videos to validate on have no features: d",
    ]


@pytest.mark.parametrize(("there", "what"), [(("c", "d"), "to train on"), (("a", "b", "d"), "to validate on")])
def test_a_split_without_actions_stops_it(there: tuple[str, ...], what: str) -> None:
    with pytest.raises(StopRun, match=f"there is no video {what} that has both features and annotated actions"):
        collect(*both(annotations()), features(*there), shuffle_seed=None)


def test_shuffled_labels_are_as_many_of_each_and_validation_keeps_its_own() -> None:
    plain = collect(*both(annotations()), features(*VIDEOS), shuffle_seed=None)
    orders = set()
    for seed in range(20):
        shuffled = collect(*both(annotations()), features(*VIDEOS), shuffle_seed=seed)
        labels = np.concatenate([one.labels_G for one in shuffled.training])
        assert sorted(labels) == [0, 0, 1]
        orders.add(tuple(labels))
        for one, other in zip(shuffled.training, plain.training, strict=True):
            np.testing.assert_array_equal(one.spans_s_G2, other.spans_s_G2)
        np.testing.assert_array_equal(shuffled.validation[0].labels_G, plain.validation[0].labels_G)
    assert len(orders) == 3


def test_a_fraction_is_held_out_where_it_is_asked_for_or_where_there_are_no_subsets() -> None:
    for whole, settings in (
        (annotations(None, None, None, None), SplitSettings()),
        (annotations(), SplitSettings(fraction=0.3)),
    ):
        training, validation, how = split(whole, settings, seed=0)
        assert how.startswith("a fraction of ") and set(training.spans.videos) | set(validation.spans.videos) == set(
            VIDEOS
        )
        assert not set(training.spans.videos) & set(validation.spans.videos)
        assert len(training.spans) and len(validation.spans)


def test_long_lists_are_cut() -> None:
    assert named(["a", "b"]) == "a, b"
    assert named(list("abcdefg")) == "a, b, c, d, e and 2 more"

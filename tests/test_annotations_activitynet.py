"""ActivityNet's JSON as people have it: times as strings, videos without spans, subsets and durations that lack."""

import json
from pathlib import Path

import numpy as np
from annotation_samples import RESULTS, UNTRIMMED, annotations_of, plain, put, spans_of

from annotations.activitynet import (
    read_activitynet,
    read_activitynet_results,
    write_activitynet,
    write_activitynet_annotations,
)


def test_annotations_are_read_with_all_that_the_file_tells(tmp_path: Path) -> None:
    found = read_activitynet(put(tmp_path / "a.json", UNTRIMMED))
    assert found.spans.videos == ("ut_train_group0_take0", "ut_train_group4_take0", "ut_train_group4_take1")
    assert found.spans.labels == ("handshake", "hug", "point", "punch")
    assert found.durations_s == (97.933, 50.0, 12.0)
    assert found.subsets == ("training", "validation", "validation")
    assert found.spans.scores_N is None
    assert plain(found.spans) == [
        ("ut_train_group0_take0", 3.2, 7.633, "point"),
        ("ut_train_group0_take0", 18.233, 21.833, "punch"),
        ("ut_train_group0_take0", 28.233, 34.333, "handshake"),
        ("ut_train_group4_take0", 9.5, 15.167, "hug"),
    ]


def test_duration_and_subset_may_lack(tmp_path: Path) -> None:
    document = {"database": {"v": {"annotations": [{"segment": [0, 1], "label": " run "}]}}}
    found = read_activitynet(put(tmp_path / "a.json", document))
    assert (found.durations_s, found.subsets, found.spans.labels) == ((None,), (None,), ("run",))


def test_span_over_the_end_is_clipped_within_half_a_second(tmp_path: Path) -> None:
    document = {"database": {"v": {"duration": 10, "annotations": [{"segment": [4, 10.5], "label": "run"}]}}}
    assert read_activitynet(put(tmp_path / "a.json", document)).spans.spans_N2.tolist() == [[4.0, 10.0]]


def test_results_are_read_with_videos_where_nothing_was_found(tmp_path: Path) -> None:
    found = read_activitynet_results(put(tmp_path / "r.json", RESULTS))
    assert found.videos == ("a", "b")
    assert plain(found) == [("a", 1.0, 2.5, "run", 0.75), ("a", 4.0, 5.0, "hop", 0.5)]


def test_written_results_have_the_fields_that_the_official_evaluator_asks_for(tmp_path: Path) -> None:
    write_activitynet(spans_of([(1, 0.1, 0.7, "run")], ["a", "b"], [0.3]), tmp_path / "r.json")
    document = json.loads((tmp_path / "r.json").read_text())
    assert sorted(document) == ["external_data", "results", "version"]
    assert document["results"] == {"a": [], "b": [{"segment": [0.1, 0.7], "label": "run", "score": 0.3}]}


def test_written_annotations_leave_out_what_is_not_known(tmp_path: Path) -> None:
    annotations = annotations_of([(0, 0.1, 0.7, "run")], ["a", "b"], [None, 9.0], ["training", None])
    write_activitynet_annotations(annotations, tmp_path / "a.json")
    assert json.loads((tmp_path / "a.json").read_text())["database"] == {
        "a": {"subset": "training", "annotations": [{"segment": [0.1, 0.7], "label": "run"}]},
        "b": {"duration": 9.0, "annotations": []},
    }


def test_spans_of_one_video_stay_in_the_order_of_the_file(tmp_path: Path) -> None:
    entries = [{"segment": [start, 9], "label": "run"} for start in (5, 1, 3)]
    found = read_activitynet(put(tmp_path / "a.json", {"database": {"v": {"annotations": entries}}}))
    np.testing.assert_array_equal(found.spans.spans_N2[:, 0], [5, 1, 3])

"""THUMOS' files as its challenge hands them out."""

from collections.abc import Callable
from pathlib import Path

import pytest
from annotation_samples import plain, put

from annotations.errors import AnnotationError
from annotations.thumos import read_thumos_detections, read_thumos_folder, read_thumos_text


def test_folder_of_classes_gives_labels_and_subsets_by_name_of_file(tmp_path: Path) -> None:
    put(
        tmp_path / "Billiards_val.txt",
        "video_validation_0000051  67.5  75.9\r\nvideo_validation_0000052  24.3  24.8\r\n",
    )
    put(tmp_path / "High_Jump_test.txt", "video_test_0000004  0.2  1.1\n\n")
    put(tmp_path / "Ambiguous_val.txt", "video_validation_0000051  1.0  2.0\n")
    put(tmp_path / "readme.txt", "no rows here\n")
    found = read_thumos_folder(tmp_path)
    assert plain(found.spans) == [
        ("video_validation_0000051", 67.5, 75.9, "Billiards"),
        ("video_validation_0000052", 24.3, 24.8, "Billiards"),
        ("video_test_0000004", 0.2, 1.1, "High_Jump"),
    ]
    assert found.subsets == ("val", "val", "test")
    assert found.durations_s == (None, None, None)


def test_video_in_two_classes_is_one_video(tmp_path: Path) -> None:
    put(tmp_path / "CliffDiving_val.txt", "v 1 2\n")
    put(tmp_path / "Diving_val.txt", "v 1 2\nv 3 4\n")
    found = read_thumos_folder(tmp_path)
    assert found.spans.videos == ("v",)
    assert plain(found.spans) == [("v", 1, 2, "CliffDiving"), ("v", 1, 2, "Diving"), ("v", 3, 4, "Diving")]


def test_video_in_two_subsets_is_refused(tmp_path: Path) -> None:
    put(tmp_path / "Diving_val.txt", "v 1 2\n")
    put(tmp_path / "Diving_test.txt", "v 3 4\n")
    with pytest.raises(AnnotationError, match=r"Diving_val.txt row 1: subset 'val', but 'test' before"):
        read_thumos_folder(tmp_path)


def test_misnamed_class_file_is_refused_rather_than_left_out(tmp_path: Path) -> None:
    put(tmp_path / "Diving_val.txt", "v 1 2\n")
    put(tmp_path / "Billiards_vla.txt", "v 3 4\n")
    with pytest.raises(AnnotationError, match=r"Billiards_vla.txt: is not named <Class>_<subset>.txt"):
        read_thumos_folder(tmp_path)


def test_text_with_labels_may_hold_blanks_in_labels_and_between_tabs_in_names(tmp_path: Path) -> None:
    found = read_thumos_text(put(tmp_path / "a.txt", "v1 1 2.5 high jump\nmy video\t3\t4\tlong jump\n"))
    assert plain(found.spans) == [("v1", 1, 2.5, "high jump"), ("my video", 3, 4, "long jump")]


def test_detections_are_named_by_the_list_of_thumos_kit(tmp_path: Path) -> None:
    put(tmp_path / "detclasslist.txt", "7 BaseballPitch\n9 BasketballDunk\n")
    found = read_thumos_detections(put(tmp_path / "d.txt", "video_test_0000004 0.2 1.1 9 0.5\n"))
    assert plain(found) == [("video_test_0000004", 0.2, 1.1, "BasketballDunk", 0.5)]


@pytest.mark.parametrize("text", ["", " \n\n"])
def test_file_without_rows_is_a_prediction_of_nothing_but_no_annotations(tmp_path: Path, text: str) -> None:
    path = put(tmp_path / "d.txt", text)
    found = read_thumos_detections(path)
    assert (found.videos, found.labels, len(found), found.scores_N is None) == ((), (), 0, False)
    with pytest.raises(AnnotationError, match="is empty"):
        read_thumos_text(path)


@pytest.mark.parametrize(
    ("read", "row", "message"),
    [
        (read_thumos_text, "v 1 2 7 0.5\n", "row 1: has a class number and a score: predictions"),
        (read_thumos_detections, "v 1 2 run\n", "row 1: has no score: annotations"),
    ],
)
def test_file_of_the_other_kind_is_refused_with_one_line(
    tmp_path: Path, read: Callable[[Path], object], row: str, message: str
) -> None:
    with pytest.raises(AnnotationError, match=message) as caught:
        read(put(tmp_path / "d.txt", 9 * row))
    assert "\n" not in str(caught.value)

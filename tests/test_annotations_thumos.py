"""THUMOS' files as its challenge hands them out and asks for them."""

from pathlib import Path

import pytest

from annotations.errors import AnnotationError
from annotations.thumos import read_thumos_detections, read_thumos_folder, read_thumos_text, write_thumos
from tests.annotation_samples import plain, put, spans_of


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


def test_written_rows_are_those_of_the_challenge_with_classes_beside(tmp_path: Path) -> None:
    found = spans_of([(0, 0.5, 1.25, "run"), (0, 2.0, 3.0, "hop")], ["sub/v.mp4"], [0.75, 1e-05])
    write_thumos(found, tmp_path / "d.txt")
    assert (tmp_path / "d.txt").read_text() == "sub/v.mp4 0.5 1.25 2 0.75\nsub/v.mp4 2.0 3.0 1 1e-05\n"
    assert (tmp_path / "classes.txt").read_text() == "1 hop\n2 run\n"


def test_list_of_classes_that_is_there_keeps_its_numbers(tmp_path: Path) -> None:
    put(tmp_path / "detclasslist.txt", "7 run\n")
    write_thumos(spans_of([(0, 0, 1, "run")], ["v"], [0.5]), tmp_path / "first.txt")
    assert not (tmp_path / "classes.txt").exists()
    write_thumos(spans_of([(0, 0, 1, "hop"), (0, 1, 2, "run")], ["v"], [0.5, 0.5]), tmp_path / "second.txt")
    assert (tmp_path / "classes.txt").read_text() == "7 run\n8 hop\n"
    assert read_thumos_detections(tmp_path / "first.txt").labels == ("run",)
    assert [row[3] for row in plain(read_thumos_detections(tmp_path / "second.txt"))] == ["hop", "run"]


def test_name_that_rows_cannot_hold_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(AnnotationError, match=r"video 'my video': has a blank in its name"):
        write_thumos(spans_of([(0, 0, 1, "run")], ["my video"], [0.5]), tmp_path / "d.txt")
    assert list(tmp_path.iterdir()) == []

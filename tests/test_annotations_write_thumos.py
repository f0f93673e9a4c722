"""THUMOS' files as its challenge asks for them, and its ground truth as it hands it out."""

from pathlib import Path

import pytest
from annotation_samples import Row, annotations_of, everything, plain, put, spans_of

from annotations.errors import AnnotationError
from annotations.read import read_annotations
from annotations.thumos import read_thumos_detections
from annotations.write_thumos import write_thumos, write_thumos_annotations

ROWS: list[Row] = [(0, 1 / 3, 2.5, "high jump"), (0, 3.0, 4.0, "run"), (1, 1e-3, 0.1, "run_val")]


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


def test_annotations_come_back_from_a_folder_of_classes_with_their_subsets(tmp_path: Path) -> None:
    annotations = annotations_of(ROWS, ["a", "b"], None, ["val", "test"])
    write_thumos_annotations(annotations, tmp_path / "gt")
    names = sorted(path.name for path in (tmp_path / "gt").iterdir())
    assert names == ["high jump_val.txt", "run_val.txt", "run_val_test.txt"]
    assert (tmp_path / "gt" / "run_val.txt").read_text() == "a 3.0 4.0\n"
    assert everything(read_annotations(tmp_path / "gt")) == everything(annotations)


def test_annotations_come_back_from_one_file_without_their_subsets(tmp_path: Path) -> None:
    annotations = annotations_of(ROWS, ["a", "b"], [9.0, None], ["val", "x"])
    write_thumos_annotations(annotations, tmp_path / "gt.txt")
    found = read_annotations(tmp_path / "gt.txt")
    assert everything(found.spans) == everything(annotations.spans)
    assert (found.subsets, found.durations_s) == ((None, None), (None, None))


@pytest.mark.parametrize(
    ("subset", "label", "message"),
    [
        (None, "run", "subset None is none of THUMOS'"),
        ("fold1", "run", "subset 'fold1' is none of THUMOS'"),
        ("fold_val", "run", "subset 'fold_val' is none of THUMOS'"),
        ("val", "a/b", "label 'a/b' cannot name the file of a class"),
        ("val", "Ambiguous", "label 'Ambiguous' cannot name the file of a class"),
    ],
)
def test_what_names_of_files_cannot_hold_is_refused(
    tmp_path: Path, subset: str | None, label: str, message: str
) -> None:
    annotations = annotations_of([(0, 0, 1, label)], ["a"], None, [subset])
    with pytest.raises(AnnotationError, match=f"^{tmp_path / 'gt'}: {message}"):
        write_thumos_annotations(annotations, tmp_path / "gt")
    assert list(tmp_path.iterdir()) == []


def test_folder_with_other_text_files_is_left_alone(tmp_path: Path) -> None:
    put(tmp_path / "Diving_val.txt", "v 1 2\n")
    with pytest.raises(AnnotationError, match="holds text files"):
        write_thumos_annotations(annotations_of([(0, 0, 1, "run")], ["a"], None, ["val"]), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["Diving_val.txt"]

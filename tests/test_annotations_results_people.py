"""Our own tables of people as predictions: who does which class, and the boxes of their tubes."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from people_samples import commit_people, commit_rows

from annotations.action_classes import ActionClasses
from annotations.errors import AnnotationError
from annotations.records import LabelledTubes
from annotations.results_people import read_people

BOX, OTHER_BOX, THIRD_BOX = (0.1, 0.2, 0.3, 0.4), (0.5, 0.2, 0.9, 0.8), (0.0, 0.0, 1.0, 1.0)
CLASSES = ActionClasses({11: "sit", 12: "stand", 80: "walk"}, (11, 12), "AVA", is_given=False)


def boxes_of(tubes: LabelledTubes | None, tube: int) -> list[tuple[tuple[str, str], list[float]]]:
    assert tubes is not None
    rows = np.flatnonzero(tubes.tube_M == tube)
    return [
        (tubes.frames[frame], box)
        for frame, box in zip(tubes.frame_M[rows], tubes.boxes_M4[rows].tolist(), strict=True)
    ]


def test_people_are_read_as_rows_of_ava_with_their_tracks(tmp_path: Path) -> None:
    rows = [(1.0, 7, BOX, "sit", 0.5), (1.0, 7, BOX, "stand", 0.25), (2.5, 8, OTHER_BOX, "sit", 0.125)]
    commit_people(tmp_path, "p1", "a.mp4", rows)
    commit_people(tmp_path, "p2", "never committed.mp4", rows)
    (tmp_path / "videos" / "p2.parquet").unlink()
    found = read_people(tmp_path, CLASSES)
    boxes = found.boxes
    assert boxes.frames == (("a.mp4", "1.000000"), ("a.mp4", "2.500000"))
    assert (boxes.frame_N.tolist(), boxes.action_N.tolist()) == ([0, 0, 1], [11, 12, 11])
    assert boxes.boxes_N4.tolist() == [list(BOX), list(BOX), list(OTHER_BOX)]
    assert boxes.scores_N is not None and boxes.scores_N.tolist() == [0.5, 0.25, 0.125]
    assert boxes.person_N is not None and boxes.person_N.tolist() == [7, 7, 8]
    assert (found.tubes, found.other_labels) == (None, {})


def test_people_without_an_action_and_frames_with_only_such_are_no_rows(tmp_path: Path) -> None:
    commit_people(tmp_path, "p1", "a.mp4", [(1.0, 7, BOX, None, None), (2.0, 7, BOX, "sit", 0.5)])
    commit_people(tmp_path, "p2", "b.mp4", [(1.0, 0, BOX, None, None)])
    commit_people(tmp_path, "p3", "c.mp4", [])
    found = read_people(tmp_path, CLASSES)
    assert (found.boxes.frames, len(found.boxes)) == ((("a.mp4", "2.000000"),), 1)
    assert found.videos == ("a.mp4", "b.mp4", "c.mp4")


def test_videos_where_people_were_not_looked_for_are_no_predictions(tmp_path: Path) -> None:
    commit_people(tmp_path, "p1", "a.mp4", [])
    commit_rows(tmp_path, "p2", "videos", [{"video": "b.mp4", "status": "ok"}])
    assert read_people(tmp_path, CLASSES).videos == ("a.mp4",)


def test_folder_where_nobody_does_anything_is_a_prediction_of_nothing(tmp_path: Path) -> None:
    commit_people(tmp_path, "p1", "a.mp4", [(1.0, 7, BOX, None, None)], [])
    found = read_people(tmp_path, CLASSES)
    assert (len(found.boxes), found.other_labels) == (0, {})
    assert found.tubes is not None and len(found.tubes) == 0


def test_tube_has_the_boxes_of_its_track_whatever_else_the_person_does(tmp_path: Path) -> None:
    persons = [
        (1.0, 7, BOX, None, None),
        (1.0, 8, THIRD_BOX, "sit", 0.5),
        (1.5, 7, OTHER_BOX, "sit", 0.5),
        (1.5, 7, OTHER_BOX, "stand", 0.5),
        (2.0, 7, BOX, "dance", 0.5),
        (2.5, 7, THIRD_BOX, "sit", 0.5),
    ]
    tubes = [(7, 1.0, 2.5, "sit", 0.75), (7, 9.0, 12.0, "walk", 0.25), (6, 1.0, 2.5, "sit", 0.5), (8, 0, 2, "dance", 1)]
    tubes.append((9, 0.0, 3.0, None, None))  # somebody who does nothing
    commit_people(tmp_path, "p1", "a.mp4", persons, tubes)
    commit_people(tmp_path, "p2", "b.mp4", [(1.0, 7, THIRD_BOX, "sit", 0.5)], [(7, 0.0, 5.0, "stand", 0.125)])
    found = read_people(tmp_path, CLASSES).tubes
    assert found is not None and found.scores_U is not None
    assert (found.action_U.tolist(), found.scores_U.tolist()) == ([11, 80, 11, 12], [0.75, 0.25, 0.5, 0.125])
    of_track = [(("a.mp4", "1.000000"), list(BOX)), (("a.mp4", "1.500000"), list(OTHER_BOX))]
    assert boxes_of(found, 0) == [*of_track, (("a.mp4", "2.000000"), list(BOX))]
    assert (boxes_of(found, 1), boxes_of(found, 2)) == ([], [])
    assert boxes_of(found, 3) == [(("b.mp4", "1.000000"), list(THIRD_BOX))]


def test_span_of_a_tube_is_half_open_to_the_microsecond(tmp_path: Path) -> None:
    persons = [(0.1 * step, 2**40, BOX, None, None) for step in range(6)]
    commit_people(tmp_path, "p1", "a.mp4", persons, [(2**40, 0.2, 0.1 * 3, "sit", 0.5), (2**40, 0.3, 0.5, "sit", 0.5)])
    found = read_people(tmp_path, CLASSES).tubes
    assert [time for (_, time), _ in boxes_of(found, 0)] == ["0.200000"]
    assert [time for (_, time), _ in boxes_of(found, 1)] == ["0.300000", "0.400000"]


def test_labels_that_are_no_class_are_left_out_and_counted(tmp_path: Path) -> None:
    rows = [(1.0, 7, BOX, "sit", 0.5), (1.0, 7, BOX, "sitt", 0.5), (2.0, 7, BOX, "sitt", 0.5)]
    commit_people(tmp_path, "p1", "a.mp4", rows)
    found = read_people(tmp_path, CLASSES)
    assert (len(found.boxes), found.other_labels) == (1, {"sitt": 2})


def test_folder_without_any_label_of_the_classes_is_refused_with_the_way_out(tmp_path: Path) -> None:
    commit_people(tmp_path, "p1", "a.mp4", [(1.0, 7, BOX, f"act {number:02}", 0.5) for number in range(12)])
    labels = ", ".join(f"'act {number:02}'" for number in range(10))
    cure = "give a file with the classes of these results as --classes"
    with pytest.raises(AnnotationError) as caught:
        read_people(tmp_path, CLASSES)
    assert (
        str(caught.value) == f"{tmp_path}: none of its labels is among the actions of AVA: {labels} and 2 more; {cure}"
    )
    with pytest.raises(AnnotationError, match=r"none of its labels is among the classes of my\.csv: 'act 00'"):
        read_people(tmp_path, ActionClasses({1: "run"}, (1,), "my.csv", is_given=True))


def test_folders_without_people_and_damaged_parts_are_told(tmp_path: Path) -> None:
    commit_rows(tmp_path, "p1", "videos", [{"video": "a.mp4", "status": "ok"}])
    with pytest.raises(AnnotationError, match=f"^{tmp_path}: holds no persons/"):
        read_people(tmp_path, CLASSES)
    commit_people(tmp_path, "p1", "a.mp4", [(1.0, 7, BOX, "sit", None)])
    with pytest.raises(AnnotationError, match="persons have rows with a label and no score"):
        read_people(tmp_path, CLASSES)
    commit_people(tmp_path, "p1", "a.mp4", [(1.0, 7, BOX, "sit", 0.5), (2.0, 7, BOX, None, float("nan"))])
    with pytest.raises(AnnotationError, match=r"p1\.parquet: row 2: score is nan, no finite number"):
        read_people(tmp_path, CLASSES)
    part = tmp_path / "persons" / "p1.parquet"
    pq.write_table(pq.read_table(part).drop_columns(["track_id"]), part)
    with pytest.raises(AnnotationError, match=f"^{part}: lacks the columns track_id; "):
        read_people(tmp_path, CLASSES)

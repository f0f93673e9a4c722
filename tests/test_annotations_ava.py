"""AVA's CSV: boxes on key frames, frames without people, and which of the two kinds of file it is."""

from pathlib import Path

import pytest
from annotation_samples import put

from annotations.ava import read_boxes, write_ava
from annotations.errors import AnnotationError
from annotations.records import NO_PERSON, LabelledBoxes

BOX = "0.562,0.191,0.961,0.296"


def rows(boxes: LabelledBoxes) -> list[tuple[object, ...]]:
    scores = [None] * len(boxes) if boxes.scores_N is None else boxes.scores_N.tolist()
    columns = (boxes.frame_N.tolist(), boxes.boxes_N4.tolist(), boxes.action_N.tolist(), scores)
    return [(boxes.frames[frame], *rest) for frame, *rest in zip(*columns, strict=True)]


def persons(boxes: LabelledBoxes) -> list[int] | None:
    return None if boxes.person_N is None else boxes.person_N.tolist()


def test_truth_with_and_without_person_ids_is_the_same_but_for_these(tmp_path: Path) -> None:
    old = read_boxes(put(tmp_path / "old.csv", f"v,0902,{BOX},4\nv,0903\n"), scores=False)
    new = read_boxes(put(tmp_path / "new.csv", f"v,902.0,{BOX},4,17\nv,903\n"), scores=False)
    assert rows(old) == rows(new) == [(("v", "902.000000"), [0.562, 0.191, 0.961, 0.296], 4, None)]
    assert old.frames == new.frames == (("v", "902.000000"), ("v", "903.000000"))
    assert (persons(old), persons(new)) == (None, [17])


def test_predictions_have_scores_and_maybe_person_ids(tmp_path: Path) -> None:
    found = read_boxes(put(tmp_path / "p.csv", f"v,0902,{BOX},4,0.5\nw,0902,{BOX},9,0.25,3\n"), scores=True)
    assert found.scores_N is not None and found.scores_N.tolist() == [0.5, 0.25]
    assert found.action_N.tolist() == [4, 9]
    assert persons(found) == [NO_PERSON, 3]


@pytest.mark.parametrize(
    ("written", "key"),
    [
        (("902", "0902", "902.0", "902.000000", "9.02e2", "902.0000001"), "902.000000"),
        (("0.5", ".5", "00.500", "0.4999999"), "0.500000"),
        (("0", "-0.0", "0000"), "0.000000"),
        (("0.30000000000000004", "0.3"), "0.300000"),
    ],
)
def test_times_of_one_key_frame_are_one_however_written(tmp_path: Path, written: tuple[str, ...], key: str) -> None:
    text = "".join(f"v,{time},{BOX},4\n" for time in written)
    assert read_boxes(put(tmp_path / "a.csv", text), scores=False).frames == (("v", key),)


def test_rows_of_one_frame_come_together(tmp_path: Path) -> None:
    found = read_boxes(put(tmp_path / "a.csv", f"v,1,{BOX},4\nv,2,{BOX},5\nv,1.000,{BOX},6\n"), scores=False)
    assert found.frames == (("v", "1.000000"), ("v", "2.000000"))
    assert (found.frame_N.tolist(), found.action_N.tolist()) == ([0, 0, 1], [4, 6, 5])


def test_what_passes_the_edge_a_little_is_clipped(tmp_path: Path) -> None:
    found = read_boxes(put(tmp_path / "a.csv", "v,1,-0.002,0.1,1.004,0.9,4\n"), scores=False)
    assert found.boxes_N4.tolist() == [[0.0, 0.1, 1.0, 0.9]]


def test_written_and_read_again_is_the_same(tmp_path: Path) -> None:
    text = f'"a,b",0902,{BOX},4,{1 / 3!r}\nv,0903\nv,0904.5,{BOX},80,1e-09\n'
    found = read_boxes(put(tmp_path / "a.csv", text), scores=True)
    write_ava(found, tmp_path / "b.csv")
    again = read_boxes(tmp_path / "b.csv", scores=True)
    assert (again.frames, rows(again)) == (found.frames, rows(found))
    assert (tmp_path / "b.csv").read_text().splitlines()[1] == "v,0903"


def test_whole_seconds_are_written_as_avas_files_have_them(tmp_path: Path) -> None:
    found = read_boxes(put(tmp_path / "a.csv", f"v,902.0,{BOX},4\nv,3\nv,12345,{BOX},4\nv,0.5\n"), scores=False)
    write_ava(found, tmp_path / "b.csv")
    lines = (tmp_path / "b.csv").read_text().splitlines()
    assert [line.split(",")[1] for line in lines] == ["0902", "0003", "12345", "0.500000"]


def test_person_ids_are_written_where_the_official_evaluation_takes_them_or_if_asked_for(tmp_path: Path) -> None:
    truth = read_boxes(put(tmp_path / "t.csv", f"v,0902,{BOX},4,17\nv,0903,{BOX},4\n"), scores=False)
    write_ava(truth, tmp_path / "t2.csv")
    assert (tmp_path / "t2.csv").read_text() == (tmp_path / "t.csv").read_text()
    found = read_boxes(put(tmp_path / "p.csv", f"v,0902,{BOX},4,0.5,17\nv,0903,{BOX},4,0.5\n"), scores=True)
    write_ava(found, tmp_path / "p8.csv")
    write_ava(found, tmp_path / "p9.csv", person_ids=True)
    assert persons(read_boxes(tmp_path / "p8.csv", scores=True)) is None
    assert (tmp_path / "p9.csv").read_text() == (tmp_path / "p.csv").read_text()


@pytest.mark.parametrize(
    ("text", "scores", "message"),
    [
        (
            f"v,902,{BOX},4,0.47\n",
            False,
            "row 1: has a score: predictions, not annotations",
        ),
        (f"v,902,{BOX},4,x\n", False, "row 1, video 'v': person_id must be a whole number, got 'x'"),
        (f"v,902,{BOX},4\n" * 9, True, "row 1: has no score, so it is of annotations; predictions are video,timestamp"),
        ('{"database": {"v": {"annotations": []}}}', False, "holds no boxes on key frames; AVA's rows are"),
        ("video,start_s,stop_s,label,score\n", True, "holds no boxes on key frames"),
        ("video;start_s;stop_s;label;score\n", True, "holds no boxes on key frames"),
        ("v 1.0 2.0 7 0.5\n" * 9, True, "holds no boxes on key frames"),
        (f"v,902,{BOX},4,17\nv,903,{BOX},4,1\n", True, "holds person ids in the column of scores"),
        ("v,902,10,20,110,220,4\n", False, "row 1, video 'v': x1 must be a share of the picture in 0..1, got 10.0"),
        ("v,902,0.5,0.1,0.2,0.9,4\n", False, "row 1, video 'v': box .* must have x1 < x2"),
        (f"v,902,{BOX},0\n", False, "row 1, video 'v': action must be 1 or more"),
        (f"v,902,{BOX},run\n", False, "row 1, video 'v': action must be a whole number, got 'run'"),
        (f"v,soon,{BOX},4\n", False, "row 1, video 'v': timestamp must be a number, got 'soon'"),
        (f"v,902,{BOX},4\nv,902\n", False, "video 'v', 902.000000 s: is marked as empty and has boxes"),
        ("v,902,0.1,0.2\n", False, "row 1, video 'v': must be .* got 4 columns"),
        ("v,902\n", False, "holds no boxes"),
        ('v,"902\n', False, "row 1: is no CSV"),
    ],
)
def test_rows_that_are_wrong_are_named(tmp_path: Path, text: str, scores: bool, message: str) -> None:
    path = put(tmp_path / "a.csv", text)
    with pytest.raises(AnnotationError, match=f"^{path}: {message}") as caught:
        read_boxes(path, scores)
    assert "\n" not in str(caught.value)


def test_file_without_rows_is_a_prediction_of_nothing_but_no_annotations(tmp_path: Path) -> None:
    path = put(tmp_path / "p.csv", "")
    assert (read_boxes(path, scores=True).frames, len(read_boxes(path, scores=True))) == ((), 0)
    with pytest.raises(AnnotationError, match="is empty"):
        read_boxes(path, scores=False)

"""Files of people's boxes, and the key frames that they are on."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotations.errors import AnnotationError
from annotations.key_frames import are_on_key_frames, fitting_rate, key_frame_numbers
from annotations.person_boxes import PersonBoxFile, read_person_boxes, write_person_boxes
from annotations.records import LabelledBoxes
from pipeline.config import ConfigError
from stages.box_file import BoxFile, boxes_in, check_boxes

ANNOTATED = """\
walk,0902,0.1,0.2,0.3,0.4,12,0
walk,0902,0.1,0.2,0.3,0.4,80,0
walk,902.000000,0.5,0.2,0.7,0.4,12,1
street,1.5,0,0,1,1,5,0
empty,3
walk,0901,0.1,0.2,0.3,0.4,12,0
"""


def read(folder: Path, text: str) -> PersonBoxFile:
    path = folder / "boxes.csv"
    path.write_text(text)
    return read_person_boxes(path)


def told(folder: Path, text: str) -> list[str]:
    """What is said of a file that is refused, without its name."""
    with pytest.raises(AnnotationError) as caught:
        read(folder, text)
    return str(caught.value).replace(f"{folder / 'boxes.csv'}: ", "").splitlines()


def parquet(path: Path, **columns: list[object]) -> Path:
    sides = {"x1": 0.1, "y1": 0.2, "x2": 0.3, "y2": 0.4}
    rows = len(columns["video"])
    pq.write_table(pa.table({name: [side] * rows for name, side in sides.items()} | columns), path)
    return path


# What is read.


def test_a_box_with_several_actions_is_one_and_boxes_come_by_video_and_time(tmp_path: Path) -> None:
    boxes = read(tmp_path, ANNOTATED)
    assert boxes.videos == ("empty", "street", "walk")
    assert boxes.video_N.tolist() == [1, 2, 2, 2]
    assert boxes.times_N.tolist() == [1.5, 901.0, 902.0, 902.0]
    assert boxes.boxes_N4[2:].tolist() == [[0.1, 0.2, 0.3, 0.4], [0.5, 0.2, 0.7, 0.4]]
    assert (boxes.scores_N == 1.0).all()
    assert boxes.rows_of(2) == slice(1, 4) and boxes.rows_of(0) == slice(0, 0)


@pytest.mark.parametrize(
    ("row", "score"),
    [
        ("v,1,0,0,1,1,", 1.0),
        ("v,1,0,0,1,1,7", 1.0),
        ("v,1,0,0,1,1,7,3", 1.0),  # a person's number
        ("v,1,0,0,1,1,,0.75", 0.75),  # as people are published
        ("v,1,0,0,1,1,,1", 1.0),
        ("v,1,0,0,1,1,7,0.75", 0.75),
        ("v,1,0,0,1,1,7,0.75,3", 0.75),  # as we export
    ],
)
def test_every_form_of_row_gives_the_box_its_score(tmp_path: Path, row: str, score: float) -> None:
    assert read(tmp_path, row).scores_N.tolist() == [score]


def test_whole_numbers_behind_an_action_are_scores_where_others_are(tmp_path: Path) -> None:
    """Else a sure prediction among others would be of person 0 or 1."""
    boxes = read(tmp_path, "v,1,0,0,1,1,7,0.5\nv,2,0,0,1,1,7,0\nv,3,0,0,1,1,7,1\n")
    assert boxes.scores_N.tolist() == [0.5, 0.0, 1.0]


def test_of_a_box_with_several_scores_the_best_counts(tmp_path: Path) -> None:
    assert read(tmp_path, "v,1,0,0,1,1,7,0.5\nv,1,0,0,1,1,8,0.75\n").scores_N.tolist() == [0.75]


def test_a_table_of_ours_is_read_part_by_part(tmp_path: Path) -> None:
    """A row an action, and the person's score, not the action's."""
    parquet(tmp_path / "1.parquet", video=["b", "b"], time_s=[1.0, 1.0], person_score=[0.5, 0.5], score=[0.9, None])
    parquet(tmp_path / "2.parquet", video=["a"], time_s=[2.0], person_score=[0.25], score=[0.9])
    boxes = read_person_boxes(tmp_path)
    assert boxes.videos == ("a", "b") and boxes.times_N.tolist() == [2.0, 1.0]
    assert boxes.scores_N.tolist() == [0.25, 0.5]


def test_a_plain_table_is_read(tmp_path: Path) -> None:
    boxes = read_person_boxes(parquet(tmp_path / "p.parquet", video=["a"], timestamp=[902]))
    assert boxes.times_N.tolist() == [902.0] and boxes.scores_N.tolist() == [1.0]


def test_boxes_a_little_beyond_the_edge_end_at_it(tmp_path: Path) -> None:
    assert read(tmp_path, "v,1,-0.002,0,1.004,1,7").boxes_N4.tolist() == [[0.0, 0.0, 1.0, 1.0]]


def test_what_people_do_does_not_change_the_digest_and_where_they_are_does(tmp_path: Path) -> None:
    before = read(tmp_path, ANNOTATED).digest
    relabelled = ANNOTATED.replace(",12,", ",13,").replace("walk,0902,0.1,0.2,0.3,0.4,80,0\n", "")
    assert read(tmp_path, "".join(reversed(relabelled.splitlines(keepends=True)))).digest == before
    assert read(tmp_path, ANNOTATED.replace("0.7", "0.71")).digest != before
    assert read(tmp_path, ANNOTATED.replace("street", "road")).digest != before


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    boxes_N4 = np.array([[0.1, 0.2, 1 / 3, 0.4], [0.0, 0.0, 1.0, 1.0], [0.1, 0.2, 1 / 3, 0.4]])
    boxes = LabelledBoxes((("a", "1.500000"), ("b", "2.000000")), np.array([0, 1, 0]), boxes_N4, np.array([1, 1, 2]))
    write_person_boxes(tmp_path / "boxes.parquet", [boxes], {"a": "folder/a.mp4"})
    again = read_person_boxes(tmp_path / "boxes.parquet")
    assert again.videos == ("folder/a.mp4",) and again.times_N.tolist() == [1.5]
    assert again.boxes_N4.tolist() == [boxes_N4[0].tolist()]


# What is refused.


@pytest.mark.parametrize(
    ("row", "text"),
    [
        ("v,1,0,0,1,1", "row 2, video 'v': must be video,timestamp,x1,y1,x2,y2,action[,person_id] or"),
        ("v,1,0,0,1,1,7,0.5,1,1", "row 2, video 'v': must be video,timestamp,x1,y1,x2,y2,action[,person_id] or"),
        ("v,soon,0,0,1,1,7", "row 2: timestamp must be a number, got 'soon'"),
        ("v,1,0,nan,1,1,7", "row 2: y1 must be a finite number, got 'nan'"),
        ("v,1,0,0,1_0,1,7", "row 2: x2 must be a number, got '1_0'"),
        ("v,-1,0,0,1,1,7", "row 2, video 'v': timestamp -1 lies before the video begins; times count from 0"),
        ("v,1,0,0,320,1,7", "row 2, video 'v': box 0, 0, 320, 1 must be shares of the picture in 0..1; divide pixels"),
        ("v,1,0.5,0,0.25,1,7", "row 2, video 'v': box 0.5, 0, 0.25, 1 must have x1 <= x2 and y1 <= y2"),
        ("v,1,0,0,1,1,0.75", "row 2: action must be a whole number, got '0.75'; a score stands behind an empty action"),
        ("v,1,0,0,1,1,,2", "row 2, video 'v': score 2 must lie between 0 and 1"),
        ("v,1,0,0,1,1,7,high", "row 2: score must be a number, got 'high'"),
        (",1,0,0,1,1,7", "row 2: video is empty"),
    ],
)
def test_a_row_that_cannot_be_is_named_with_its_reason(tmp_path: Path, row: str, text: str) -> None:
    lines = told(tmp_path, f"v,1,0,0,1,1,7\n{row}\n")
    assert len(lines) == 1 and lines[0].startswith(text)


@pytest.mark.parametrize("text", ["video,timestamp,x1\n", "video,start_s,end_s,label\nv,1,2,run\n", "v\n"])
def test_a_file_of_another_kind_is_refused_as_a_whole(tmp_path: Path, text: str) -> None:
    assert told(tmp_path, text)[0].startswith("holds no boxes of people; rows without a header are wanted: video,")


def test_a_table_with_holes_is_refused(tmp_path: Path) -> None:
    path = parquet(tmp_path / "p.parquet", video=["a", None], time_s=[None, 1.0])
    with pytest.raises(AnnotationError, match=r"row 2: video is missing\n.*row 1: time_s must be a finite number"):
        read_person_boxes(path)
    pq.write_table(pa.table({"video": ["a"], "x1": [0.0]}), path)
    with pytest.raises(AnnotationError, match="lacks the columns y1, x2, y2, time_s; found: 'video', 'x1'"):
        read_person_boxes(path)


# Key frames.


@given(st.integers(0, 100_000), st.sampled_from([0.5, 1, 4, 24000 / 1001, 29.97, 30]))
def test_rounded_times_of_key_frames_are_on_them(number: int, rate: float) -> None:
    times_N = np.array([round(number / rate, 3), number / rate + 0.0021])
    assert are_on_key_frames(times_N, rate).tolist() == [True, False]
    assert key_frame_numbers(times_N, rate).tolist() == [number, number]


@pytest.mark.parametrize(
    ("times", "rate"),
    [
        ([900.0, 905.0], 0.2),
        ([902.0, 903.0], 1),
        ([0.5, 1.25], 4),
        ([0.042, 0.125], 24),
        ([0.0417, 3601.89], 24000 / 1001),
    ],
)
def test_the_rate_that_fits_is_found(times: list[float], rate: float) -> None:
    found = fitting_rate(np.array(times))
    assert found == rate and are_on_key_frames(np.array(times), found).all()


def test_no_rate_fits_times_at_random() -> None:
    assert fitting_rate(np.random.default_rng(0).random(100)) is None


def test_boxes_between_key_frames_are_refused_with_the_rate_that_has_them(tmp_path: Path) -> None:
    path = tmp_path / "boxes.csv"
    path.write_text("v,1,0,0,1,1,7\nv,1.25,0,0,1,1,7\n")
    with pytest.raises(
        ConfigError, match=r"^persons.rate: .* none at 1.25 s, .*boxes.csv has .*'v'; persons.rate=4 has"
    ):
        check_boxes(path, 1.0)
    check_boxes(path, 4.0)
    with pytest.raises(ConfigError, match=r"persons\.detector\.boxes: there is no file"):
        check_boxes(tmp_path / "none.csv", 1.0)


def test_a_video_has_its_own_boxes_at_their_times_best_first(tmp_path: Path) -> None:
    path = tmp_path / "boxes.csv"
    rows = ["walk,0.333,0,0,0.5,1,,0.25", "walk,0.333,0,0,0.75,1,,0.5", "walk,0.667,0,0,1,1,,1", "run,0.333,0,0,1,1,,1"]
    path.write_text("\n".join(rows))
    file = BoxFile(path)
    file.setup()
    boxes, scores = file.at("below/walk.mp4", 1 / 3)
    assert boxes.dtype == scores.dtype == np.float32
    assert boxes[:, 2].tolist() == [0.75, 0.5] and scores.tolist() == [0.5, 0.25]
    assert len(file.at("below/walk.mp4", 1.0).scores_M) == 0
    assert file.at("other.mp4", 1 / 3).boxes_M4.shape == (0, 4)


def test_whose_boxes_are_of_no_input_and_who_has_none_is_known_beforehand(tmp_path: Path) -> None:
    path = tmp_path / "boxes.csv"
    path.write_text("a,1,0,0,1,1,7\ncam1/b.mp4,1,0,0,1,1,7\nb,1,0,0,1,1,7\n")
    assert BoxFile(path).strangers(["a.mp4", "cam1/b.mp4", "c.mp4"]) == (["b"], ["c.mp4"])


def test_boxes_that_fit_two_inputs_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "boxes.csv"
    path.write_text("a,1,0,0,1,1,7\n")
    with pytest.raises(AnnotationError, match=r"boxes.csv: 'a' fits the videos 'x/a.mp4' and 'y/a.mp4'; write both"):
        BoxFile(path).strangers(["x/a.mp4", "y/a.mp4"])
    path.write_text("a,1,0,0,1,1,7\nx/a,1,0,0,1,1,7\n")
    with pytest.raises(AnnotationError, match=r"boxes.csv: 'a' and 'x/a' both fit the video 'y/a.mp4'; write 'y/a"):
        BoxFile(path).strangers(["x/a.mp4", "y/a.mp4"])


def test_a_file_that_changed_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "boxes.csv"
    path.write_text("v,1,0,0,1,1,7\n")
    assert len(boxes_in(path)) == 1 and boxes_in(path) is boxes_in(path)
    path.write_text("v,1,0,0,1,1,7\nv,2,0,0,1,1,7\n")
    assert len(boxes_in(path)) == 2

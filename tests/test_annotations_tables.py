"""Plain tables as spreadsheets export them, and Parquet."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from annotation_samples import annotations_of, plain, put, spans_of

from annotations.errors import AnnotationError
from annotations.tables import read_table_annotations, read_table_predictions, write_annotation_table, write_table

EXPECTED = [("a", 1.5, 2.25, "high jump"), ("b", 0.0, 3.0, "run")]


@pytest.mark.parametrize(
    "content",
    [
        "video,start_s,end_s,label\na,1.5,2.25,high jump\nb,0,3,run\n",
        "\ufeffvideo;start_s;stop_s;label\r\na;1,5;2,25;high jump\r\nb;0;3;run\r\n",
        "video;start_s;stop_s;label\na;1.5;2,25;high jump\nb;0;3;run\n",
        "Video\tStart_s\tEnd_s\tLabel\n a \t 1.5\t2.25 \t high jump\nb\t0\t3\trun",
        "video,start_s,end_s,label\ra,1.5,2.25,high jump\rb,0,3,run\r",
        '\n,,,\nlabel,"end_s",note,video,start_s,,\n"high jump","2.25","say ""go"", 2",a,1.5,,\n,,,,,,\nrun,3,,b,0,,\n',
        "video,start_s,end_s,label\na,0:01.5,00:00:02.25,high jump\nb,0:00,0:03,run\n",
        "video\tstart_s\tend_s\tlabel\na\t1.5\t2.25\thigh jump\nb\t0\t3\trun\n".encode("utf-16"),
    ],
    ids=["plain", "semicolons", "mixed decimals", "tabs", "old line ends", "blank rows", "clock", "utf-16"],
)
def test_exports_of_all_kinds_say_the_same(tmp_path: Path, content: str | bytes) -> None:
    assert plain(read_table_annotations(put(tmp_path / "a.csv", content)).spans) == EXPECTED


def test_clock_times_count_hours(tmp_path: Path) -> None:
    text = "video,start_s,end_s,label\na,1:02:03.5,75:00:00,run\nb,90:30,91:00,run\n"
    spans = read_table_annotations(put(tmp_path / "a.csv", text)).spans
    assert spans.spans_N2.tolist() == [[3723.5, 270000.0], [5430.0, 5460.0]]


def test_subset_and_duration_may_stand_in_some_rows_only(tmp_path: Path) -> None:
    text = "video,subset,duration_s,start_s,end_s,label\na,,,1,2,run\na,train,9.5,3,9.9,run\nb,,,1,2,run\n"
    found = read_table_annotations(put(tmp_path / "a.csv", text))
    assert (found.subsets, found.durations_s) == (("train", None), (9.5, None))
    assert found.spans.spans_N2.tolist() == [[1, 2], [3, 9.5], [1, 2]]


def test_row_of_a_video_alone_tells_of_a_video_without_spans(tmp_path: Path) -> None:
    found = read_table_annotations(put(tmp_path / "a.csv", "video,start_s,end_s,label\nquiet,,,\na,1,2,run\n"))
    assert found.spans.videos == ("quiet", "a")
    assert plain(found.spans) == [("a", 1, 2, "run")]


def test_parquet_of_whole_numbers_and_texts_is_read(tmp_path: Path) -> None:
    table = pa.table({"video": ["a", None], "start_s": [1, None], "end_s": ["0:02", None], "label": ["run", None]})
    pq.write_table(table, tmp_path / "a.parquet")
    assert plain(read_table_annotations(tmp_path / "a.parquet").spans) == [("a", 1, 2, "run")]


def test_predictions_keep_scores_and_ignore_columns_of_no_concern(tmp_path: Path) -> None:
    text = "video;start_s;stop_s;label;label_id;score\na;1;2;run;7;0,25\n"
    assert plain(read_table_predictions(put(tmp_path / "a.csv", text))) == [("a", 1, 2, "run", 0.25)]


def test_written_tables_are_plain(tmp_path: Path) -> None:
    write_table(spans_of([(1, 0.1, 1 / 3, "a,b")], ["quiet", "v"], [1e-9]), tmp_path / "p.csv")
    expected = 'video,start_s,stop_s,label,score\nquiet,,,,\nv,0.1,0.3333333333333333,"a,b",1e-09\n'
    assert (tmp_path / "p.csv").read_text() == expected
    write_annotation_table(annotations_of([(0, 1, 2, "run")], ["v"], [9.0], ["train"]), tmp_path / "a.parquet")
    assert pq.read_table(tmp_path / "a.parquet").to_pylist() == [
        {"video": "v", "subset": "train", "duration_s": 9.0, "start_s": 1.0, "stop_s": 2.0, "label": "run"}
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,start,end,label\na,1,2,run\n", "row 1: columns wanted: video, start_s, end_s .* found: 'name', 'start'"),
        ("video,start_s,end_s,stop_s,label\na,1,2,2,run\n", "row 1: columns 'end_s' and 'stop_s' say the same"),
        ("video,start_s,end_s,label\na,1,5,jump, high\n", "row 2: has 5 cells and the header 4; quote cells with ','"),
        ("video,start_s,end_s,label\n\na,1,5\n", "row 3, video 'a': label is missing"),
        ("video,start_s,end_s,label\na,,5,run\n", "row 2, video 'a': start is missing"),
        ("video,start_s,end_s,label\n,1,5,run\n", "row 2: video is empty"),
        ('video,start_s,end_s,label\na,1,5,run\nb,1,5,"run\n', "row 3: is no CSV"),
        (
            "video,start_s,end_s,label\na,1:75,5:00,run\n",
            "row 2, video 'a': start must be a number of seconds or h:mm:ss",
        ),
        (
            'video,start_s,end_s,label\na,"1,5",2,run\n',
            "row 2, video 'a': start must be a number of seconds or h:mm:ss",
        ),
        ("video,start_s,end_s,label,score\na,1,2,run,0.5\n", "has scores: predictions, not annotations"),
        (
            "video,subset,start_s,end_s,label\na,train,1,2,run\na,val,3,4,run\n",
            "row 3, video 'a': subset 'val', but 'train'",
        ),
        ("video,duration_s,start_s,end_s,label\na,9,1,2,run\na,8,3,4,run\n", "row 3, video 'a': duration 8.0, but 9.0"),
        ("video,duration_s,start_s,end_s,label\na,-9,1,2,run\n", "row 2, video 'a': duration must be above 0"),
        (";;;\n;;\n", "is empty but for delimiters"),
    ],
)
def test_rows_that_are_wrong_are_named(tmp_path: Path, text: str, message: str) -> None:
    path = put(tmp_path / "a.csv", text)
    with pytest.raises(AnnotationError, match=f"^{path}: {message}"):
        read_table_annotations(path)

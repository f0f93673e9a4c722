"""The front door: forms are told apart, and what is wrong with a file is said with its place, whatever it holds."""

import gzip
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from annotation_samples import RESULTS, UNTRIMMED, everything, plain, put
from hypothesis import given, settings
from hypothesis import strategies as st

from annotations.ava import read_boxes
from annotations.errors import AnnotationError
from annotations.read import form_of, read_annotations, read_predictions

HEADER = "video,start_s,end_s,label\n"


@pytest.mark.parametrize(
    ("name", "content", "form"),
    [
        ("a.json", UNTRIMMED, "json"),
        ("a.txt", UNTRIMMED, "json"),
        ("no_suffix", "\ufeff" + json.dumps(RESULTS, indent=1), "json"),
        ("a.csv", HEADER, "table"),
        ("a.txt", HEADER, "table"),
        ("a", "video;start_s;stop_s;label\n", "table"),
        ("a.txt", "video_validation_0000051  67.5  75.9 Billiards\n", "text"),
        ("a.txt", "{1} 67.5 75.9 Billiards\n", "text"),
    ],
)
def test_form_is_told_by_suffix_and_content(tmp_path: Path, name: str, content: object, form: str) -> None:
    assert form_of(put(tmp_path / name, content)) == form


def test_parquet_is_a_table_whatever_its_suffix(tmp_path: Path) -> None:
    table = pa.table({"video": ["a"], "start_s": [1.0], "end_s": [2.0], "label": ["run"], "score": [0.5]})
    pq.write_table(table, tmp_path / "a.data")
    assert plain(read_predictions(tmp_path / "a.data")) == [("a", 1.0, 2.0, "run", 0.5)]


def database(**about: Any) -> dict[str, Any]:
    return {"database": {"v1": {"annotations": [{"segment": [1, 2], "label": "run"}]} | about}}


def entry(**changes: Any) -> dict[str, Any]:
    sound = {"segment": [1, 2], "label": "run"}
    changed = {key: value for key, value in (sound | changes).items() if value is not None}
    return database(annotations=[sound, changed], duration=60.0)


def results(**changes: Any) -> dict[str, Any]:
    return {"results": {"v1": [{"segment": [1, 2], "label": "run", "score": 0.5} | changes]}}


BACKWARDS = {"segment": [5, 3], "label": "run", "score": 1}
NO_LENGTH = {"segment": [4, 4], "label": "run", "score": 1}
SECOND = r"video 'v1', annotations\[1\]: "
MALFORMED: dict[str, tuple[str, str | bytes | object, str]] = {
    "empty": ("a.json", "", "is empty"),
    "blank": ("a.csv", " \n\n", "is empty but for blanks"),
    "not there": ("a.json", None, "cannot be read: No such file"),
    "binary": ("a.json", b"\x00\x01\x02" * 9, "is a binary file"),
    "binary further on": ("a.txt", b"v 1 2 run\n" * 500 + b"\0", "row 501: holds a zero byte"),
    "a spreadsheet": ("a.csv", b"PK\x03\x04....", "is a zip archive or a spreadsheet; save it as CSV"),
    "packed": ("a.json.gz", gzip.compress(b"{}"), "is packed with gzip"),
    "no UTF-8": ("a.csv", HEADER.encode() + b"v1,1,2,h\xfcpfen\n", "row 2: holds bytes that are no UTF-8"),
    "half UTF-16": ("a.csv", HEADER.encode("utf-16")[:-1], "row 1: holds bytes that are no UTF-16"),
    "truncated JSON": ("a.json", '{"database": {\n "v1": {', r"line 2 column 9: is not valid JSON: .*cut short"),
    "JSON cut in a name": ("a.json", '{"database": {\n "v1', r"line 2 column 2: is not valid JSON: .*cut short"),
    "JSON with a slip": ("a.json", '{"database": {,}}', "line 1 column 15: is not valid JSON"),
    "JSON too deep": ("a.json", "[" * 99_999, "is no JSON that can be read: nested too deep"),
    "JSON with endless digits": ("a.json", "[" + "1" * 9999 + "]", "is no JSON that can be read: Exceeds the limit"),
    "JSON list": ("a.json", [1, 2], "must be a JSON object with 'database'"),
    "other JSON": ("a.json", {"videos": {}}, "must have 'database' at the top, found 'videos'"),
    "results": ("a.json", RESULTS, "holds predictions, not annotations; give it as predictions"),
    "database as list": ("a.json", {"database": [1]}, "'database' must be an object of videos by name"),
    "no videos": ("a.json", {"database": {}}, "holds no annotations"),
    "no spans": ("a.json", database(annotations=[]), "holds no annotations"),
    "video twice": (
        "a.json",
        '{"database": {"v1": {"annotations": []}, "v1": {"annotations": []}}}',
        "video 'v1': appears twice",
    ),
    "key twice": (
        "a.json",
        '{"database": {"v1": {"annotations": [{"segment": [1, 2], "label": "a", "label": "b"}]}}}',
        "'label': is a key twice in one object",
    ),
    "video is a list": ("a.json", {"database": {"v1": []}}, "video 'v1': must be an object with annotations"),
    "video without a name": ("a.json", {"database": {"": {}}}, "video '': video is empty"),
    "blanks around a video": (
        "a.json",
        {"database": {"v1 ": {}}},
        "video 'v1 ': video 'v1 ' has blanks around its name",
    ),
    "no list of spans": ("a.json", {"database": {"v1": {}}}, "video 'v1': annotations is missing"),
    "spans are a number": ("a.json", database(annotations=7), "video 'v1': annotations must be a list, got 7"),
    "span is a list": ("a.json", database(annotations=[[1, 2]]), r"video 'v1', annotations\[0\]: must be an object"),
    "duration 0": ("a.json", database(duration=0), "video 'v1': duration must be above 0"),
    "duration in words": ("a.json", database(duration="long"), "video 'v1': duration must be a number, got 'long'"),
    "subset is a number": ("a.json", database(subset=1), "video 'v1': subset must be a text, got 1"),
    "no segment": ("a.json", entry(segment=None), SECOND + "segment is missing"),
    "segment of three": ("a.json", entry(segment=[1, 2, 3]), SECOND + r"segment must be \[start, end\]"),
    "end before start": ("a.json", entry(segment=[5, 3]), SECOND + "end 3.0 is not after start 5.0"),
    "end at start": ("a.json", entry(segment=[5, 5]), SECOND + "end 5.0 is not after start 5.0"),
    "negative start": ("a.json", entry(segment=[-1, 3]), SECOND + "start -1.0 lies before the video begins"),
    "NaN": ("a.json", entry(segment=[float("nan"), 3]), SECOND + "start must be a finite number, got nan"),
    "infinity": ("a.json", entry(segment=[1, float("inf")]), SECOND + "end must be a finite number, got inf"),
    "NaN as text": ("a.json", entry(segment=["NaN", 3]), SECOND + "start must be a finite number, got 'NaN'"),
    "too large": ("a.json", entry(segment=[1, 10**400]), SECOND + "end must be a finite number, got 1000"),
    "true": ("a.json", entry(segment=[True, 3]), SECOND + "start must be a number, got True"),
    "clock in JSON": ("a.json", entry(segment=["0:01", 3]), SECOND + "start must be a number, got '0:01'"),
    "beyond the end": ("a.json", entry(segment=[50, 60.6]), SECOND + r"\[50.0, 60.6\] passes the end of the video"),
    "behind the end": ("a.json", entry(segment=[60.1, 60.4]), SECOND + r"\[60.1, 60.4\] passes the end of the video"),
    "no label": ("a.json", entry(label=None), SECOND + "label is missing"),
    "empty label": ("a.json", entry(label="  "), SECOND + "label is empty"),
    "label is a number": ("a.json", entry(label=3), SECOND + "label must be a text, got 3"),
    "label of two lines": ("a.json", entry(label="a\nb"), SECOND + r"label 'a\\nb' holds a control character"),
    "half a character": (
        "a.json",
        entry(label="\ud83d"),
        SECOND + r"label '\\ud83d' holds a control character or a broken",
    ),
    "boxes": ("a.csv", "v,0902,0.1,0.1,0.2,0.2,4\n", "row 1: columns wanted: video, .* found: 'v', .* AVA's boxes"),
    "Parquet that is none": ("a.parquet", "video\n", "is no Parquet table that can be read"),
    "half Parquet": ("a.parquet", b"PAR1" + b"\0" * 40, "is no Parquet table that can be read"),
    "columns of THUMOS": ("a.txt", "v1 1.0\n", "row 1: must be 'video start end label', got 'v1 1.0'"),
    "THUMOS detections": ("a.txt", "v1 1.0 2.0 7 0.5\n", "row 1: has a class number and a score: predictions, not"),
    "THUMOS in words": ("a.txt", "v1 1 2 run\nv1 early late run\n", "row 2: start must be a number, got 'early'"),
}
MALFORMED_PREDICTIONS: dict[str, tuple[str, object, str]] = {
    "annotations": ("p.json", UNTRIMMED, r"holds annotations \(ground truth\), not predictions"),
    "no score": ("p.json", results(score=None), r"video 'v1', results\[0\]: score is missing"),
    "score in words": (
        "p.json",
        results(score="high"),
        r"video 'v1', results\[0\]: score must be a number, got 'high'",
    ),
    "score NaN": ("p.json", results(score=float("nan")), r"video 'v1', results\[0\]: score must be a finite number"),
    "video is an object": ("p.json", {"results": {"v1": {}}}, "video 'v1': results must be a list"),
    "no column of scores": ("p.csv", HEADER + "v1,1,2,run\n", "row 1: columns wanted: .* missing: score"),
    "empty score": ("p.csv", "video,start_s,end_s,label,score\nv1,1,2,run,\n", "row 2, video 'v1': score is missing"),
    "no classes": ("p.txt", "v1 1 2 7 0.5\n", "needs classes.txt beside it, with rows 'number name'"),
    "THUMOS annotations": ("p.txt", "v1 1 2 run\n", "row 1: has no score: annotations, not predictions"),
    "three cells": ("p.txt", "v1 1 2\n", "row 1: must be 'video start end class score'"),
    "end in words": ("p.json", results(segment=[1, "late"]), r"video 'v1', results\[0\]: end must be a number"),
    "NaN": ("p.json", results(segment=[float("nan"), 2]), r"video 'v1', results\[0\]: start must be a finite number"),
    "infinity": ("p.json", results(segment=[1, float("inf")]), r"video 'v1', results\[0\]: end must be a finite"),
    "empty JSON": ("p.json", "", "is empty; give a file"),
    "empty CSV": ("p.csv", "", "is empty; give a file"),
    "empty Parquet": ("p.parquet", "", "is no Parquet table"),
    "class in words": ("p.txt", "v1 1 2 run 0.5\n", "row 1: class must be a whole number, got 'run'"),
}


@pytest.mark.parametrize("kind", MALFORMED)
def test_malformed_annotations_are_refused_with_their_place(tmp_path: Path, kind: str) -> None:
    refuses(read_annotations, tmp_path, *MALFORMED[kind])


@pytest.mark.parametrize("kind", MALFORMED_PREDICTIONS)
def test_malformed_predictions_are_refused_with_their_place(tmp_path: Path, kind: str) -> None:
    refuses(read_predictions, tmp_path, *MALFORMED_PREDICTIONS[kind])


def refuses(read: Callable[[Path], object], folder: Path, name: str, content: object, message: str) -> None:
    path = folder / name
    if content is not None:
        put(path, content)
    with pytest.raises(AnnotationError, match=f"^{path}: {message}") as caught:
        read(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("p.json", {"results": {"v": [{"segment": [-1.5, 2], "label": "run", "score": 1}, BACKWARDS, NO_LENGTH]}}),
        ("p.csv", "video,start_s,end_s,label,score\nv,-1.5,2,run,1\nv,5,3,run,1\nv,4,4,run,1\n"),
        ("p.txt", "v -1.5 2 7 1\nv 5 3 7 1\nv 4 4 7 1\n"),
    ],
)
def test_predictions_may_begin_before_zero_and_end_before_they_begin(
    tmp_path: Path, name: str, content: object
) -> None:
    put(tmp_path / "classes.txt", "7 run\n")
    found = read_predictions(put(tmp_path / name, content))
    assert found.spans_N2.tolist() == [[-1.5, 2.0], [5.0, 3.0], [4.0, 4.0]]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("p.json", {"results": {}}),
        ("p.csv", "video,start_s,end_s,label,score\n"),
        ("p.txt", ""),
        ("p", ""),
    ],
)
def test_prediction_of_nothing_is_read(tmp_path: Path, name: str, content: object) -> None:
    assert everything(read_predictions(put(tmp_path / name, content))) == ((), (), [])


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("7 run\n7 hop\n", "row 2: class 7 'hop' has a number or a name of a row before"),
        ("run 7\n", "row 1: class number must be a whole number, got 'run'"),
        ("7\n", "row 1: must be 'number name', got '7'"),
    ],
)
def test_malformed_list_of_classes_is_named(tmp_path: Path, rows: str, message: str) -> None:
    put(tmp_path / "classes.txt", rows)
    with pytest.raises(AnnotationError, match=f"^{tmp_path / 'classes.txt'}: {message}"):
        read_predictions(put(tmp_path / "p.txt", "v1 1 2 7 0.5\n"))


def test_class_that_the_list_lacks_is_named(tmp_path: Path) -> None:
    put(tmp_path / "classes.txt", "7 run\n")
    refuses(read_predictions, tmp_path, "p.txt", "v1 1 2 7 0.5\nv1 1 2 8 0.5\n", "row 2: class 8 is not in the list")


def test_folder_without_annotations_is_refused(tmp_path: Path) -> None:
    refuses(read_annotations, tmp_path, "", None, "is a folder without THUMOS' <Class>_<subset>.txt")


def test_all_problems_of_a_file_are_shown_up_to_twenty(tmp_path: Path) -> None:
    rows = [f"v1,{number},{number},run\n" for number in range(30)]
    path = put(tmp_path / "a.csv", HEADER + "".join(rows))
    with pytest.raises(AnnotationError) as caught:
        read_annotations(path)
    lines = str(caught.value).split("\n")
    assert len(lines) == 21
    assert [line.split(", ")[0] for line in lines[:20]] == [f"{path}: row {number}" for number in range(2, 22)]
    assert lines[20] == f"{path}: and 10 more"


def readers(path: Path) -> None:
    """Every reader takes the file or refuses it; each line of a refusal names the file or its list of classes."""
    for read in (
        read_annotations,
        read_predictions,
        lambda one: read_boxes(one, False),
        lambda one: read_boxes(one, True),
    ):
        try:
            read(path)
        except AnnotationError as error:
            assert all(
                line.startswith((f"{path}: ", f"{path.with_name('classes.txt')}: ")) for line in str(error).split("\n")
            )


def try_all(content: bytes, classes: bytes = b"7 run\n") -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        put(folder / "classes.txt", classes)
        for suffix in (".json", ".csv", ".txt", ".parquet", ""):
            readers(put(folder / f"any{suffix}", content))


starts = st.sampled_from([b"", b"\xff\xfe", b"\xef\xbb\xbf", b"PAR1", b'{"database": ', b'"', HEADER.encode()])


@settings(deadline=None, max_examples=150)
@given(starts, st.binary(max_size=80))
def test_random_bytes_are_refused_or_read(start: bytes, content: bytes) -> None:
    try_all(start + content)


json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=4), st.just("12.5")),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["segment", "label", "score", "v"]), inner, max_size=3),
    ),
    max_leaves=6,
)


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_mutated_json_is_refused_or_read(data: st.DataObject) -> None:
    document = json.loads(json.dumps(data.draw(st.sampled_from([UNTRIMMED, RESULTS]))))
    place: Any = document
    while True:  # a walk to anywhere, where anything takes the place of what was there
        key = data.draw(st.sampled_from(sorted(place)) if isinstance(place, dict) else st.integers(0, len(place) - 1))
        if not isinstance(place[key], (dict, list)) or not place[key] or data.draw(st.booleans()):
            break
        place = place[key]
    place[key] = data.draw(json_values)
    try_all(json.dumps(document).encode())


@settings(deadline=None, max_examples=150)
@given(st.sampled_from([UNTRIMMED, RESULTS]), st.data())
def test_damaged_json_text_is_refused_or_read(document: dict[str, Any], data: st.DataObject) -> None:
    text = json.dumps(document).encode()
    begin = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(begin, len(text)))
    try_all(text[:begin] + data.draw(st.binary(max_size=4)) + text[end:])


cells = st.one_of(
    st.sampled_from(
        ["", " ", "v1", "run", "1", "2.5", "-3", "1,5", "0:01:02", "nan", "1e999", '"', '"a', "7", "0.5", "\ufeff"]
    ),
    st.text(max_size=4),
)
columns = st.lists(
    st.sampled_from(["video", "start_s", "end_s", "stop_s", "label", "subset", "duration_s", "score", "", "note"]),
    max_size=8,
)


@settings(deadline=None, max_examples=150)
@given(
    st.sampled_from([",", ";", "\t", " "]), columns, st.lists(st.lists(cells, max_size=8), max_size=4), st.booleans()
)
def test_random_tables_are_refused_or_read(delimiter: str, names: list[str], rows: list[list[str]], full: bool) -> None:
    header = ["video", "start_s", "end_s", "label", "duration_s", "subset", "score"] if full else names
    text = "\n".join(delimiter.join(row) for row in [header, *rows])
    try_all(text.encode("utf-8", "surrogatepass"), text.encode("utf-8", "surrogatepass"))


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_damaged_parquet_is_refused_or_read(data: st.DataObject) -> None:
    sink = pa.BufferOutputStream()
    table = pa.table({"video": ["a"], "start_s": [1.0], "end_s": [2.0], "label": ["run"], "score": [0.5]})
    pq.write_table(table, sink)
    content = bytearray(sink.getvalue().to_pybytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try_all(bytes(content))


anything = st.one_of(
    st.integers(-9, 9),
    st.floats(),
    st.text(max_size=3),
    st.binary(max_size=3),
    st.dates(),
    st.booleans(),
    st.decimals("0", "9"),
)


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_parquet_of_any_types_is_refused_or_read(data: st.DataObject) -> None:
    columns = {}
    for name in ("video", "start_s", "end_s", "label", "score"):
        value = data.draw(anything)
        columns[name] = pa.array([value, None])
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), sink)
    try_all(sink.getvalue().to_pybytes())

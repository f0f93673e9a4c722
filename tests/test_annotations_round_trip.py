"""What is written and read again is the same, to the last bit of every number; no write leaves half a file."""

import os
import tempfile
from pathlib import Path
from typing import Any

import pytest
from annotation_samples import Row, annotations_of, everything, put, spans_of
from hypothesis import given, settings
from hypothesis import strategies as st

from annotations.errors import AnnotationError
from annotations.read import ANNOTATION_WRITERS, PREDICTION_WRITERS, read_annotations, read_predictions
from annotations.records import Annotations, LabelledSpans

ANNOTATION_FILES = (("activitynet", "a.json"), ("table", "a.csv"), ("table", "a.parquet"))
PREDICTION_FILES = (("activitynet", "p.json"), ("table", "p.csv"), ("table", "p.parquet"), ("thumos", "p.txt"))

names = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=8)
labels = st.text(st.characters(exclude_categories=["C"]), min_size=1, max_size=8).map(str.strip).filter(bool)
times_s = st.floats(0, 1e5)
scores = st.floats(allow_nan=False, allow_infinity=False)


@st.composite
def records(draw: st.DrawFn) -> tuple[list[str], list[Row], list[float]]:
    """Videos, a row or more, and their scores, grouped by video as every reader gives them."""
    videos = draw(st.lists(names, min_size=1, max_size=4, unique=True))
    known = draw(st.lists(labels, min_size=1, max_size=3, unique=True))
    row = st.tuples(st.integers(0, len(videos) - 1), times_s, times_s, st.sampled_from(known), scores)
    drawn = draw(st.lists(row.filter(lambda one: one[1] != one[2]), min_size=1, max_size=6))
    drawn.sort(key=lambda one: one[0])
    rows = [(video, min(one, other), max(one, other), label) for video, one, other, label, _ in drawn]
    return videos, rows, [one[4] for one in drawn]


def written(record: Any, write: Any, read: Any, name: str) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "new" / name
        write(record, path)
        assert not [one for one in path.parent.iterdir() if one.name not in {name, "classes.txt"}]
        return read(path)


@pytest.mark.parametrize(("form", "name"), PREDICTION_FILES)
@settings(deadline=None, max_examples=50)
@given(records())
def test_predictions_come_back(form: str, name: str, record: tuple[list[str], list[Row], list[float]]) -> None:
    videos, rows, scores = record
    if form == "thumos":  # its rows cannot hold a video where nothing was found
        numbers = sorted({row[0] for row in rows})
        videos, rows = [videos[one] for one in numbers], [(numbers.index(row[0]), *row[1:]) for row in rows]
    found = spans_of(rows, videos, scores)
    assert everything(written(found, PREDICTION_WRITERS[form], read_predictions, name)) == everything(found)


@pytest.mark.parametrize(("form", "name"), ANNOTATION_FILES)
@settings(deadline=None, max_examples=50)
@given(records(), st.data())
def test_annotations_come_back(
    form: str, name: str, record: tuple[list[str], list[Row], list[float]], data: st.DataObject
) -> None:
    videos, rows, _ = record
    longest_s = [max((row[2] for row in rows if row[0] == number), default=1.0) for number in range(len(videos))]
    durations_s = [data.draw(st.one_of(st.none(), st.floats(one, 2e5))) for one in longest_s]
    subsets = [data.draw(st.sampled_from([None, "training", "validation"])) for _ in videos]
    annotations = annotations_of(rows, videos, durations_s, subsets)
    assert everything(written(annotations, ANNOTATION_WRITERS[form], read_annotations, name)) == everything(annotations)


@pytest.mark.parametrize(("form", "name"), PREDICTION_FILES[:3])
def test_nothing_found_comes_back_as_videos_without_spans(form: str, name: str) -> None:
    nothing = spans_of([], ["a", "b"], [])
    assert everything(written(nothing, PREDICTION_WRITERS[form], read_predictions, name)) == (("a", "b"), (), [])


def test_chain_of_all_forms_changes_nothing(tmp_path: Path) -> None:
    found = spans_of(
        [(0, 1 / 3, 2 / 3, "high jump"), (1, 0.1, 1e5, "run"), (1, -0.5, -1.5, "run")],
        ["a.mp4", "sub/b.mp4"],
        [0.1 + 0.2, -1e-300, 7.0],
    )
    first: LabelledSpans = found
    for form, name in PREDICTION_FILES:
        PREDICTION_WRITERS[form](found, tmp_path / name)
        found = read_predictions(tmp_path / name)
    assert everything(found) == everything(first)


@pytest.mark.parametrize(("form", "name"), ANNOTATION_FILES)
def test_failing_write_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, form: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    put(tmp_path / name, "old")
    with pytest.raises(AnnotationError, match=f"^{tmp_path / name}: cannot be written: No space left on device; "):
        ANNOTATION_WRITERS[form](annotations_of([(0, 1, 2, "run")], ["v"]), tmp_path / name)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]


@pytest.mark.parametrize("form", PREDICTION_WRITERS)
def test_folder_is_no_file_to_write(tmp_path: Path, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(AnnotationError, match="cannot be written"):
        PREDICTION_WRITERS[form](spans_of([(0, 1, 2, "run")], ["v"], [0.5]), Path())


@pytest.mark.parametrize(("form", "name"), ANNOTATION_FILES)
@pytest.mark.parametrize("name_of_video", ["two\nlines", " blanks ", "half \ud800", ""])
def test_name_that_would_not_come_back_is_refused(tmp_path: Path, form: str, name: str, name_of_video: str) -> None:
    annotations: Annotations = annotations_of([(0, 1, 2, "run")], [name_of_video])
    with pytest.raises(AnnotationError, match="video"):
        ANNOTATION_WRITERS[form](annotations, tmp_path / name)
    assert list(tmp_path.iterdir()) == []

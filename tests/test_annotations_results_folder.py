"""Our own results as predictions: what is committed counts, and nothing else."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from annotation_samples import plain, put

from annotations.errors import AnnotationError
from annotations.read import read_annotations, read_predictions
from annotations.results_folder import read_results_folder, unfinished_videos
from pipeline.tables import SEGMENTS, VIDEOS, table_of, write_part


def commit(
    folder: Path, part: str, video: str, spans: list[tuple[float, float, str, float]], status: str = "ok"
) -> None:
    rows = [
        {"video": video, "start_s": start_s, "stop_s": stop_s, "label": label, "label_id": 3, "score": score}
        for start_s, stop_s, label, score in spans
    ]
    parts = [("segments", SEGMENTS, rows), ("videos", VIDEOS, [{"video": video, "status": status}])]
    for name, schema, content in parts:
        target = folder / name / f"{part}.parquet"
        write_part([table_of(name, content)], schema, target, folder / "_temp", {"result_key": "k"})


def test_committed_segments_are_read_and_silent_videos_are_there(tmp_path: Path) -> None:
    commit(tmp_path, "p1", "sub/b.mp4", [(0.5, 2.0, "run", 0.25), (3.0, 4.0, "hop", 1 / 3)])
    commit(tmp_path, "p2", "a.mp4", [])
    commit(tmp_path, "p3", "c.mp4", [(1.0, 2.0, "run", 0.5)])
    found = read_predictions(tmp_path)
    assert found.videos == ("sub/b.mp4", "a.mp4", "c.mp4")
    assert found.labels == ("hop", "run")
    assert plain(found) == [
        ("sub/b.mp4", 0.5, 2.0, "run", 0.25),
        ("sub/b.mp4", 3.0, 4.0, "hop", 1 / 3),
        ("c.mp4", 1.0, 2.0, "run", 0.5),
    ]


def test_part_without_its_commit_does_not_count(tmp_path: Path) -> None:
    commit(tmp_path, "p1", "a.mp4", [(0.5, 2.0, "run", 0.25)])
    commit(tmp_path, "p2", "b.mp4", [(0.5, 2.0, "hop", 0.25)])
    (tmp_path / "videos" / "p2.parquet").unlink()
    assert plain(read_results_folder(tmp_path)) == [("a.mp4", 0.5, 2.0, "run", 0.25)]


def test_video_that_failed_needs_no_segments(tmp_path: Path) -> None:
    commit(tmp_path, "p1", "a.mp4", [])
    (tmp_path / "segments" / "p1.parquet").unlink()
    (tmp_path / "segments").rmdir()
    found = read_results_folder(tmp_path)
    assert (found.videos, len(found), found.scores_N is None) == (("a.mp4",), 0, False)


def test_one_part_is_a_table_of_predictions_too(tmp_path: Path) -> None:
    commit(tmp_path, "p1", "a.mp4", [(0.5, 2.0, "run", 0.25)])
    assert plain(read_predictions(tmp_path / "segments" / "p1.parquet")) == [("a.mp4", 0.5, 2.0, "run", 0.25)]


def test_damaged_part_is_named(tmp_path: Path) -> None:
    commit(tmp_path, "p1", "a.mp4", [(0.5, 2.0, "run", 0.25)])
    part = tmp_path / "segments" / "p1.parquet"
    pq.write_table(pq.read_table(part).drop_columns(["score"]), part)
    with pytest.raises(AnnotationError, match=f"^{part}: lacks the columns score; "):
        read_results_folder(tmp_path)
    put(part, b"PAR1 and no more")
    with pytest.raises(AnnotationError, match=f"^{part}: cannot be read: "):
        read_results_folder(tmp_path)


def test_spans_are_read_as_they_are_but_for_those_that_are_no_numbers(tmp_path: Path) -> None:
    commit(tmp_path, "p1", "a.mp4", [(0.5, 2.0, "run", 0.25), (2.0, 2.0, "run", 0.5)])
    assert read_results_folder(tmp_path).spans_N2.tolist() == [[0.5, 2.0], [2.0, 2.0]]
    commit(tmp_path, "p1", "a.mp4", [(0.5, 2.0, "run", 0.25), (2.0, float("nan"), "run", 0.5)])
    with pytest.raises(AnnotationError, match=r"p1.parquet: row 2: stop_s is nan, no finite number"):
        read_results_folder(tmp_path)


def test_videos_that_did_not_come_through_are_told(tmp_path: Path) -> None:
    for part, status in (("p1", "ok"), ("p2", "partial"), ("p3", "failed")):
        commit(tmp_path, part, f"{part}.mp4", [], status)
    assert unfinished_videos(tmp_path) == {"p2.mp4": "partial", "p3.mp4": "failed"}


def test_other_folders_are_told_from_results(tmp_path: Path) -> None:
    with pytest.raises(AnnotationError, match="is no results folder"):
        read_predictions(tmp_path)
    (tmp_path / "segments").mkdir()
    with pytest.raises(AnnotationError, match="holds no finished video"):
        read_predictions(tmp_path)
    with pytest.raises(AnnotationError, match="is a results folder: predictions, not annotations"):
        read_annotations(tmp_path)

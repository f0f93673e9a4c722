"""Claims about what lies on disk: parts appear whole or not at all, and what is committed is found again."""

import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from random import Random

import duckdb
import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
from committed import PROVENANCE, VIDEO, commit, features, source

from pipeline.errors import StopRun
from pipeline.records import (
    DecodeReport,
    Failure,
    Outcome,
    PersonBoxes,
    Segment,
)
from pipeline.results import ResultsFolder, part_name, result_key
from pipeline.spool import (
    SegmentResult,
    SpooledFeatures,
    SpooledPeople,
    read_account,
    read_features,
    spool_name,
    write_segment,
)
from pipeline.tables import SEGMENTS, TABLES, table_of, write_part
from stages.write import Write

ROOT = Path(__file__).parents[1]


def result(steps: int = 3, *, lost: tuple[Failure, ...] = (), logits: bool = True) -> SegmentResult:
    report = DecodeReport(end_s=None, lost=lost, frames=100, busy_s=1.5, waiting_s=0.25)
    return SegmentResult(features(steps, logits=logits), report, busy_s={"features": 2.0}, waiting_s=0.5)


# Commit and resume


def test_committed_video_is_found_with_its_row_and_the_key_of_its_work(tmp_path: Path) -> None:
    results = ResultsFolder(tmp_path)
    part = commit(results, "a.mp4", 3)
    found = results.committed()
    assert list(found) == [part]
    assert found[part].result_key == result_key("c", "f")
    assert (found[part].row["video"], found[part].row["status"], found[part].row["n_detections"]) == ("a.mp4", "ok", 3)


def test_committing_again_leaves_one_row(tmp_path: Path) -> None:
    for count in (3, 1):
        part = commit(ResultsFolder(tmp_path), "a.mp4", count)
    assert ResultsFolder(tmp_path).committed()[part].row["n_detections"] == 1
    assert len(pl.read_parquet(tmp_path / "segments/*.parquet")) == 1


def test_parts_that_a_later_config_does_not_write_are_gone(tmp_path: Path) -> None:
    other = commit(ResultsFolder(tmp_path), "b.mp4", 1)
    for only_segments in (False, True):
        part = commit(ResultsFolder(tmp_path), "a.mp4", 1, only_segments=only_segments)
    assert {path.parent.name for path in tmp_path.glob(f"*/{part}.parquet")} == {"videos", "segments"}
    assert {path.parent.name for path in tmp_path.glob(f"*/{other}.parquet")} == set(TABLES)


def test_a_person_has_a_row_for_each_action_and_one_without_a_label_for_none(tmp_path: Path) -> None:
    commit(ResultsFolder(tmp_path), "a.mp4", 1)
    rows = duckdb.sql(f"select time_s, track_id, x1, x2, label, label_id, score from '{tmp_path}/persons/*.parquet'")
    assert rows.fetchall() == [
        (0.0, 0, 0.0, 0.25, "fall", 1, 0.75),
        (0.0, 0, 0.0, 0.25, "run", 0, 0.25),
        (0.0, 1, 0.5, 0.75, None, None, None),
        (1.0, 0, 0.0, 0.25, "run", 0, 0.5),
    ]
    assert duckdb.sql(f"from '{tmp_path}/tubes/*.parquet'").fetchall() == [("a.mp4", 0, 0.0, 1.5, "run", 0, 0.375)]


def test_tables_of_people_are_there_for_a_video_that_failed_too(tmp_path: Path) -> None:
    write = Write(
        ResultsFolder(tmp_path),
        class_names=["run"],
        person_class_names=["run"],
        metadata=PROVENANCE,
        run_id="r",
        features=False,
    )
    write(Outcome(source("a.mp4"), "f", None, None))
    for table in ("persons", "tubes"):
        found = pl.read_parquet(tmp_path / table / "*.parquet")
        assert len(found) == 0 and found.columns == TABLES[table].names


def test_every_part_tells_where_it_comes_from(tmp_path: Path) -> None:
    part = commit(ResultsFolder(tmp_path), "a.mp4", 1)
    for table in TABLES:
        metadata = pq.read_schema(tmp_path / table / f"{part}.parquet").metadata
        assert {key: metadata[key.encode()].decode() for key in PROVENANCE} == PROVENANCE


def test_parts_without_a_row_in_videos_are_swept_and_the_others_stay(tmp_path: Path) -> None:
    results = ResultsFolder(tmp_path)
    kept, orphan = commit(results, "a.mp4", 1), commit(results, "b.mp4", 1)
    results.part("videos", orphan).unlink()
    with results.writing():
        pass
    names = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.parquet")}
    assert names == {f"{table}/{kept}.parquet" for table in TABLES}


@pytest.mark.parametrize("damage", [b"", b"PAR1", b"no parquet at all", None])
def test_part_that_cannot_be_read_counts_as_absent(tmp_path: Path, damage: bytes | None) -> None:
    results = ResultsFolder(tmp_path)
    whole, broken = commit(results, "a.mp4", 1), commit(results, "b.mp4", 1)
    path = results.part("videos", broken)
    path.write_bytes(path.read_bytes()[:-20] if damage is None else damage)
    assert list(results.committed()) == [whole]


def test_part_with_any_byte_wrong_is_read_or_absent_and_never_an_error(tmp_path: Path) -> None:
    results, random = ResultsFolder(tmp_path), Random(1)
    path = results.part("videos", commit(results, "a.mp4", 1))
    whole = path.read_bytes()
    for _ in range(150):
        damaged = bytearray(whole)
        for _ in range(random.choice([1, 2, 8])):
            damaged[random.randrange(len(whole))] = random.randrange(256)
        path.write_bytes(damaged)
        results.committed()


def test_foreign_parquet_among_the_parts_counts_as_absent(tmp_path: Path) -> None:
    (tmp_path / "videos").mkdir()
    pl.DataFrame({"x": [1]}).write_parquet(tmp_path / "videos" / "other.parquet")
    assert ResultsFolder(tmp_path).committed() == {}


def test_second_writer_is_refused_until_the_first_is_done(tmp_path: Path) -> None:
    with ResultsFolder(tmp_path).writing():
        with pytest.raises(StopRun, match="another run is writing"), ResultsFolder(tmp_path).writing():
            pass
        assert ResultsFolder(tmp_path).committed() == {}  # readers are welcome
    with ResultsFolder(tmp_path).writing():
        pass


def test_folder_that_cannot_be_made_stops_the_run_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StopRun, match=r"cannot write to .*file") as caught, ResultsFolder(tmp_path / "file").writing():
        pass
    assert "\n" not in str(caught.value)


def test_run_is_described_beside_the_tables(tmp_path: Path) -> None:
    results = ResultsFolder(tmp_path)
    results.describe({"run_id": "r", "config": {"name": "ünïcode"}})
    assert (tmp_path / "run.json").read_text(encoding="utf-8").count("ünïcode") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]


@pytest.mark.parametrize("key", ["a.mp4", "sub folder/a.mp4", "..", "日本.mp4", "x" * 300, "file:///a%20b.mp4"])
def test_part_name_is_a_file_name_that_tells_addresses_apart(key: str) -> None:
    name = part_name(f"/videos/{key}", key)
    assert "/" not in name and not name.startswith(".") and len(name) < 100
    assert name != part_name(f"/elsewhere/{key}", key)
    assert name == part_name(f"/videos/{key}", key)


# Parts


def test_empty_and_full_parts_are_read_by_glob(tmp_path: Path) -> None:
    for name, count in (("a.mp4", 0), ("b.mp4", 3), ("c.mp4", 2)):
        commit(ResultsFolder(tmp_path), name, count)
    pattern = str(tmp_path / "segments" / "*.parquet")
    query = f"select label, count(*), sum(stop_s - start_s) from '{pattern}' group by label"
    assert duckdb.sql(query).fetchall() == [("run", 5, 2.5)]
    frame = pl.scan_parquet(pattern).group_by("video").len().sort("video").collect()
    assert frame.rows() == [("b.mp4", 3), ("c.mp4", 2)]
    videos = duckdb.sql(f"select video, lost_spans, error from '{tmp_path}/videos/*.parquet' order by video").fetchall()
    assert videos[0] == ("a.mp4", [], None)
    assert duckdb.sql(f"select count(*), len(any_value(feature)) from '{tmp_path}/features/*.parquet'").fetchall() == [
        (6, 4)
    ]


@pytest.mark.parametrize("table", TABLES)
def test_part_without_rows_has_the_full_schema(tmp_path: Path, table: str) -> None:
    path = tmp_path / table / "a.parquet"
    write_part([table_of(table, [])], TABLES[table], path, tmp_path / "_temp", {"k": "v"})
    assert pq.read_schema(path).equals(TABLES[table])
    assert pl.read_parquet(path).columns == TABLES[table].names
    assert duckdb.sql(f"select * from '{path}'").fetchall() == []


def test_part_that_fails_half_way_is_never_seen(tmp_path: Path) -> None:
    def pieces() -> object:
        yield table_of("segments", [])
        raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"):
        write_part(pieces(), SEGMENTS, tmp_path / "segments" / "a.parquet", tmp_path / "_temp", {})  # type: ignore[arg-type]
    assert list((tmp_path / "segments").iterdir()) == []


def test_place_that_refuses_stops_the_run(tmp_path: Path) -> None:
    (tmp_path / "segments").write_text("")
    with pytest.raises(StopRun, match="cannot write to"):
        write_part([], SEGMENTS, tmp_path / "segments" / "a.parquet", tmp_path / "_temp", {})


_COMMIT_FOR_EVER = """
import itertools, sys
from pathlib import Path
from pipeline.results import ResultsFolder
from tests.committed import commit
with ResultsFolder(Path(sys.argv[1])).writing():
    for number in itertools.count():
        commit(ResultsFolder(Path(sys.argv[1])), f"{number}.mp4", 2000)
"""


def test_after_a_kill_at_any_moment_what_is_there_is_whole(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", _COMMIT_FOR_EVER, str(tmp_path)], cwd=ROOT)
    deadline = time.monotonic() + 60
    while len(list(tmp_path.glob("videos/*"))) < 5 and time.monotonic() < deadline:
        time.sleep(0.005)
    child.send_signal(signal.SIGKILL)
    child.wait()
    results = ResultsFolder(tmp_path)
    with results.writing():
        committed = results.committed()
        assert len(committed) >= 5 and not results.temp_folder.exists()
        for table, rows in (("videos", 1), ("segments", 2000), ("features", 2)):
            assert len(pl.read_parquet(tmp_path / table / "*.parquet")) == rows * len(committed)


# Spool


@pytest.mark.parametrize("logits", [True, False])
def test_segment_comes_back_from_the_spool_as_it_went_in(tmp_path: Path, logits: bool) -> None:
    lost = (Failure("a.mp4", "decode", "Damaged", "cannot be read", (1.0, 2.5)),)
    path, before = tmp_path / "spool" / "a.npz", result(lost=lost, logits=logits)
    write_segment(path, before)
    after = read_features(path)
    np.testing.assert_array_equal(after.features_SC, before.features.features_SC)
    assert after.features_SC.dtype == np.float16
    assert (after.video, after.start_s, after.step_s) == ("a.mp4", 0.0, 0.32)
    assert (after.logits_SK is not None) == logits
    if after.logits_SK is not None:
        np.testing.assert_array_equal(after.logits_SK, before.features.logits_SK)
    assert read_account(path) == (before.report, before.times)
    assert [entry.name for entry in path.parent.iterdir()] == ["a.npz"]


def test_blocks_are_read_again_and_again_without_the_empty_ones(tmp_path: Path) -> None:
    paths = [tmp_path / f"{steps}.npz" for steps in (3, 0, 2)]
    for path, steps in zip(paths, (3, 0, 2), strict=True):
        write_segment(path, result(steps))
    blocks = SpooledFeatures(paths, "renamed.mp4")
    assert [len(block) for block in blocks] == [3, 2] == [len(block) for block in blocks]
    assert {block.video for block in blocks} == {"renamed.mp4"}


@pytest.mark.parametrize("logits", [True, False])
def test_people_come_back_from_the_spool_as_they_went_in(tmp_path: Path, logits: bool) -> None:
    before = PersonBoxes(
        video="a.mp4",
        times_F=np.array([0.0, 1.0, 2.0]),
        frame_N=np.array([0, 2]),
        boxes_N4=np.full((2, 4), 0.5, np.float32),
        scores_N=np.array([0.25, 0.75], np.float32),
        looks_NL=np.ones((2, 3), np.float16),
        features_NC=np.ones((2, 4), np.float16),
        logits_NK=np.ones((2, 5), np.float32) if logits else None,
        cuts_M=np.array([1.25]),
    )
    write_segment(tmp_path / "a.npz", replace(result(), people=before))
    write_segment(tmp_path / "b.npz", result())
    (after,) = SpooledPeople([tmp_path / "a.npz", tmp_path / "b.npz"], "renamed.mp4")
    assert after.video == "renamed.mp4"
    for name in PersonBoxes.__dataclass_fields__.keys() - {"video"}:
        np.testing.assert_array_equal(getattr(after, name), getattr(before, name))
    assert len(read_features(tmp_path / "a.npz")) == 3


def test_spool_name_tells_work_apart() -> None:
    segment = Segment(VIDEO, 0, 0.0, 60.0, is_last=False)
    others = [
        replace(segment, index=1, start_s=60.0, stop_s=120.0),
        replace(segment, stop_s=61.0),
        replace(segment, is_last=True),
    ]
    names = [spool_name("key", one) for one in (segment, *others)] + [spool_name("other", segment)]
    assert len(set(names)) == len(names)
    assert spool_name("key", segment) == spool_name("key", replace(segment, video=replace(VIDEO, key="b.mp4")))


def test_cleared_spool_leaves_other_videos_alone(tmp_path: Path) -> None:
    results = ResultsFolder(tmp_path)
    for part in ("a", "b"):
        write_segment(results.spool_folder(part) / "0.npz", result())
    results.clear_spool("a")
    assert not results.spool_folder("a").exists() and results.spool_folder("b").exists()
    results.clear_spool("b")
    assert list(tmp_path.iterdir()) == []


def test_spool_that_refuses_stops_the_run(tmp_path: Path) -> None:
    (tmp_path / "spool").write_text("")
    with pytest.raises(StopRun, match="cannot write to"):
        write_segment(tmp_path / "spool" / "a.npz", result())

"""Claims about joined parts: nothing is lost, a resumed run finds all, and no kill can be told from none."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest
from committed import PROVENANCE, commit

from pipeline import compact as compact_module
from pipeline.compact import compact, split
from pipeline.database import connect
from pipeline.errors import StopRun
from pipeline.results import ResultsFolder, part_name
from pipeline.tables import TABLES

Rows = dict[str, list[tuple[Any, ...]]]


def make_folder(folder: Path, videos: int = 5) -> ResultsFolder:
    """Videos with rows in every table, the last one without a single action."""
    results = ResultsFolder(folder)
    for number in range(videos):
        commit(results, f"{number}.mp4", videos - 1 - number)
    return results


def rows(folder: Path) -> Rows:
    """As those see them who ask for what is committed."""
    database = connect(folder)
    return {table: database.sql(f"from {table} order by all").fetchall() for table in TABLES}


def plain_rows(folder: Path) -> Rows:
    """As those see them who read all parts."""
    return {table: duckdb.sql(f"from '{folder / table}/*.parquet' order by all").fetchall() for table in TABLES}


def parts(folder: Path, table: str = "videos") -> list[str]:
    return sorted(path.stem for path in (folder / table).iterdir())


def test_joined_parts_hold_the_same_rows_in_a_file_a_table(tmp_path: Path) -> None:
    results = make_folder(tmp_path)
    before, committed = rows(tmp_path), results.committed()
    assert compact(results) == (5, 1)
    assert rows(tmp_path) == plain_rows(tmp_path) == before
    assert all(len(parts(tmp_path, table)) == 1 for table in TABLES)
    after = results.committed()
    assert {name: (one.result_key, one.row) for name, one in after.items()} == {
        name: (one.result_key, one.row) for name, one in committed.items()
    }
    [place] = {one.place for one in after.values()}
    metadata = pq.read_schema(results.part("segments", place)).metadata
    assert {key: metadata[key.encode()].decode() for key in PROVENANCE} == PROVENANCE


def test_split_again_every_file_is_as_it_was(tmp_path: Path) -> None:
    results = make_folder(tmp_path)
    before = {path.relative_to(tmp_path): pq.read_table(path) for path in tmp_path.rglob("*.parquet")}
    compact(results)
    with results.writing():
        split(results, [part_name("/videos/2.mp4", "2.mp4")])
    after = {path.relative_to(tmp_path): pq.read_table(path) for path in tmp_path.rglob("*.parquet")}
    assert after.keys() == before.keys()
    for path, table in after.items():
        assert table.equals(before[path]) and table.schema.metadata == before[path].schema.metadata


def test_parts_stay_joined_unless_a_video_of_theirs_is_done_anew(tmp_path: Path) -> None:
    results = make_folder(tmp_path)
    compact(results)
    joined = parts(tmp_path)
    with results.writing():
        split(results, [part_name("/videos/new.mp4", "new.mp4")])
        assert parts(tmp_path) == joined
        split(results, [part_name("/videos/0.mp4", "0.mp4")])
        commit(results, "0.mp4", 9)
    assert [
        row[:2]
        for row in connect(tmp_path).sql("select video, count(*) from segments group by all order by all").fetchall()
    ] == [
        ("0.mp4", 9),
        ("1.mp4", 3),
        ("2.mp4", 2),
        ("3.mp4", 1),
    ]


def test_videos_of_another_config_or_with_other_tables_keep_parts_of_their_own(tmp_path: Path) -> None:
    results = ResultsFolder(tmp_path)
    for number in range(2):
        commit(results, f"a{number}.mp4", 1)
        commit(results, f"b{number}.mp4", 1, only_segments=True)
        commit(results, f"c{number}.mp4", 1, config_hash="other")
    before = rows(tmp_path)
    assert compact(results) == (6, 3)
    assert rows(tmp_path) == before
    assert (len(parts(tmp_path, "segments")), len(parts(tmp_path, "persons"))) == (3, 2)


def test_later_videos_join_the_earlier_ones(tmp_path: Path) -> None:
    results = make_folder(tmp_path, videos=3)
    compact(results)
    for number in range(3, 5):
        commit(results, f"{number}.mp4", 2)
    before = rows(tmp_path)
    assert compact(results) == (3, 1)
    assert rows(tmp_path) == before and len(results.committed()) == 5
    assert compact(results) == (1, 1)


def test_large_parts_are_no_larger_than_they_may_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results = make_folder(tmp_path, videos=7)
    before = rows(tmp_path)
    monkeypatch.setattr(compact_module, "MOST_VIDEOS", 3)
    assert compact(results) == (7, 3)
    assert rows(tmp_path) == before


def test_many_small_pieces_become_few_row_groups(tmp_path: Path) -> None:
    results = make_folder(tmp_path, videos=40)
    compact(results)
    [place] = parts(tmp_path)
    assert {pq.ParquetFile(results.part(table, place)).num_row_groups for table in TABLES} == {1}


def test_damaged_part_is_named_and_nothing_is_lost(tmp_path: Path) -> None:
    results = make_folder(tmp_path)
    part = results.part("segments", part_name("/videos/3.mp4", "3.mp4"))
    part.write_bytes(b"PAR1")
    names = {path.relative_to(tmp_path) for path in tmp_path.rglob("*.parquet")}
    with pytest.raises(StopRun, match=rf"{part.name}: cannot be read: .*; remove it and run that video again$"):
        compact(results)
    assert {path.relative_to(tmp_path) for path in tmp_path.rglob("*.parquet")} == names


def dies_after(steps: int, work: Callable[[], object]) -> bool:
    """Whether the work, in a process of its own, came to its end before that many changes on disk."""
    child = os.fork()
    if child == 0:
        left = [steps]

        def counted(change: Callable[..., Any]) -> Callable[..., Any]:
            def changed(*args: Any, **kwargs: Any) -> Any:
                if left[0] == 0:
                    os.kill(os.getpid(), 9)
                left[0] -= 1
                return change(*args, **kwargs)

            return changed

        Path.replace, Path.unlink = counted(Path.replace), counted(Path.unlink)  # type: ignore[method-assign]
        work()
        os._exit(0)
    return os.waitpid(child, 0)[1] == 0


@pytest.mark.parametrize("direction", ["join", "split"])
def test_killed_at_any_moment_the_tables_are_whole(tmp_path: Path, direction: str) -> None:
    whole = make_folder(tmp_path / "whole", videos=3)
    before = rows(whole.folder)
    if direction == "split":
        compact(whole)
    for steps in range(200):
        results = ResultsFolder(shutil.copytree(whole.folder, tmp_path / str(steps)))

        def work(results: ResultsFolder = results) -> None:
            if direction == "join":
                compact(results)
            else:
                with results.writing():
                    split(results, [part_name("/videos/1.mp4", "1.mp4")])

        is_done = dies_after(steps, work)
        assert rows(results.folder) == before
        with results.writing():  # the next run sweeps
            pass
        assert rows(results.folder) == plain_rows(results.folder) == before
        assert len(results.committed()) == 3
        if is_done:
            assert len(parts(results.folder)) == (1 if direction == "join" else 3)
            break
    else:
        pytest.fail("it never came to its end")
    assert steps > 15

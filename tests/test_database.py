"""Claims about the tables as views: only what is committed, whatever a run does meanwhile."""

import subprocess
import sys
from pathlib import Path

import pytest
from committed import commit
from duckdb import DuckDBPyRelation

from pipeline.compact import compact
from pipeline.database import connect, query
from pipeline.errors import InputError
from pipeline.results import ResultsFolder
from pipeline.tables import TABLES

ROOT = Path(__file__).parents[1]


def fetched(rows: DuckDBPyRelation) -> list[tuple[object, ...]]:
    return rows.fetchall()


@pytest.mark.parametrize("table", TABLES)
def test_table_that_no_run_wrote_is_empty_with_the_same_columns(tmp_path: Path, table: str) -> None:
    commit(ResultsFolder(tmp_path / "full"), "a.mp4", 1)
    (tmp_path / "empty" / "segments").mkdir(parents=True)
    empty, full = (connect(tmp_path / name).sql(f"from {table}") for name in ("empty", "full"))
    assert (empty.columns, empty.types) == (full.columns, full.types)
    assert (len(empty.fetchall()), len(full.fetchall()) > 0) == (0, True)


def test_rows_without_their_video_are_not_there(tmp_path: Path) -> None:
    results = ResultsFolder(tmp_path)
    commit(results, "a.mp4", 2)
    results.part("videos", commit(results, "b.mp4", 2)).unlink()
    for table in TABLES:
        assert fetched(connect(tmp_path).sql(f"select distinct video from {table}")) == [("a.mp4",)]


def test_folder_that_holds_no_tables_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"is no results folder.*give a run's --out$"):
        connect(tmp_path)


def test_what_duckdb_refuses_is_told_without_a_blank_line(tmp_path: Path) -> None:
    commit(ResultsFolder(tmp_path), "a.mp4", 1)
    with pytest.raises(InputError, match="segmentz does not exist") as caught:
        query(tmp_path, "from segmentz", fetched)
    assert "" not in str(caught.value).splitlines()


def test_name_with_quotes_brackets_and_stars_is_a_name(tmp_path: Path) -> None:
    folder = tmp_path / "it's [a] *folder*"
    commit(ResultsFolder(folder), "it's [a] * video?.mp4", 2)
    assert query(folder, "select count(*) from segments", fetched) == [(2,)]


def test_parts_that_are_replaced_while_they_are_read_are_read_anew(tmp_path: Path) -> None:
    results, seen = ResultsFolder(tmp_path), []
    commit(results, "a.mp4", 1)

    def slow(rows: DuckDBPyRelation) -> list[tuple[object, ...]]:
        found = fetched(rows)
        seen.append(found)
        if len(seen) == 1:
            commit(results, "a.mp4", 5)
        elif len(seen) == 2:
            commit(results, "b.mp4", 5)
            compact(results)
        return found

    sql = "select (select count(*) from segments), (select sum(n_detections) from videos)"
    assert query(tmp_path, sql, slow) == [(10, 10)]
    assert seen == [[(1, 1)], [(5, 5)], [(10, 10)]]


_COMMIT_AND_REPLACE = """
import itertools, sys, time
from pathlib import Path
from pipeline.results import ResultsFolder
from tests.committed import commit
results = ResultsFolder(Path(sys.argv[1]))
for number in itertools.count():
    with results.writing():
        commit(results, f"{number % 7}.mp4", number % 50, only_segments=True)
    time.sleep(0.05)
"""


def test_while_a_job_runs_every_answer_is_of_whole_videos(tmp_path: Path) -> None:
    commit(ResultsFolder(tmp_path), "0.mp4", 1)
    sql = """
        select count(*),
            count(*) filter (n_detections <> coalesce(found, 0)), count(found) filter (videos.video is null)
        from videos full join (select video, count(*) as found from segments group by video) counts using (video)
    """
    writer = subprocess.Popen([sys.executable, "-c", _COMMIT_AND_REPLACE, str(tmp_path)], cwd=ROOT)
    answers: list[list[tuple[object, ...]]] = []
    try:
        while len(answers) < 50 or answers[-1][0][0] != 7:
            assert writer.poll() is None
            answers.append(query(tmp_path, sql, fetched))
    finally:
        writer.kill()
        writer.wait()
    assert {(wrong, strangers) for [(_, wrong, strangers)] in answers} == {(0, 0)}

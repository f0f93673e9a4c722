"""Claims about `query` and `compact` on the command line: every form holds the same rows, mistakes are plain lines."""

import csv
import io
import json
from pathlib import Path

import polars as pl
import pytest
from committed import commit
from typer.testing import CliRunner, Result

from pipeline.results import ResultsFolder
from run import app

BY_VIDEO = "select video, count(*) as times from segments group by all order by all"
ROWS = [("a, b.mp4", 2), ("ünï.mp4", 3)]


def call(*arguments: object, stdin: str | None = None) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], input=stdin)


@pytest.fixture
def results(tmp_path: Path) -> Path:
    for name, count in ROWS:
        commit(ResultsFolder(tmp_path / "results"), name, count)
    return tmp_path / "results"


def test_table_is_printed_whole_where_no_terminal_limits_it(results: Path) -> None:
    printed = call("query", results, "select repeat('x', 300) as long, * from videos").stdout
    assert "x" * 300 in printed and "ünï.mp4" in printed


def test_long_table_says_how_many_rows_it_leaves_out(results: Path) -> None:
    printed = call("query", results, "from range(1000)", "--rows", 4).stdout
    assert "1000 rows" in printed and "999" in printed and "500" not in printed.replace("1000", "")


def test_printed_csv_and_json_hold_the_rows(results: Path) -> None:
    text = call("query", results, BY_VIDEO, "--format", "csv").stdout
    assert [(row["video"], int(row["times"])) for row in csv.DictReader(io.StringIO(text))] == ROWS
    rows = json.loads(call("query", results, BY_VIDEO, "--format", "json").stdout)
    assert [(row["video"], row["times"]) for row in rows] == ROWS


def test_no_rows_are_an_empty_list_and_a_heading(results: Path) -> None:
    assert json.loads(call("query", results, f"from ({BY_VIDEO}) where false", "--format", "json").stdout) == []
    assert call("query", results, f"from ({BY_VIDEO}) where false", "--format", "csv").stdout == "video,times\n"


@pytest.mark.parametrize("suffix", ["csv", "json", "parquet"])
def test_file_has_the_form_of_its_suffix(results: Path, suffix: str, tmp_path: Path) -> None:
    out = tmp_path / f"it's new.{suffix}"
    result = call("query", results, BY_VIDEO, "--out", out)
    assert result.exit_code == 0 and "2 rows" in result.stdout
    assert {"csv": pl.read_csv, "json": pl.read_json, "parquet": pl.read_parquet}[suffix](out).rows() == ROWS  # type: ignore[operator]


def test_query_may_come_from_stdin(results: Path) -> None:
    assert call("query", results, "-", "--format", "csv", stdin=BY_VIDEO).stdout.count("\n") == 3


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["selec 1"], 'syntax error at or near "selec"'),
        (["select nothing from segments"], 'Referenced column "nothing" not found'),
        ([""], "asks for nothing"),
        (["from segments", "--format", "parquet"], "--format: parquet goes to a file; give --out as well"),
        (["from segments", "--out", "x.txt"], "--out: give a name that ends in .csv, .json, .parquet, or --format"),
        (["from segments", "--out", "x.csv", "--format", "table"], "--format: a table is printed"),
        (["from read_csv('no such file.csv')"], "no such file.csv"),
    ],
)
def test_mistake_is_told_plainly(results: Path, arguments: list[str], says: str) -> None:
    result = call("query", results, *arguments)
    assert result.exit_code == 2 and says in result.stderr and "Traceback" not in result.stderr
    assert not Path("x.csv").exists()


@pytest.mark.parametrize("command", [["query", "from segments"], ["compact"]])
def test_folder_without_tables_is_one_line(tmp_path: Path, command: list[str]) -> None:
    result = call(command[0], tmp_path, *command[1:])
    assert result.exit_code == 2 and "is no results folder" in result.stderr and result.stderr.count("\n") == 1


def test_compact_says_what_it_did_and_leaves_the_answers(results: Path) -> None:
    before = call("query", results, BY_VIDEO).stdout
    assert "2 parts of each table before, 1 now" in call("compact", results).stdout
    assert call("query", results, BY_VIDEO).stdout == before


def test_compact_waits_for_no_run(results: Path) -> None:
    with ResultsFolder(results).writing():
        result = call("compact", results)
    assert result.exit_code == 1 and "another run is writing" in result.stderr

"""The tables of a results folder as views in DuckDB: what is committed, and nothing else."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import duckdb
import pyarrow as pa

from pipeline.errors import InputError
from pipeline.parts import finished_parts, parts_of, states
from pipeline.tables import TABLES

_TRIES = 8

Answer = TypeVar("Answer")


def connect(folder: Path) -> duckdb.DuckDBPyConnection:
    """A database in memory with a view for each table, as of now; empty where a run wrote none. Raises InputError.

    Rows are read from the parts when they are asked for; `undisturbed` is for folders that a run is writing to.
    """
    return _views(folder, finished_parts(folder))


def undisturbed(folder: Path, use: Callable[[duckdb.DuckDBPyConnection], Answer]) -> Answer:
    """What `use` makes of such a database; called anew where a run replaced parts meanwhile. Raises InputError."""
    for is_last in (*[False] * (_TRIES - 1), True):
        commits = finished_parts(folder)
        before = states(commits)
        try:
            answer = use(_views(folder, commits))
        except (duckdb.Error, pa.ArrowException, OSError):
            if is_last or (states(commits) == before and None not in before):
                raise
        else:
            if is_last or states(commits) == before:
                return answer
    raise AssertionError("unreachable")


def query(folder: Path, sql: str, use: Callable[[duckdb.DuckDBPyRelation], Answer]) -> Answer:
    """What `use` makes of the rows of the last statement, undisturbed.

    Raises InputError for SQL that DuckDB refuses, with its reasons.
    """

    def ask(database: duckdb.DuckDBPyConnection) -> Answer:
        rows = database.sql(sql)
        if rows is None:
            raise InputError(f"{sql!r} asks for nothing: give a query, such as 'from segments'")
        return use(rows)

    try:
        return undisturbed(folder, ask)
    except duckdb.Error as error:
        raise InputError("\n".join(line for line in str(error).splitlines() if line.strip())) from None


def _views(folder: Path, commits: list[Path]) -> duckdb.DuckDBPyConnection:
    database = duckdb.connect()
    for name, schema in TABLES.items():
        parts = commits if name == "videos" else parts_of(folder, name, commits)
        if parts:
            database.read_parquet([str(part) for part in parts]).create_view(name)
        else:
            database.register(name, _empty(schema))
    return database


def _empty(schema: pa.Schema) -> pa.Table:
    """Without rows; DuckDB knows no halves, and reads those of a part as singles."""
    halves, singles = pa.list_(pa.float16()), pa.list_(pa.float32())
    return pa.schema([(one.name, singles if one.type == halves else one.type) for one in schema]).empty_table()

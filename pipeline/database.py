"""The tables of a results folder as views in DuckDB: what is committed, and nothing else."""

from pathlib import Path

import duckdb
import pyarrow as pa

from pipeline.parts import committed_parts, is_results_folder, parts_of
from pipeline.sources import InputError
from pipeline.tables import TABLES


def connect(folder: Path) -> duckdb.DuckDBPyConnection:
    """A database in memory with a view for each table, as of now; empty where a run wrote none. Raises InputError.

    Its answers are read from the parts when they are asked for: a run that does a video anew meanwhile takes some away.
    """
    if not is_results_folder(folder):
        raise InputError(f"{folder}: is no results folder: it needs videos/*.parquet; give a run's --out")
    commits = committed_parts(folder)
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
    halves = pa.list_(pa.float16())
    return pa.schema(
        [(one.name, pa.list_(pa.float32()) if one.type == halves else one.type) for one in schema]
    ).empty_table()

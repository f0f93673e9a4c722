"""Rows of a results folder, read as strictly as files of others: no empty cell, no number that is none."""

from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from annotations.errors import AnnotationError
from pipeline import parts


def finished_parts(folder: Path) -> list[Path]:
    """The parts of `videos` that count. Raises AnnotationError if there are none."""
    if not parts.is_results_folder(folder):
        raise AnnotationError(f"{folder}: is no results folder: it needs videos/*.parquet; give a run's --out")
    commits = parts.committed_parts(folder)
    if not commits:
        raise AnnotationError(f"{folder}: holds no finished video; let the run finish one")
    return commits


def read_parts(paths: Sequence[Path], schema: pa.Schema, *, nullable: Collection[str] = ()) -> pa.Table:
    """The columns of the schema; only the `nullable` may have empty cells. Raises AnnotationError."""
    with ThreadPoolExecutor(8) as pool:
        tables = pool.map(lambda path: _read(path, schema, nullable), paths)
        return pa.concat_tables([schema.empty_table(), *tables])


def numbers_of(column: pa.ChunkedArray, names: Sequence[str]) -> np.ndarray:
    """The index of each text in `names`, -1 for an empty cell and where it is not there (int64)."""
    indices = pc.fill_null(pc.index_in(column, pa.array(names, pa.string())), -1)
    numbers: np.ndarray = indices.to_numpy().astype(np.int64)
    return numbers


def _read(path: Path, schema: pa.Schema, nullable: Collection[str]) -> pa.Table:
    try:
        with pq.ParquetFile(path) as file:
            missing = [name for name in schema.names if name not in file.schema_arrow.names]
            if missing:
                raise AnnotationError(f"{path}: lacks the columns {', '.join(missing)}; run that video again")
            table = file.read(columns=schema.names).select(schema.names).cast(schema)
    except (pa.ArrowException, OSError) as error:
        message = " ".join(str(error).split())
        raise AnnotationError(f"{path}: cannot be read: {message}; run that video again") from None
    _refuse_bad_rows(path, table, nullable)
    return table


def _refuse_bad_rows(path: Path, table: pa.Table, nullable: Collection[str]) -> None:
    if any(table.column(name).null_count for name in table.column_names if name not in nullable):
        raise AnnotationError(f"{path}: has rows with empty cells; run that video again")
    for name in table.column_names:
        if pa.types.is_floating(table.schema.field(name).type):
            column = table.column(name)
            is_fine_N = np.isfinite(column.to_numpy()) | column.is_null().to_numpy()
            if not is_fine_N.all():
                row = int(np.argmin(is_fine_N))
                what = f"{name} is {column[row]}, no finite number"
                raise AnnotationError(f"{path}: row {row + 1}: {what}; run that video again")

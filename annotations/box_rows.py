"""Rows of people's boxes as files have them: AVA's CSV with or without actions and scores, and Parquet.

CSV: `video,timestamp,x1,y1,x2,y2,action`, then a person's number or a score, or both; `action` may be empty, as in
published boxes of people. A row of two columns says that nobody is there. Shape letters: R rows, N boxes.
"""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, zip_longest
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from annotations import values
from annotations.errors import AnnotationError, BadValue, Problems
from annotations.files import read_text
from annotations.values import shown

_FORM = "video,timestamp,x1,y1,x2,y2,action[,person_id] or video,timestamp,x1,y1,x2,y2,[action],score[,person_id]"
_SIDES = ("x1", "y1", "x2", "y2")
_TIMES = ("time_s", "timestamp")  # of a Parquet table: the first that is there
_SCORES = ("person_score", "score")
_WIDEST = 9
_ROWS_AT_ONCE = 20_000  # with a million lists of texts at once Python looks for garbage most of the time


@dataclass(frozen=True, eq=False, slots=True)
class BoxRows:
    """A row for each action of a box, or for each box."""

    numbers_N: np.ndarray  # int64, of the rows in the file, for messages
    videos_N: pa.ChunkedArray  # texts
    times_N: np.ndarray  # float64 seconds
    boxes_N4: np.ndarray  # float64
    scores_N: np.ndarray  # float64, 1.0 where none is told
    idle_videos: tuple[str, ...] = ()  # of rows that say that nobody is there


def csv_rows(problems: Problems) -> BoxRows:
    """Of the file at the problems' path; rows with problems have numbers that mean nothing. Raises AnnotationError."""
    numbers_R, widths_R, table = _read_csv(problems.path)
    for row in np.flatnonzero(~np.isin(widths_R, (2, 7, 8, 9))).tolist():
        video = shown(table.column(0)[row].as_py())
        problems.add(f"row {numbers_R[row]}, video {video}", f"must be {_FORM}, got {widths_R[row]} columns")
    idle = table.column(0).filter(pa.array(widths_R == 2))
    numbers_N, widths_N = numbers_R[widths_R >= 7], widths_R[widths_R >= 7]
    columns = table.filter(pa.array(widths_R >= 7)).columns
    scores_N = _score_cells(columns, widths_N)
    cure = "; a score stands behind an empty action: ...,y2,,score"
    _refuse_other(problems, numbers_N, columns[6], "action", cure)
    _refuse_other(problems, numbers_N, columns[8], "person_id")
    times_N, *sides = (
        _numbers(problems, numbers_N, cells, name)
        for name, cells in zip(("timestamp", *_SIDES), columns[1:6], strict=True)
    )
    return BoxRows(
        numbers_N,
        columns[0],
        times_N,
        np.stack(sides, axis=1),
        _numbers(problems, numbers_N, scores_N, "score"),
        tuple(pc.unique(idle).to_pylist()),
    )


def _read_csv(path: Path) -> tuple[np.ndarray, np.ndarray, pa.Table]:
    """Of the rows that hold something: number in the file, how many cells, and these, filled up with empty ones."""
    reader = csv.reader(io.StringIO(read_text(path), newline=""), strict=True)
    names = [str(place) for place in range(_WIDEST)]
    numbers, widths, tables = [], [], [pa.schema([(name, pa.string()) for name in names]).empty_table()]
    try:
        for batch in _batches(reader):
            rows = [row for _, row in batch]
            numbers.append(np.array([number for number, _ in batch], np.int64))
            widths.append(np.array(list(map(len, rows)), np.int64))
            columns = islice(zip_longest(*rows, [""] * _WIDEST, fillvalue=""), _WIDEST)
            tables.append(pa.table([pa.array(cells[:-1], pa.string()) for cells in columns], names))
    except csv.Error as error:
        raise AnnotationError(f"{path}: row {reader.line_num}: is no CSV: {error}; mend its quotes") from None
    table = pa.concat_tables(tables)
    if not len(table) or not _is_number(table.column(1)[0].as_py()):
        raise AnnotationError(f"{path}: holds no boxes of people; rows without a header are wanted: {_FORM}")
    return np.concatenate(numbers), np.concatenate(widths), table


def _batches(reader: Iterator[list[str]]) -> Iterator[list[tuple[int, list[str]]]]:
    numbered = (
        (number, row)
        for number, row in enumerate(reader, start=1)
        if row and (row[0].strip() or any(map(str.strip, row)))
    )
    while batch := list(islice(numbered, _ROWS_AT_ONCE)):
        yield batch


def _is_number(cell: str) -> bool:
    try:
        values.number(cell, "timestamp")
    except BadValue:
        return False
    return True


def _score_cells(columns: list[pa.ChunkedArray], widths_N: np.ndarray) -> pa.ChunkedArray:
    """What follows the action, but for numbers of persons: of those a file has nothing else there."""
    has_action_N = pc.not_equal(pc.utf8_trim_whitespace(columns[6]), "").to_numpy()
    may_be_person_N = (widths_N == 8) & has_action_N
    are_persons = pc.all(pc.utf8_is_digit(columns[7].filter(pa.array(may_be_person_N)))).as_py()
    is_told_N = (widths_N > 7) & ~(may_be_person_N & (are_persons is not False))
    return pc.if_else(pa.array(is_told_N), columns[7], "1")


def _refuse_other(problems: Problems, numbers_N: np.ndarray, cells: pa.ChunkedArray, name: str, cure: str = "") -> None:
    """Than whole numbers and empty cells; the first row of each."""
    for cell in pc.unique(cells).to_pylist():
        if cell.strip():
            try:
                values.whole_number(cell, name)
            except BadValue as error:
                problems.add(f"row {numbers_N[pc.index(cells, cell).as_py()]}", f"{error}{cure}")


def _numbers(problems: Problems, numbers_N: np.ndarray, cells: pa.ChunkedArray, name: str) -> np.ndarray:
    try:
        column_N: np.ndarray = cells.cast(pa.float64()).to_numpy()
    except pa.ArrowInvalid:
        pass
    else:
        if np.isfinite(column_N).all():
            return column_N
    column_N = np.zeros(len(cells))
    for row, cell in enumerate(cells.to_pylist()):
        try:
            column_N[row] = values.number(cell, name)
        except BadValue as error:
            problems.add(f"row {numbers_N[row]}", str(error))
    return column_N


def parquet_rows(problems: Problems) -> BoxRows:
    """Of the file at the problems' path; rows with problems have numbers that mean nothing. Raises AnnotationError."""
    path = problems.path
    try:
        with pq.ParquetFile(path) as file:
            there = file.schema_arrow.names
            time, score = (next((name for name in names if name in there), None) for names in (_TIMES, _SCORES))
            missing = [name for name in ("video", *_SIDES) if name not in there] + ([] if time else [_TIMES[0]])
            if missing or time is None:
                found = ", ".join(map(shown, there[:12])) or "none"
                raise AnnotationError(f"{path}: lacks the columns {', '.join(missing)}; found: {found}")
            wanted = ["video", time, *_SIDES, *([score] if score else [])]
            table = file.read(columns=wanted)
        videos = table.column("video").cast(pa.string())
        columns = {name: table.column(name).cast(pa.float64()) for name in wanted[1:]}
    except (pa.ArrowException, OSError) as error:
        message = " ".join(str(error).split())
        raise AnnotationError(f"{path}: cannot be read: {message}; write it again") from None
    for row in np.flatnonzero(videos.is_null().to_numpy()).tolist():
        problems.add(f"row {row + 1}", "video is missing")
    told = {name: _finite(problems, column, name) for name, column in columns.items()}
    return BoxRows(
        np.arange(1, len(table) + 1),
        videos,
        told[time],
        np.stack([told[name] for name in _SIDES], axis=1),
        told[score] if score else np.ones(len(table)),
    )


def _finite(problems: Problems, column: pa.ChunkedArray, name: str) -> np.ndarray:
    numbers_N: np.ndarray = column.to_numpy()  # an empty cell becomes NaN
    for row in np.flatnonzero(~np.isfinite(numbers_N)).tolist():
        problems.add(f"row {row + 1}", f"{name} must be a finite number, got {column[row].as_py()}")
    return numbers_N

"""The cells of a plain table, CSV as spreadsheets export it or Parquet, by the names of their columns."""

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from annotations import values
from annotations.errors import AnnotationError, Problems
from annotations.files import first_bytes, numbered_rows, read_text

COLUMNS = ("video", "subset", "duration_s", "start_s", "stop_s", "label", "score")

_OTHER_NAMES = {"end_s": "stop_s"}
_DELIMITERS = (",", ";", "\t")
_WANTED = {"stop_s": "end_s (or stop_s)"}


@dataclass(frozen=True, slots=True)
class Cells:
    """Rows that hold something; columns that the table lacks are missing here."""

    columns: dict[str, Sequence[object]]
    rows: Sequence[int]  # the number of each row in the file, for messages
    decimal_comma: bool = False


def is_parquet(path: Path) -> bool:
    """By content, or by suffix. Raises AnnotationError if the file cannot be read."""
    return first_bytes(path).startswith(b"PAR1") or path.suffix.lower() == ".parquet"


def read_cells(problems: Problems, required: Sequence[str]) -> Cells:
    """The table at the problems' path; `required` are names of COLUMNS. Raises AnnotationError."""
    return (_parquet if is_parquet(problems.path) else _csv)(problems, required)


def known_columns(names: Sequence[str]) -> dict[str, int]:
    """Places of the columns we know, by our name for them. Raises ValueError if one appears twice."""
    found: dict[str, int] = {}
    for place, name in enumerate(names):
        plain = name.strip().lower()
        column = _OTHER_NAMES.get(plain, plain)
        if column in found:
            raise ValueError(f"columns {names[found[column]].strip()!r} and {name.strip()!r} say the same; remove one")
        if column in COLUMNS:
            found[column] = place
    return found


def header_cells(line: str) -> tuple[list[str], str]:
    """The cells of a CSV's first line and the delimiter that makes most sense of them."""

    def known(delimiter: str) -> int:
        cells = next(csv.reader([line], delimiter=delimiter), [])
        return len({cell.strip().lower() for cell in cells} & {*COLUMNS, *_OTHER_NAMES})

    try:
        delimiter = max(_DELIMITERS, key=known)
        return next(csv.reader([line], delimiter=delimiter), []), delimiter
    except csv.Error:
        return [line], ","


def _csv(problems: Problems, required: Sequence[str]) -> Cells:
    path, text = problems.path, read_text(problems.path)
    first = next((line for line in io.StringIO(text, newline=None) if line.strip(' \t\n,;"')), "")
    _, delimiter = header_cells(first)
    numbered = numbered_rows(path, text, delimiter=delimiter, skip_blanks=True)
    if not first or not numbered:
        raise AnnotationError(f"{path}: is empty but for delimiters; give a table with a row of names")
    header_row, header = numbered[0]
    places = _places(path, f"row {header_row}: ", header, required)
    for number, row in numbered[1:]:
        if any(cell.strip() for cell in row[len(header) :]):
            problems.add(
                f"row {number}", f"has {len(row)} cells and the header {len(header)}; quote cells with {delimiter!r}"
            )
    body = [row for _, row in numbered[1:]]
    return Cells(
        {name: [row[place] if place < len(row) else None for row in body] for name, place in places.items()},
        [number for number, _ in numbered[1:]],
        decimal_comma=delimiter == ";",
    )


def _parquet(problems: Problems, required: Sequence[str]) -> Cells:
    path = problems.path
    try:
        with pq.ParquetFile(path) as file:
            names = file.schema_arrow.names
            places = _places(path, "", names, required)
            table = file.read(columns=[names[place] for place in places.values()])
        columns: dict[str, Any] = {name: table.column(names[place]).to_pylist() for name, place in places.items()}
    except AnnotationError:
        raise
    except (pa.ArrowException, OSError, ValueError, OverflowError, KeyError) as error:
        message = " ".join(str(error).split())
        raise AnnotationError(f"{path}: is no Parquet table that can be read: {message}; write it again") from None
    filled = [
        row for row, cells in enumerate(zip(*columns.values(), strict=True)) if not all(map(values.is_blank, cells))
    ]
    return Cells({name: [cells[row] for row in filled] for name, cells in columns.items()}, [row + 1 for row in filled])


def _places(path: Path, place: str, names: Sequence[str], required: Sequence[str]) -> dict[str, int]:
    try:
        found = known_columns(names)
    except ValueError as error:
        raise AnnotationError(f"{path}: {place}{error}") from None
    missing = [_WANTED.get(name, name) for name in required if name not in found]
    if missing:
        there = ", ".join(values.shown(name.strip()) for name in names[:12]) or "none"
        wanted = ", ".join(_WANTED.get(name, name) for name in required)
        what = f"columns wanted: {wanted}; found: {there}; missing: {', '.join(missing)}"
        cure = "these look like AVA's boxes, not spans" if _are_boxes(names) else "add a row of names above, or rename"
        raise AnnotationError(f"{path}: {place}{what}; {cure}")
    return found


def _are_boxes(first_row: Sequence[str]) -> bool:
    """Whether a row is video, timestamp, x1, y1, x2, y2, action, and perhaps more."""
    try:
        return len(first_row) >= 7 and all(map(math.isfinite, map(float, first_row[1:7])))
    except ValueError:
        return False

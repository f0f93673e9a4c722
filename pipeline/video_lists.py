"""Lists of videos: text files with one a line, CSV and Parquet tables with a column of them."""

import csv
from pathlib import Path

from pipeline.opening import local_path
from pipeline.walk import is_video_name

LIST_SUFFIXES = frozenset({".txt", ".csv", ".parquet"})
COLUMNS = ("video", "uri", "path")


def read_list(path: Path) -> list[str]:
    """The entries as written. Raises OSError, ValueError or csv.Error if the file is no list."""
    read = {".txt": _read_text, ".csv": _read_csv, ".parquet": _read_parquet}[path.suffix.lower()]
    return [entry for entry in read(path) if entry]


def _read_text(path: Path) -> list[str]:
    # Surrogates keep the bytes of names that are no UTF-8; utf-8-sig drops the mark that some editors put first.
    lines = path.read_text(encoding="utf-8-sig", errors="surrogateescape").split("\n")
    return [line.strip() for line in lines if not line.lstrip().startswith("#")]


def _read_csv(path: Path) -> list[str]:
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        rows = [row for row in csv.reader(file) if row]
    if not rows:
        return []
    column = _column([name.strip().lower() for name in rows[0]])
    has_header = column is not None or not _looks_like_a_video(rows[0][0])
    return [row[column or 0].strip() for row in rows[has_header:] if len(row) > (column or 0)]


def _read_parquet(path: Path) -> list[str]:
    from pyarrow import parquet

    names = parquet.read_schema(path).names
    if not names:
        return []
    column = names[_column([name.lower() for name in names]) or 0]
    values = parquet.read_table(path, columns=[column]).column(0).to_pylist()
    return [value.strip() for value in values if isinstance(value, str)]


def _column(names: list[str]) -> int | None:
    return next((names.index(name) for name in COLUMNS if name in names), None)


def _looks_like_a_video(cell: str) -> bool:
    return is_video_name(cell.strip()) or local_path(cell.strip()) is None

"""Files of annotations on disk: text that is text, rows of CSV, and writing that leaves no half file."""

import csv
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from annotations.errors import AnnotationError

_HEAD_BYTES = 4096
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_PACKED = {
    b"PK\x03\x04": "is a zip archive or a spreadsheet; save it as CSV or unpack it",
    b"\xd0\xcf\x11\xe0": "is an old Office file; save it as CSV",
    b"\x1f\x8b": "is packed with gzip; unpack it",
    b"PAR1": "is a Parquet table; this form is text",
}


def first_bytes(path: Path) -> bytes:
    """Enough of a file to tell its form. Raises AnnotationError."""
    with _reading(path), path.open("rb") as file:
        return file.read(_HEAD_BYTES)


def first_text(path: Path) -> str:
    """The same as text, with replacement characters for what is none."""
    head = first_bytes(path)
    return head.decode("utf-16" if head.startswith(_UTF16_MARKS) else "utf-8-sig", errors="replace")


def read_text(path: Path, *, may_be_empty: bool = False) -> str:
    """The whole text: UTF-8, or UTF-16 with its mark as spreadsheets write it. Raises AnnotationError."""
    head = first_bytes(path)
    packed = next((what for magic, what in _PACKED.items() if head.startswith(magic)), None)
    is_utf16 = head.startswith(_UTF16_MARKS)
    if packed or (b"\0" in head and not is_utf16):
        raise AnnotationError(f"{path}: {packed or 'is a binary file, not text; give JSON, CSV, Parquet or text'}")
    with _reading(path):
        data = path.read_bytes()
    encoding = "UTF-16" if is_utf16 else "UTF-8"
    try:
        text = data.decode("utf-16" if is_utf16 else "utf-8-sig")
    except UnicodeDecodeError as error:
        row = data[: error.start].count(b"\n") + 1
        raise AnnotationError(f"{path}: row {row}: holds bytes that are no {encoding}; save it as UTF-8") from None
    if "\0" in text:
        row = text[: text.index("\0")].count("\n") + 1
        raise AnnotationError(f"{path}: row {row}: holds a zero byte; is a binary file, or damaged")
    if not may_be_empty and not text.strip():
        blanks = " but for blanks" if text else ""
        raise AnnotationError(f"{path}: is empty{blanks}; give a file with annotations or predictions")
    return text


def numbered_rows(
    path: Path, text: str, *, delimiter: str = ",", skip_blanks: bool = False
) -> list[tuple[int, list[str]]]:
    """The rows of a CSV that hold something, each with its number in the file. Raises AnnotationError.

    `skip_blanks`: those that follow a delimiter, as spreadsheets take them.
    """
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=skip_blanks, strict=True)
    try:
        return [(number, row) for number, row in enumerate(reader, start=1) if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise AnnotationError(f"{path}: row {reader.line_num}: is no CSV: {error}; mend its quotes") from None


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temp file to write beside `path`, which takes its place once it is whole. Raises AnnotationError."""
    temp = path.parent / f".{path.name}.{os.getpid()}"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temp
        with temp.open("rb") as file:
            os.fsync(file.fileno())
        temp.replace(path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise AnnotationError(f"{path}: cannot be written: {reason}; choose another place") from None
    finally:
        if temp.exists():
            temp.unlink()


def write_text(path: Path, text: str) -> None:
    """Whole or not at all. Raises AnnotationError."""
    with replacing(path) as temp:
        temp.write_text(text, encoding="utf-8", newline="\n")


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise AnnotationError(f"{path}: cannot be read: {reason}; check the path") from None
    except ValueError as error:  # a zero byte in the path
        raise AnnotationError(f"{str(path)!r}: cannot be read: {error}; check the path") from None

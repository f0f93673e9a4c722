"""The tables that users query: their columns, and how a video's part of one appears whole or not at all."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import StopRun

_LOST_SPAN = pa.struct([("start_s", pa.float64()), ("stop_s", pa.float64()), ("reason", pa.string())])

VIDEOS = pa.schema(
    [
        ("video", pa.string()),
        ("uri", pa.string()),
        ("status", pa.string()),  # ok, partial, failed
        ("error_class", pa.string()),
        ("error", pa.string()),
        ("lost_spans", pa.list_(_LOST_SPAN)),
        ("duration_s", pa.float64()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("fps", pa.float64()),
        ("codec", pa.string()),
        ("n_segments", pa.int32()),
        ("n_detections", pa.int32()),
        ("decode_s", pa.float64()),
        ("infer_s", pa.float64()),
        ("wall_s", pa.float64()),
        ("fingerprint", pa.string()),
        ("run_id", pa.string()),
    ]
)

SEGMENTS = pa.schema(
    [
        ("video", pa.string()),
        ("start_s", pa.float64()),
        ("stop_s", pa.float64()),
        ("label", pa.string()),
        ("label_id", pa.int32()),
        ("score", pa.float64()),
    ]
)

PERSONS = pa.schema(
    [
        ("video", pa.string()),
        ("time_s", pa.float64()),  # of the key frame
        ("track_id", pa.int64()),
        ("x1", pa.float64()),  # the box, 0..1 of the upright picture
        ("y1", pa.float64()),
        ("x2", pa.float64()),
        ("y2", pa.float64()),
        ("person_score", pa.float64()),
        ("label", pa.string()),  # one row a label; null: none is sure enough
        ("label_id", pa.int32()),
        ("score", pa.float64()),
    ]
)

TUBES = pa.schema(
    [
        ("video", pa.string()),
        ("track_id", pa.int64()),
        ("start_s", pa.float64()),
        ("stop_s", pa.float64()),
        ("label", pa.string()),
        ("label_id", pa.int32()),
        ("score", pa.float64()),
    ]
)

FEATURES = pa.schema(
    [
        ("video", pa.string()),
        ("start_s", pa.float64()),
        ("stop_s", pa.float64()),
        ("feature", pa.list_(pa.float16())),
    ]
)

TABLES = {"videos": VIDEOS, "segments": SEGMENTS, "persons": PERSONS, "tubes": TUBES, "features": FEATURES}


def table_of(name: str, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Rows as a table with the full schema, also when there is none."""
    return pa.Table.from_pylist([dict(row) for row in rows], schema=TABLES[name])


@contextmanager
def storing(folder: Path) -> Iterator[None]:
    """A disk that is full or refuses stops the run: StopRun."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise StopRun(f"cannot write to {folder}: {reason}; mend that, then give the same command again") from None


def write_part(
    tables: Iterable[pa.Table], schema: pa.Schema, target: Path, temp_folder: Path, metadata: Mapping[str, str]
) -> None:
    """Write beside the tables, piece by piece, force to disk, then rename into place. Raises StopRun."""
    temp = temp_folder / f"{target.parent.name}-{target.name}-{os.getpid()}"
    with storing(target.parent):
        temp_folder.mkdir(parents=True, exist_ok=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        with pq.ParquetWriter(temp, schema.with_metadata(dict(metadata)), compression="zstd") as writer:
            for table in tables:
                writer.write_table(table.replace_schema_metadata(dict(metadata)))
        publish(temp, target)


def publish(temp: Path, target: Path) -> None:
    """Make a finished temp file appear under its name, durable before visible."""
    with temp.open("rb") as file:
        os.fsync(file.fileno())
    temp.replace(target)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)

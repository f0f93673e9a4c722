"""A results folder of ours as predictions.

A video counts once its part lies in `videos`; a part of `segments` without one is what a killed run has left.
"""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from annotations.errors import AnnotationError
from annotations.records import LabelledSpans

_VIDEOS = pa.schema([("video", pa.string())])
_SEGMENTS = pa.schema(
    [
        ("video", pa.string()),
        ("start_s", pa.float64()),
        ("stop_s", pa.float64()),
        ("label", pa.string()),
        ("score", pa.float64()),
    ]
)


def is_results_folder(folder: Path) -> bool:
    return (folder / "segments").is_dir() or any((folder / "videos").glob("*.parquet"))


def read_results_folder(folder: Path) -> LabelledSpans:
    """Raises AnnotationError."""
    if not is_results_folder(folder):
        raise AnnotationError(f"{folder}: is no results folder: it needs videos/*.parquet; give a run's --out")
    commits = sorted((folder / "videos").glob("*.parquet"))
    if not commits:
        raise AnnotationError(f"{folder}: holds no finished video; let the run finish one")
    parts = [part for commit in commits if (part := folder / "segments" / commit.name).is_file()]
    with ThreadPoolExecutor(8) as pool:
        videos = pa.concat_tables([_VIDEOS.empty_table(), *pool.map(lambda path: _read(path, _VIDEOS), commits)])
        segments = pa.concat_tables([_SEGMENTS.empty_table(), *pool.map(lambda path: _read(path, _SEGMENTS), parts)])
    names = tuple(dict.fromkeys(videos.column("video").to_pylist()))
    return _record(names, segments)


def _read(path: Path, schema: pa.Schema) -> pa.Table:
    try:
        with pq.ParquetFile(path) as file:
            missing = [name for name in schema.names if name not in file.schema_arrow.names]
            if missing:
                raise AnnotationError(f"{path}: lacks the columns {', '.join(missing)}; run that video again")
            table = file.read(columns=schema.names).select(schema.names).cast(schema)
    except (pa.ArrowException, OSError) as error:
        message = " ".join(str(error).split())
        raise AnnotationError(f"{path}: cannot be read: {message}; run that video again") from None
    _refuse_bad_rows(path, table)
    return table


def _refuse_bad_rows(path: Path, table: pa.Table) -> None:
    if any(column.null_count for column in table.columns):
        raise AnnotationError(f"{path}: has rows with empty cells; run that video again")
    if "start_s" not in table.column_names:
        return
    starts_N, stops_N, scores_N = (table.column(name).to_numpy() for name in ("start_s", "stop_s", "score"))
    bad_N = ~((starts_N >= 0) & (starts_N < stops_N) & np.isfinite(stops_N) & np.isfinite(scores_N))
    if bad_N.any():
        row = int(np.argmax(bad_N))
        what = f"[{starts_N[row]}, {stops_N[row]}] with score {scores_N[row]} is no span that was found"
        raise AnnotationError(f"{path}: row {row + 1}: {what}; run that video again")


def _record(names: tuple[str, ...], segments: pa.Table) -> LabelledSpans:
    labels = tuple(sorted(pc.unique(segments.column("label")).to_pylist()))
    videos = tuple(dict.fromkeys([*names, *pc.unique(segments.column("video")).to_pylist()]))
    video_N, label_N = _numbers(segments.column("video"), videos), _numbers(segments.column("label"), labels)
    spans_N2 = np.stack([segments.column("start_s").to_numpy(), segments.column("stop_s").to_numpy()], axis=1)
    found = LabelledSpans(videos, labels, video_N, spans_N2, label_N, segments.column("score").to_numpy())
    return found.where(np.argsort(video_N, kind="stable"))


def _numbers(column: pa.ChunkedArray, names: tuple[str, ...]) -> np.ndarray:
    numbers: np.ndarray = pc.index_in(column, pa.array(names, pa.string())).to_numpy().astype(np.int64)
    return numbers

"""A results folder of ours as predictions.

A video counts once its part lies in `videos`; a part of another table without one is what a killed run has left.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from annotations.errors import AnnotationError
from annotations.records import LabelledBoxes, LabelledSpans
from annotations.values import shown

_VIDEOS = pa.schema([("video", pa.string())])
_STATUSES = pa.schema([("video", pa.string()), ("status", pa.string())])
_SEGMENTS = pa.schema(
    [
        ("video", pa.string()),
        ("start_s", pa.float64()),
        ("stop_s", pa.float64()),
        ("label", pa.string()),
        ("score", pa.float64()),
    ]
)
_PERSONS = pa.schema(
    [
        ("video", pa.string()),
        ("time_s", pa.float64()),
        *((name, pa.float64()) for name in ("x1", "y1", "x2", "y2")),
        ("label", pa.string()),
        ("score", pa.float64()),
    ]
)


def is_results_folder(folder: Path) -> bool:
    return (folder / "segments").is_dir() or any((folder / "videos").glob("*.parquet"))


def read_results_folder(folder: Path) -> LabelledSpans:
    """The table `segments`. Raises AnnotationError."""
    commits = _commits(folder)
    videos = _table(commits, _VIDEOS)
    segments = _table(_parts(folder, "segments", commits), _SEGMENTS)
    return _record(tuple(dict.fromkeys(videos.column("video").to_pylist())), segments)


def unfinished_videos(folder: Path) -> dict[str, str]:
    """The status of each video that is not ok: partial or failed. Raises AnnotationError."""
    rows = _table(_commits(folder), _STATUSES).to_pylist()
    return {row["video"]: row["status"] for row in rows if row["status"] != "ok"}


def read_persons(folder: Path, action_ids: Mapping[str, int]) -> LabelledBoxes:
    """The table `persons` as AVA's predictions; `action_ids` are AVA's numbers by label. Raises AnnotationError."""
    commits = _commits(folder)
    parts = _parts(folder, "persons", commits)
    if not parts:
        raise AnnotationError(f"{folder}: holds no persons/*.parquet, whose boxes AVA's form is made of")
    persons = _table(parts, _PERSONS)
    labels = pc.unique(persons.column("label")).to_pylist()
    unknown = ", ".join(shown(label) for label in labels if label not in action_ids)
    if unknown:
        raise AnnotationError(f"{folder}: persons have labels that are no action of AVA: {unknown}")
    keys = [
        (video, f"{time_s:.6f}")
        for video, time_s in zip(*(persons.column(name).to_pylist() for name in ("video", "time_s")), strict=True)
    ]
    number_of = {frame: number for number, frame in enumerate(dict.fromkeys(keys))}
    return LabelledBoxes(
        frames=tuple(number_of),
        frame_N=np.array([number_of[key] for key in keys], dtype=np.int64),
        boxes_N4=np.stack([persons.column(name).to_numpy() for name in ("x1", "y1", "x2", "y2")], axis=1),
        action_N=np.array([action_ids[label] for label in persons.column("label").to_pylist()], dtype=np.int64),
        scores_N=persons.column("score").to_numpy(),
    )


def _commits(folder: Path) -> list[Path]:
    if not is_results_folder(folder):
        raise AnnotationError(f"{folder}: is no results folder: it needs videos/*.parquet; give a run's --out")
    commits = sorted((folder / "videos").glob("*.parquet"))
    if not commits:
        raise AnnotationError(f"{folder}: holds no finished video; let the run finish one")
    return commits


def _parts(folder: Path, table: str, commits: Sequence[Path]) -> list[Path]:
    return [part for commit in commits if (part := folder / table / commit.name).is_file()]


def _table(parts: Sequence[Path], schema: pa.Schema) -> pa.Table:
    with ThreadPoolExecutor(8) as pool:
        return pa.concat_tables([schema.empty_table(), *pool.map(lambda path: _read(path, schema), parts)])


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
    for name in table.column_names:
        if pa.types.is_floating(table.schema.field(name).type):
            is_finite_N = np.isfinite(table.column(name).to_numpy())
            if not is_finite_N.all():
                row = int(np.argmin(is_finite_N))
                what = f"{name} is {table.column(name)[row]}, no finite number"
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

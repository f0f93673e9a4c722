"""A results folder of ours as predictions of spans."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from annotations.records import LabelledSpans
from annotations.results_parts import finished_parts, numbers_of, read_parts
from pipeline.parts import parts_of

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


def read_results_folder(folder: Path) -> LabelledSpans:
    """The table `segments`. Raises AnnotationError."""
    commits = finished_parts(folder)
    videos = read_parts(commits, _VIDEOS)
    segments = read_parts(parts_of(folder, "segments", commits), _SEGMENTS)
    return _record(tuple(dict.fromkeys(videos.column("video").to_pylist())), segments)


def unfinished_videos(folder: Path) -> dict[str, str]:
    """The status of each video that is not ok: partial or failed. Raises AnnotationError."""
    rows = read_parts(finished_parts(folder), _STATUSES).to_pylist()
    return {row["video"]: row["status"] for row in rows if row["status"] != "ok"}


def _record(names: tuple[str, ...], segments: pa.Table) -> LabelledSpans:
    labels = tuple(sorted(pc.unique(segments.column("label")).to_pylist()))
    videos = tuple(dict.fromkeys([*names, *pc.unique(segments.column("video")).to_pylist()]))
    video_N, label_N = numbers_of(segments.column("video"), videos), numbers_of(segments.column("label"), labels)
    spans_N2 = np.stack([segments.column("start_s").to_numpy(), segments.column("stop_s").to_numpy()], axis=1)
    found = LabelledSpans(videos, labels, video_N, spans_N2, label_N, segments.column("score").to_numpy())
    return found.where(np.argsort(video_N, kind="stable"))

"""Rows of one video in a results folder, as an overlay draws them.

Letters: R rows of people, K key boxes (a track on a key frame), L labels of key boxes.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from annotations.errors import AnnotationError
from annotations.matching import match_videos
from annotations.results_parts import numbers_of, read_parts
from annotations.values import shown
from pipeline.opening import local_path
from pipeline.records import Video
from pipeline.results import ResultsFolder

MOST_NAMES = 8

_NUMBERS = ("time_s", "x1", "y1", "x2", "y2")
_LABELLED = [("label", pa.string()), ("score", pa.float64())]
_SEGMENTS = pa.schema([("start_s", pa.float64()), ("stop_s", pa.float64()), *_LABELLED])
_PERSONS = pa.schema([("track_id", pa.int64()), *((name, pa.float64()) for name in _NUMBERS), *_LABELLED])


@dataclass(frozen=True, slots=True)
class Action:
    """A row of `segments`."""

    start_s: float
    stop_s: float
    label: str
    score: float


@dataclass(frozen=True, eq=False, slots=True)
class People:
    """Key boxes in order of track and time; key box k has the labels from first_label[k] up to first_label[k + 1]."""

    tracks_K: np.ndarray  # int64
    times_K: np.ndarray  # float64 seconds
    boxes_K4: np.ndarray  # float32 x1 y1 x2 y2, 0..1
    first_label: np.ndarray  # int64 (K + 1,)
    label_L: np.ndarray  # int32 into `names`, best first
    scores_L: np.ndarray  # float32
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.tracks_K)

    def labels(self, key: int, most: int) -> list[tuple[str, float]]:
        """The best labels of a key box and their scores."""
        first = int(self.first_label[key])
        stop = min(first + most, int(self.first_label[key + 1]))
        return [(self.names[self.label_L[row]], float(self.scores_L[row])) for row in range(first, stop)]


@dataclass(frozen=True, slots=True)
class Found:
    """What a run found in one video."""

    actions: tuple[Action, ...]
    people: People


def find_part(results: Path, video: Video) -> tuple[str, Mapping[str, Any]]:
    """Name of the part that a video lies in and its row in `videos`: by its address, then by its name.

    Raises AnnotationError.
    """
    committed = ResultsFolder(results).committed()
    rows = {part: one.row for part, one in committed.items()}
    if not rows:
        raise AnnotationError(f"{results}: holds no finished video; give the folder that a run wrote as --out")
    for is_it in (_has_address, _ends_with_name, _has_name):
        parts = [part for part, row in rows.items() if is_it(row, video)]
        if len(parts) > 1:
            both = " and ".join(shown(rows[part]["video"]) for part in parts[:2])
            raise AnnotationError(f"{results}: {both} both fit {video.uri}; give the very file that the run read")
        if parts:
            return committed[parts[0]].place, rows[parts[0]]
    names = sorted(row["video"] for row in rows.values())
    more = f" and {len(names) - MOST_NAMES:,} more" if len(names) > MOST_NAMES else ""
    listed = ", ".join(map(shown, names[:MOST_NAMES]))
    raise AnnotationError(f"{results}: holds no rows of {video.uri}; its videos are {listed}{more}")


def _has_address(row: Mapping[str, Any], video: Video) -> bool:
    return row["uri"] == video.uri or _real(row["uri"]) == _real(video.uri)


def _real(uri: str) -> str:
    path = local_path(uri)
    return uri if path is None else str(Path(path).resolve())


def _ends_with_name(row: Mapping[str, Any], video: Video) -> bool:
    return f"/{video.uri}".endswith(f"/{row['video']}")


def _has_name(row: Mapping[str, Any], video: Video) -> bool:
    return bool(match_videos([row["video"]], [video.key]))


def read_found(results: Path, part: str, video: str, *, min_score: float) -> Found:
    """Actions and people of a video in a part whose action scores reach `min_score`. Raises AnnotationError."""
    folder = ResultsFolder(results)
    actions = _rows(folder.part("segments", part), _SEGMENTS, video).to_pylist()
    persons = _rows(folder.part("persons", part), _PERSONS, video, nullable=("label", "score"))
    return Found(
        tuple(Action(**row) for row in actions if row["score"] >= min_score), _people(persons, min_score=min_score)
    )


def _rows(path: Path, schema: pa.Schema, video: str, *, nullable: Collection[str] = ()) -> pa.Table:
    """None where there is no part: a run that did not look for people wrote none."""
    rows = read_parts(
        [path] if path.exists() else [], schema.insert(0, pa.field("video", pa.string())), nullable=nullable
    )
    return rows.filter(pc.equal(rows.column("video"), video)).drop_columns("video")


def _people(rows: pa.Table, *, min_score: float) -> People:
    """About 40 bytes a key box and 8 a label stay in memory: 100 MB for a day with 20 people in view."""
    names = tuple(pc.unique(rows.column("label").drop_null()).to_pylist())
    return _by_key_box(
        rows.column("track_id").to_numpy(),
        np.stack([rows.column(name).to_numpy() for name in _NUMBERS], axis=1),
        numbers_of(rows.column("label"), names),
        pc.fill_null(rows.column("score"), 0.0).to_numpy(),
        names=names,
        min_score=min_score,
    )


def _by_key_box(
    track_R: np.ndarray,
    numbers_R5: np.ndarray,
    label_R: np.ndarray,
    score_R: np.ndarray,
    *,
    names: tuple[str, ...],
    min_score: float,
) -> People:
    order = np.lexsort((-score_R, numbers_R5[:, 0], track_R))
    track_R, numbers_R5, label_R, score_R = track_R[order], numbers_R5[order], label_R[order], score_R[order]
    is_first_R = np.ones(len(order), bool)
    is_first_R[1:] = (np.diff(track_R) != 0) | (np.diff(numbers_R5[:, 0]) != 0)
    is_label_R = (label_R >= 0) & (score_R >= min_score)
    labels_before_R = np.concatenate([[0], np.cumsum(is_label_R)])
    return People(
        tracks_K=track_R[is_first_R],
        times_K=numbers_R5[is_first_R, 0],
        boxes_K4=numbers_R5[is_first_R, 1:].astype(np.float32),
        first_label=np.append(labels_before_R[:-1][is_first_R], labels_before_R[-1]),
        label_L=label_R[is_label_R].astype(np.int32),
        scores_L=score_R[is_label_R].astype(np.float32),
        names=names,
    )

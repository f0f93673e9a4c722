"""People's boxes alone, whatever they do: a file of AVA's CSV, or Parquet, of which our table `persons` is one.

Shape letters: N boxes.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from annotations import values
from annotations.box_rows import BoxRows, csv_rows, parquet_rows
from annotations.cells import is_parquet
from annotations.errors import AnnotationError, BadValue, Problems
from annotations.files import replacing
from annotations.records import LabelledBoxes
from annotations.values import EDGE_TOLERANCE, TIME_DIGITS, shown


@dataclass(frozen=True, eq=False, slots=True)
class PersonBoxFile:
    """Boxes by video and time, each once."""

    videos: tuple[str, ...]  # that `video_N` points into, sorted; in some there is nobody
    video_N: np.ndarray  # int64
    times_N: np.ndarray  # float64 seconds
    boxes_N4: np.ndarray  # float64 x1, y1, x2, y2 in 0..1
    scores_N: np.ndarray  # float64 in 0..1, 1.0 where the file tells none

    def __len__(self) -> int:
        return len(self.video_N)

    def rows_of(self, video: int) -> slice:
        """Where the boxes of a video are."""
        first, stop = np.searchsorted(self.video_N, (video, video + 1))
        return slice(int(first), int(stop))

    @property
    def digest(self) -> str:
        """sha256 of the boxes and whose they are: the same whatever the people in them are said to do."""
        names = "\n".join([*self.videos, self.digest_of(slice(None))]).encode("utf-8", "surrogateescape")
        return hashlib.sha256(names + self.video_N.tobytes()).hexdigest()

    def digest_of(self, rows: slice) -> str:
        """sha256 of some boxes."""
        digest = hashlib.sha256()
        for column in (self.times_N, self.boxes_N4, self.scores_N):
            digest.update(np.ascontiguousarray(column[rows]).tobytes())
        return digest.hexdigest()


def read_person_boxes(path: Path) -> PersonBoxFile:
    """A file, or a folder of Parquet parts. Raises AnnotationError."""
    parts = sorted(path.glob("*.parquet")) if path.is_dir() else [path]
    if not parts:
        raise AnnotationError(f"{path}: holds no *.parquet; give a file of boxes, or a folder of parts")
    read = [_read(part) for part in parts]
    videos = sorted({video for names, _, _ in read for video in names})
    number_of = {video: number for number, video in enumerate(videos)}
    video_N = np.concatenate([np.array([number_of[one] for one in names], np.int64)[own_N] for names, own_N, _ in read])
    return _each_once(videos, video_N, np.concatenate([columns_N6 for _, _, columns_N6 in read]))


def write_person_boxes(path: Path, annotated: Iterable[LabelledBoxes], key_of: Mapping[str, str]) -> None:
    """A Parquet table of the people of those videos that have a key, under these. Raises AnnotationError."""
    videos: list[str] = []
    times: list[float] = []
    boxes = [np.zeros((0, 4))]
    for one in annotated:
        frames = [one.frames[frame] for frame in one.frame_N.tolist()]
        rows = [row for row, (video, _) in enumerate(frames) if video in key_of]
        videos += [key_of[frames[row][0]] for row in rows]
        times += [float(frames[row][1]) for row in rows]
        boxes.append(one.boxes_N4[rows])
    sides = zip(("x1", "y1", "x2", "y2"), np.concatenate(boxes).T, strict=True)
    table = {"video": pa.array(videos, pa.string()), "time_s": pa.array(times, pa.float64())} | dict(sides)
    with replacing(path) as temp:
        pq.write_table(pa.table(table), temp)


def _read(path: Path) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Names of videos, which of these each row is of, and time, sides and score of each (N, 6)."""
    problems = Problems(path)
    rows = (parquet_rows if is_parquet(path) else csv_rows)(problems)
    problems.raise_if_any()
    names, video_N = _videos(problems, rows)
    _check(problems, rows)
    problems.raise_if_any()
    sides_N4 = rows.boxes_N4.clip(0.0, 1.0)
    return names, video_N, np.column_stack([rows.times_N.round(TIME_DIGITS), sides_N4, rows.scores_N])


def _videos(problems: Problems, rows: BoxRows) -> tuple[list[str], np.ndarray]:
    encoded = rows.videos_N.combine_chunks().dictionary_encode()
    written, number_N = [*encoded.dictionary.to_pylist(), *rows.idle_videos], encoded.indices.to_numpy()
    names = []
    for number, name in enumerate(written):
        try:
            names.append(values.video_name(name.strip()))
        except BadValue as error:
            where = np.flatnonzero(number_N == number)[:1]
            problems.add(f"row {rows.numbers_N[where[0]]}" if len(where) else f"video {shown(name)}", str(error))
    return names, number_N.astype(np.int64)


def _check(problems: Problems, rows: BoxRows) -> None:
    boxes_N4 = rows.boxes_N4
    outside_N = ((boxes_N4 < -EDGE_TOLERANCE) | (boxes_N4 > 1 + EDGE_TOLERANCE)).any(axis=1)
    turned_N = (boxes_N4[:, 0] > boxes_N4[:, 2]) | (boxes_N4[:, 1] > boxes_N4[:, 3])
    faults: tuple[tuple[Any, str], ...] = (
        (rows.times_N < 0, "timestamp {time} lies before the video begins; times count from 0"),
        (outside_N, "box {box} must be shares of the picture in 0..1; divide pixels by width or height"),
        (turned_N & ~outside_N, "box {box} must have x1 <= x2 and y1 <= y2"),
        ((rows.scores_N < 0) | (rows.scores_N > 1), "score {score} must lie between 0 and 1"),
    )
    for is_fault_N, what in faults:
        for row in np.flatnonzero(is_fault_N).tolist():
            box = ", ".join(f"{side:g}" for side in boxes_N4[row])
            text = what.format(time=f"{rows.times_N[row]:g}", box=box, score=f"{rows.scores_N[row]:g}")
            problems.add(f"row {rows.numbers_N[row]}, video {shown(rows.videos_N[row].as_py())}", text)


def _each_once(videos: Sequence[str], video_N: np.ndarray, columns_N6: np.ndarray) -> PersonBoxFile:
    """By video, time and box; of a box that is there several times, the best score."""
    order = np.lexsort((-columns_N6[:, 5], *columns_N6[:, 4:0:-1].T, columns_N6[:, 0], video_N))
    video_N, columns_N6 = video_N[order], columns_N6[order]
    is_new_N = np.ones(len(video_N), bool)
    is_new_N[1:] = (video_N[1:] != video_N[:-1]) | (columns_N6[1:, :5] != columns_N6[:-1, :5]).any(axis=1)
    columns_N6 = columns_N6[is_new_N]
    return PersonBoxFile(
        tuple(videos), video_N[is_new_N], columns_N6[:, 0].copy(), columns_N6[:, 1:5].copy(), columns_N6[:, 5].copy()
    )

"""What a results folder holds, as a report shows it: videos in order of name, and columns of what was found in them.

Letters: N detections, P spans in which a person is in view, K key boxes (a person on a key frame).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from pipeline.database import undisturbed
from pipeline.errors import InputError
from reports.overlay.people import MOST_PERIODS, USUAL_PERIOD_S

NOBODY = -1  # the track of what is no person's


@dataclass(frozen=True, slots=True)
class Label:
    """What an action is called; people's actions are named apart from those of the whole picture."""

    name: str
    is_of_people: bool


@dataclass(frozen=True, eq=False, slots=True)
class Detections:
    """Rows of `segments` and labelled rows of `tubes`: by video, then by track, then by start."""

    video_N: np.ndarray  # int64, number of the video
    start_s_N: np.ndarray
    stop_s_N: np.ndarray
    label_N: np.ndarray  # int64, into the labels
    score_N: np.ndarray
    track_N: np.ndarray  # int64; NOBODY where it is a row of `segments`


@dataclass(frozen=True, eq=False, slots=True)
class Presence:
    """When people are in view: by video, track and start."""

    video_P: np.ndarray
    track_P: np.ndarray
    start_s_P: np.ndarray
    stop_s_P: np.ndarray


@dataclass(frozen=True, eq=False, slots=True)
class KeyBoxes:
    """Boxes of people while they do something: by video, track and time."""

    video_K: np.ndarray
    track_K: np.ndarray
    time_s_K: np.ndarray
    boxes_K4: np.ndarray  # x1 y1 x2 y2, 0..1


@dataclass(frozen=True, eq=False, slots=True)
class ReportRows:
    """All that a report shows of a folder; a video's number is its place in `videos`."""

    videos: tuple[Mapping[str, Any], ...]  # rows of `videos`
    labels: tuple[Label, ...]
    detections: Detections
    presence: Presence
    key_boxes: KeyBoxes
    period_s: Mapping[int, float]  # usual distance of key frames, for videos with people


def of_video(video_N: np.ndarray, number: int) -> slice:
    """Where a video's rows lie in columns that are sorted by video."""
    first, stop = np.searchsorted(video_N, [number, number + 1])
    return slice(int(first), int(stop))


def read_rows(folder: Path, *, min_score: float = 0.0) -> ReportRows:
    """What is committed now; detections whose score reaches `min_score`. Raises InputError."""
    try:
        return undisturbed(folder, lambda database: _read(database, min_score))
    except (duckdb.Error, pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0]
    raise InputError(f"{folder}: cannot be read: {reason}; take that part away, then run its video again")


# Names of videos are unique but where runs over different folders wrote to one: then the latest counts.
_NUMBERED = """
create temp table numbered as
select row_number() over (order by video) - 1 as number, * from
(select * from videos qualify row_number() over (partition by video order by run_id desc nulls last, uri) = 1)
"""

_FOUND = """
create temp table found as
select number, start_s, stop_s, label, score, track_id from
(
    select video, start_s, stop_s, label, score, null::bigint as track_id from segments
    union all select video, start_s, stop_s, label, score, track_id from tubes
)
join numbered using (video) where label is not null and score >= $min_score
"""

_BOXES = """
create temp table boxes as
select number, track_id, time_s, any_value(x1) as x1, any_value(y1) as y1, any_value(x2) as x2, any_value(y2) as y2
from persons join numbered using (video) where track_id >= 0 group by number, track_id, time_s
"""

_PERIODS = f"""
create temp table periods as
select number, coalesce(median(gap_s), {USUAL_PERIOD_S}) as period_s from
(
    select number, time_s - lag(time_s) over (partition by number order by time_s) as gap_s
    from (select distinct number, time_s from boxes)
)
group by number
"""

_PRESENCE = f"""
with marked as
(
    select *, coalesce(time_s - lag(time_s) over (partition by number, track_id order by time_s), 'inf'::double)
        > {MOST_PERIODS} * period_s as is_first
    from boxes join periods using (number)
),
runs as
(
    select *, count(*) filter (is_first) over (partition by number, track_id order by time_s) as run from marked
),
present as
(
    select number, track_id, greatest(0, min(time_s) - any_value(period_s) / 2) as start_s,
        max(time_s) + any_value(period_s) / 2 as stop_s
    from runs group by number, track_id, run
    union all
    select number, track_id, start_s, stop_s from tubes join numbered using (video)
    where track_id >= 0 and label is null and (number, track_id) not in (select (number, track_id) from boxes)
)
select * from present order by number, track_id, start_s
"""

_KEY_BOXES = """
select * from boxes semi join found
on boxes.number = found.number and boxes.track_id = found.track_id and time_s between start_s and stop_s
order by number, track_id, time_s
"""


def _read(database: duckdb.DuckDBPyConnection, min_score: float) -> ReportRows:
    database.execute(_NUMBERED)
    database.execute(_FOUND, {"min_score": min_score})
    for statement in (_BOXES, _PERIODS):
        database.execute(statement)
    found = _columns(database, "select * from found order by number, track_id nulls first, start_s, stop_s")
    labels, label_N = _labels(found)
    present, boxes = _columns(database, _PRESENCE), _columns(database, _KEY_BOXES)
    return ReportRows(
        videos=tuple(_columns(database, "select * from numbered order by number").to_pylist()),
        labels=labels,
        detections=Detections(
            video_N=_numbers(found, "number", np.int64),
            start_s_N=_numbers(found, "start_s"),
            stop_s_N=_numbers(found, "stop_s"),
            label_N=label_N,
            score_N=_numbers(found, "score"),
            track_N=_numbers(found, "track_id", np.int64),
        ),
        presence=Presence(
            _numbers(present, "number", np.int64),
            _numbers(present, "track_id", np.int64),
            _numbers(present, "start_s"),
            _numbers(present, "stop_s"),
        ),
        key_boxes=KeyBoxes(
            _numbers(boxes, "number", np.int64),
            _numbers(boxes, "track_id", np.int64),
            _numbers(boxes, "time_s"),
            np.stack([_numbers(boxes, side) for side in ("x1", "y1", "x2", "y2")], axis=1),
        ),
        period_s=dict(database.execute("select * from periods").fetchall()),
    )


def _columns(database: duckdb.DuckDBPyConnection, query: str) -> pa.Table:
    return database.sql(query).to_arrow_table()


def _numbers(table: pa.Table, name: str, kind: type = np.float64) -> np.ndarray:
    """A column; null, a track that is nobody's, as NOBODY."""
    column = table.column(name).to_numpy()
    return np.where(np.isnan(column), NOBODY, column).astype(kind) if column.dtype.kind == "f" else column.astype(kind)


def _labels(found: pa.Table) -> tuple[tuple[Label, ...], np.ndarray]:
    """All there are, by name, those of people last; and which one each row has."""
    is_of_people_N = found.column("track_id").is_valid().to_numpy()
    coded = found.column("label").combine_chunks().dictionary_encode()
    pairs_N = coded.indices.to_numpy(zero_copy_only=False).astype(np.int64) * 2 + is_of_people_N
    present, label_N = np.unique(pairs_N, return_inverse=True)
    names = coded.dictionary.to_pylist()
    labels = [Label(names[pair // 2], bool(pair % 2)) for pair in present.tolist()]
    order = sorted(range(len(labels)), key=lambda number: (labels[number].is_of_people, labels[number].name))
    place = np.argsort(np.array(order, np.int64))
    return tuple(labels[number] for number in order), place[label_N] if len(labels) else label_N

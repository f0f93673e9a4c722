"""AVA's CSV: rows `video,timestamp,x1,y1,x2,y2,action`, with person_id in ground truth and score in predictions.

A row of two columns marks a key frame without people.
"""

import csv
import io
from pathlib import Path

import numpy as np

from annotations import values
from annotations.errors import AnnotationError, BadValue, Problems, WrongKind
from annotations.files import numbered_rows, read_text, write_text
from annotations.records import NO_PERSON, Frame, LabelledBoxes
from annotations.values import EDGE_TOLERANCE, shown

_TRUTH = "video,timestamp,x1,y1,x2,y2,action[,person_id]"
_FOUND = "video,timestamp,x1,y1,x2,y2,action,score[,person_id]"

Row = tuple[float, float, float, float, int, float, int]  # box, action, score, person


def read_boxes(path: Path, scores: bool) -> LabelledBoxes:
    """Predictions if `scores`, else ground truth. Raises AnnotationError."""
    problems = Problems(path)
    rows_of: dict[Frame, list[Row]] = {}
    empty: set[Frame] = set()
    frame_of: dict[tuple[str, ...], Frame] = {}  # as many rows are of one frame
    for number, cells in _rows(path, may_be_empty=scores):
        try:
            key = tuple(cells[:2])
            frame = frame_of.get(key) or frame_of.setdefault(key, _frame(cells))
            rows = rows_of.setdefault(frame, [])
            if len(cells) == 2:
                empty.add(frame)
            else:
                rows.append(_row(cells, scores))
        except WrongKind as error:
            raise AnnotationError(f"{path}: row {number}: {error}") from None
        except BadValue as error:
            problems.add(f"row {number}, video {shown(cells[0])}", str(error))
    for frame in sorted(empty):
        if rows_of[frame]:
            problems.add(
                f"video {shown(frame[0])}, {frame[1]} s", "is marked as empty and has boxes; remove one of both"
            )
    if scores and not problems:
        _refuse_person_ids(problems, rows_of)
    if not scores and not any(rows_of.values()) and not problems:
        problems.add("", "holds no boxes; give a file with annotated people")
    problems.raise_if_any()
    return _record(rows_of, scores)


def _rows(path: Path, *, may_be_empty: bool) -> list[tuple[int, list[str]]]:
    text = read_text(path, may_be_empty=may_be_empty)
    if _is_of_spans(text.lstrip().partition("\n")[0]):
        raise AnnotationError(f"{path}: holds no boxes on key frames; AVA's rows are {_TRUTH} or {_FOUND}")
    return numbered_rows(path, text)


def _is_of_spans(first: str) -> bool:
    """Whether a file with this first row is of another form: JSON, a table of spans, or THUMOS' rows."""
    names = {cell.strip(' \r"').lower() for cell in first.split(",")}
    return first.startswith("{") or {"video", "label"} <= names or (first != "" and "," not in first)


def _frame(cells: list[str]) -> Frame:
    if len(cells) < 2:
        raise BadValue(f"must have at least video,timestamp, got {shown(','.join(cells))}")
    time_s = values.number(cells[1], "timestamp")
    if time_s < 0:
        raise BadValue(f"timestamp {time_s} lies before the video begins; times count from 0")
    return values.video_name(cells[0].strip()), values.frame_time(time_s)


def _row(cells: list[str], scores: bool) -> Row:
    last = 8 if scores else 7
    if scores and len(cells) == 7:
        raise WrongKind(f"has no score, so it is of annotations; predictions are {_FOUND}")
    if len(cells) not in (last, last + 1):
        raise BadValue(f"must be {_FOUND if scores else _TRUTH}, got {len(cells)} columns")
    x1, y1, x2, y2 = (_share(cell, name) for cell, name in zip(cells[2:6], ("x1", "y1", "x2", "y2"), strict=True))
    # Detectors do find boxes without an area, once rounded; an annotator's could never be matched.
    if x2 < x1 or y2 < y1 or (not scores and (x2 == x1 or y2 == y1)):
        raise BadValue(f"box {x1}, {y1}, {x2}, {y2} must have x1 < x2 and y1 < y2")
    action = values.whole_number(cells[6], "action")
    if action < 1:
        raise BadValue("action must be 1 or more, got 0")
    person = _person_id(cells[last], scores) if len(cells) == last + 1 else NO_PERSON
    return x1, y1, x2, y2, action, values.number(cells[7], "score") if scores else 0.0, person


def _share(cell: str, name: str) -> float:
    value = values.number(cell, name)
    if not -EDGE_TOLERANCE <= value <= 1 + EDGE_TOLERANCE:
        raise BadValue(f"{name} must be a share of the picture in 0..1, got {value}; divide pixels by width or height")
    return min(max(value, 0.0), 1.0)


def _person_id(cell: str, scores: bool) -> int:
    try:
        return values.whole_number(cell, "person_id")
    except BadValue:
        if scores or "." not in cell:
            raise
        raise WrongKind("has a score: predictions, not annotations; give it as predictions") from None


def _refuse_person_ids(problems: Problems, rows_of: dict[Frame, list[Row]]) -> None:
    scores = [row[5] for rows in rows_of.values() for row in rows]
    if scores and all(score.is_integer() for score in scores) and max(scores) > 1:
        problems.add("", "holds person ids in the column of scores: annotations, not predictions; give it as such")


def _record(rows_of: dict[Frame, list[Row]], scores: bool) -> LabelledBoxes:
    rows = [row for rows in rows_of.values() for row in rows]
    table_N6 = np.array([row[:6] for row in rows], dtype=np.float64).reshape(-1, 6)
    person_N = np.array([row[6] for row in rows], dtype=np.int64)
    return LabelledBoxes(
        frames=tuple(rows_of),
        frame_N=np.repeat(np.arange(len(rows_of)), [len(rows) for rows in rows_of.values()]).astype(np.int64),
        boxes_N4=table_N6[:, :4].copy(),
        action_N=table_N6[:, 4].astype(np.int64),
        scores_N=table_N6[:, 5].copy() if scores else None,
        person_N=person_N if (person_N != NO_PERSON).any() else None,
    )


def write_ava(boxes: LabelledBoxes, path: Path, *, person_ids: bool = False) -> None:
    """Rows as the AVA challenge takes them. Raises AnnotationError.

    Predictions get their person ids only if asked for: the official evaluation refuses a row of nine columns.
    """
    problems = Problems(path)
    for video in sorted({video for video, _ in boxes.frames}):
        try:
            values.video_name(video)
        except BadValue as error:
            problems.add("", str(error))
    problems.raise_if_any()
    keys = [(video, _plain_time(time)) for video, time in boxes.frames]
    rows: list[list[list[object]]] = [[] for _ in keys]
    columns = (boxes.frame_N.tolist(), boxes.boxes_N4.tolist(), boxes.action_N.tolist(), _last_cells(boxes, person_ids))
    for frame, box, action, last in zip(*columns, strict=True):
        rows[frame].append([*keys[frame], *box, action, *last])
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    for frame_rows, key in zip(rows, keys, strict=True):
        writer.writerows(frame_rows or [list(key)])
    write_text(path, text.getvalue())


def _plain_time(time: str) -> str:
    """Whole seconds as AVA's own files write them, 0902: its older evaluation reads nothing else."""
    seconds, _, fraction = time.partition(".")
    return time if fraction.strip("0") else f"{seconds:0>4}"


def _last_cells(boxes: LabelledBoxes, person_ids: bool) -> list[list[object]]:
    """What stands behind the action in each row: the score of predictions, the person where it is told."""
    cells: list[list[object]] = [[] for _ in range(len(boxes))]
    if boxes.scores_N is not None:
        cells = [[score] for score in boxes.scores_N.tolist()]
    if boxes.person_N is not None and (person_ids or boxes.scores_N is None):
        persons = boxes.person_N.tolist()
        cells = [row if person == NO_PERSON else [*row, person] for row, person in zip(cells, persons, strict=True)]
    return cells

"""Plain tables: a row for each span with columns video, start_s, end_s (or stop_s), label and, if known, more.

A row with a video but neither start, end nor label tells of a video without spans.
"""

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from annotations import values
from annotations.cells import COLUMNS, read_cells
from annotations.errors import AnnotationError, BadValue, Problems
from annotations.files import replacing, write_text
from annotations.gather import Gathered, require_names
from annotations.records import Annotations, LabelledSpans
from annotations.values import is_blank, shown

Row = tuple[object, ...]

_SPAN = ("video", "start_s", "stop_s", "label")
_TYPES = {"duration_s": pa.float64(), "start_s": pa.float64(), "stop_s": pa.float64(), "score": pa.float64()}


def read_table_annotations(path: Path) -> Annotations:
    """Ground truth. Raises AnnotationError."""
    return _gather(path, scored=False).annotations()


def read_table_predictions(path: Path) -> LabelledSpans:
    """Predictions: a column `score` too. Raises AnnotationError."""
    return _gather(path, scored=True).predictions()


def _gather(path: Path, *, scored: bool) -> Gathered:
    problems = Problems(path)
    gathered = Gathered(problems)
    cells = read_cells(problems, (*_SPAN, "score") if scored else _SPAN)
    if not scored and not all(is_blank(cell) for cell in cells.columns.get("score", ())):
        raise AnnotationError(f"{path}: has scores: predictions, not annotations; remove that column if they are none")
    nothing = [None] * len(cells.rows)
    columns = [cells.columns.get(name, nothing) for name in COLUMNS]
    for number, row in zip(cells.rows, zip(*columns, strict=True), strict=True):
        place = f"row {number}" if is_blank(row[0]) else f"row {number}, video {shown(row[0])}"
        try:
            _gather_row(gathered, place, row, decimal_comma=cells.decimal_comma, scored=scored)
        except BadValue as error:
            problems.add(place, str(error))
    return gathered


def _gather_row(gathered: Gathered, place: str, row: Row, *, decimal_comma: bool, scored: bool) -> None:
    video, subset, duration, start, stop, label, score = row
    name = values.video_name(video.strip() if isinstance(video, str) else video)
    duration_s = values.duration(duration, clock=True, decimal_comma=decimal_comma)
    gathered.video(name, duration_s, values.subset(subset))
    if is_blank(start) and is_blank(stop) and is_blank(label) and is_blank(score):
        return
    gathered.span(
        place,
        name,
        values.span(start, stop, scored=scored, clock=True, decimal_comma=decimal_comma),
        values.label(label),
        values.number(score, "score", decimal_comma=decimal_comma) if scored else 0.0,
    )


def write_table(found: LabelledSpans, path: Path) -> None:
    """Predictions, as Parquet if the path ends so, else as CSV. Raises AnnotationError."""
    if found.scores_N is None:
        raise ValueError("ground truth has no scores; write it with write_annotation_table")
    _write(path, found, ("video", "start_s", "stop_s", "label", "score"), [(name,) for name in found.videos])


def write_annotation_table(annotations: Annotations, path: Path) -> None:
    """Ground truth, as Parquet if the path ends so, else as CSV. Raises AnnotationError."""
    facts = zip(annotations.spans.videos, annotations.subsets, annotations.durations_s, strict=True)
    _write(path, annotations.spans, ("video", "subset", "duration_s", "start_s", "stop_s", "label"), list(facts))


def _write(path: Path, spans: LabelledSpans, columns: tuple[str, ...], facts: list[Row]) -> None:
    require_names(Problems(path), spans)
    rows = list(_rows(spans, facts, len(columns)))
    if path.suffix.lower() == ".parquet":
        schema = pa.schema([(name, _TYPES.get(name, pa.string())) for name in columns])
        arrays = [pa.array([row[place] for row in rows], schema.types[place]) for place in range(len(columns))]
        with replacing(path) as temp:
            pq.write_table(pa.Table.from_arrays(arrays, schema=schema), temp)
        return
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows([columns, *rows])
    write_text(path, text.getvalue())


def _rows(spans: LabelledSpans, facts: list[Row], num_columns: int) -> Iterator[Row]:
    """A row for each span, after what is known of its video, video by video."""
    rows_of: list[list[Row]] = [[] for _ in facts]
    scores: list[Row] = [()] * len(spans) if spans.scores_N is None else [(one,) for one in spans.scores_N.tolist()]
    columns = (spans.video_N.tolist(), spans.spans_N2.tolist(), spans.label_N.tolist(), scores)
    for video, (start_s, stop_s), label, score in zip(*columns, strict=True):
        rows_of[video].append((*facts[video], start_s, stop_s, spans.labels[label], *score))
    for fact, rows in zip(facts, rows_of, strict=True):
        yield from rows or [(*fact, *[None] * (num_columns - len(fact)))]

"""The front door: files and folders of annotations or predictions, their form told by suffix and content."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

from annotations.action_classes import ActionClasses, of_classes
from annotations.activitynet import (
    read_activitynet,
    read_activitynet_results,
    write_activitynet,
    write_activitynet_annotations,
)
from annotations.ava import read_boxes
from annotations.cells import header_cells, is_parquet
from annotations.errors import AnnotationError
from annotations.files import first_text
from annotations.records import Annotations, FoundPeople, LabelledSpans
from annotations.results_folder import read_results_folder
from annotations.results_people import read_people
from annotations.tables import read_table_annotations, read_table_predictions, write_annotation_table, write_table
from annotations.thumos import read_thumos_detections, read_thumos_folder, read_thumos_text
from annotations.write_thumos import write_thumos, write_thumos_annotations
from pipeline.parts import is_results_folder

Form = Literal["json", "table", "text"]

ANNOTATION_READERS: Mapping[Form, Callable[[Path], Annotations]] = {
    "json": read_activitynet,
    "table": read_table_annotations,
    "text": read_thumos_text,
}
PREDICTION_READERS: Mapping[Form, Callable[[Path], LabelledSpans]] = {
    "json": read_activitynet_results,
    "table": read_table_predictions,
    "text": read_thumos_detections,
}
ANNOTATION_WRITERS: Mapping[str, Callable[[Annotations, Path], None]] = {
    "activitynet": write_activitynet_annotations,
    "table": write_annotation_table,
    "thumos": write_thumos_annotations,
}
PREDICTION_WRITERS: Mapping[str, Callable[[LabelledSpans, Path], None]] = {
    "activitynet": write_activitynet,
    "table": write_table,
    "thumos": write_thumos,
}


def read_annotations(path: Path) -> Annotations:
    """ActivityNet's JSON, THUMOS' folder or text, a CSV or Parquet table. Raises AnnotationError."""
    if not path.is_dir():
        return ANNOTATION_READERS[form_of(path)](path)
    if is_results_folder(path):
        raise AnnotationError(f"{path}: is a results folder: predictions, not annotations; give it as predictions")
    return read_thumos_folder(path)


def read_predictions(path: Path) -> LabelledSpans:
    """A results folder, ActivityNet's results JSON, THUMOS' text, a CSV or Parquet table. Raises AnnotationError."""
    return read_results_folder(path) if path.is_dir() else PREDICTION_READERS[form_of(path)](path)


def read_predicted_people(path: Path, classes: ActionClasses) -> FoundPeople:
    """AVA's CSV, or a results folder with people. Raises AnnotationError."""
    if path.is_dir():
        return read_people(path, classes)
    boxes = read_boxes(path, scores=True)
    known, other = of_classes(boxes, classes)
    videos = tuple(dict.fromkeys(video for video, _ in boxes.frames))
    return FoundPeople(videos, known, tubes=None, other_labels=other)


def form_of(path: Path) -> Form:
    """By what the file begins with, and its suffix where that leaves it open. Raises AnnotationError if unreadable."""
    if is_parquet(path):
        return "table"
    text, suffix = first_text(path).lstrip(), path.suffix.lower()
    # A video in THUMOS' rows may well be named "{1}".
    if suffix == ".json" or (text.startswith("{") and ('"database"' in text or '"results"' in text)):
        return "json"
    return "table" if suffix in {".csv", ".tsv"} or _has_header(text) else "text"


def _has_header(text: str) -> bool:
    cells, _ = header_cells(text.partition("\n")[0])
    return len({cell.strip().lower() for cell in cells} & {"video", "label", "start_s", "score"}) >= 2

"""THUMOS' text files read: ground truth as a file for each class or one with labels, and detections by class number.

Cells lie between blanks, or between tabs where a row holds one, so that names with blanks can be written too.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from annotations import values
from annotations.errors import AnnotationError, BadValue, Problems, WrongKind
from annotations.files import read_text
from annotations.gather import Gathered
from annotations.records import Annotations, LabelledSpans
from annotations.values import shown

CLASS_LISTS = ("classes.txt", "detclasslist.txt")  # the second is the name THUMOS' own evaluation kit uses

CLASS_FILE = re.compile(r"(.+)_(train|training|val|validation|test|testing)\.txt")
_NO_CLASS_FILE = re.compile(r"readme.*|" + "|".join(map(re.escape, CLASS_LISTS)), re.IGNORECASE)
_CLASS_AND_SCORE = re.compile(r"\d+\s+-?[\d.]+(?:e-?\d+)?")
AMBIGUOUS = "Ambiguous"


def read_thumos_folder(folder: Path) -> Annotations:
    """Ground truth of a folder of `<Class>_<subset>.txt`, with rows `video start end`. Raises AnnotationError.

    `Ambiguous_*.txt` marks spans whose class its annotators could not tell; they are left out.
    """
    problems = Problems(folder)
    gathered = Gathered(problems)
    paths = sorted(folder.glob("*.txt"))
    if not paths:
        raise AnnotationError(f"{folder}: is a folder without THUMOS' <Class>_<subset>.txt; give a file of annotations")
    for path in paths:
        named = CLASS_FILE.fullmatch(path.name)
        if named is None:
            if not _NO_CLASS_FILE.fullmatch(path.name):
                problems.add(path.name, "is not named <Class>_<subset>.txt with subset train, val or test; rename it")
        elif named[1] != AMBIGUOUS:
            try:
                _gather_class(gathered, path, named[1], named[2])
            except AnnotationError as error:
                problems.include(str(error))
    return gathered.annotations()


def _gather_class(gathered: Gathered, path: Path, label: str, subset: str) -> None:
    for row, line in _lines(path):
        place = f"{path.name} row {row}"
        try:
            video, start, stop = _cells(line, "video start end")
            video = values.video_name(video)
            gathered.video(video, subset=subset)
            span_s = values.span(start, stop, scored=False)
            gathered.span(f"{place}, video {shown(video)}", video, span_s, values.label(label))
        except BadValue as error:
            gathered.problems.add(place, str(error))


def read_thumos_text(path: Path) -> Annotations:
    """Ground truth of one file with rows `video start end label`. Raises AnnotationError."""
    gathered = Gathered(Problems(path))
    for row, line in _lines(path):
        try:
            video, start, stop, label = _cells(line, "video start end label")
            if _CLASS_AND_SCORE.fullmatch(label.strip()):
                raise WrongKind("has a class number and a score: predictions, not annotations; give it as predictions")
            span_s = values.span(start, stop, scored=False)
            gathered.span(f"row {row}, video {shown(video)}", values.video_name(video), span_s, values.label(label))
        except WrongKind as error:
            raise AnnotationError(f"{path}: row {row}: {error}") from None
        except BadValue as error:
            gathered.problems.add(f"row {row}", str(error))
    return gathered.annotations()


def read_thumos_detections(path: Path) -> LabelledSpans:
    """Rows `video start end class score`; `classes.txt` beside the file names the classes. Raises AnnotationError.

    A file without rows is a prediction of nothing.
    """
    gathered = Gathered(Problems(path))
    listed = class_list_beside(path)
    classes = {} if listed is None else read_classes(listed)
    rows = list(_lines(path, may_be_empty=True))
    for row, line in rows:
        try:
            if len(line.split()) == 4:
                raise WrongKind("has no score: annotations, not predictions; give it as annotations")
            video, start, stop, index, score = _cells(line, "video start end class score")
            label = classes.get(values.whole_number(index, "class"), "")
            if not label and listed is not None:
                raise BadValue(f"class {index} is not in the list of classes beside the file; add it there")
            span_s = values.span(start, stop, scored=True)
            gathered.span("", values.video_name(video), span_s, label, values.number(score, "score"))
        except WrongKind as error:
            raise AnnotationError(f"{path}: row {row}: {error}") from None
        except BadValue as error:
            gathered.problems.add(f"row {row}", str(error))
    if rows and listed is None and not gathered.problems:
        gathered.problems.add("", f"needs {CLASS_LISTS[0]} beside it, with rows 'number name', to name its classes")
    return gathered.predictions()


def class_list_beside(path: Path) -> Path | None:
    return next((listed for name in CLASS_LISTS if (listed := path.parent / name).is_file()), None)


def read_classes(path: Path) -> dict[int, str]:
    """Rows `number name`. Raises AnnotationError."""
    problems = Problems(path)
    classes: dict[int, str] = {}
    for row, line in _lines(path):
        try:
            number, label = _cells(line, "number name")
            index, label = values.whole_number(number, "class number"), values.label(label)
            if index in classes or label in classes.values():
                raise BadValue(f"class {index} {label!r} has a number or a name of a row before; give each its own")
            classes[index] = label
        except BadValue as error:
            problems.add(f"row {row}", str(error))
    problems.raise_if_any()
    return classes


def _lines(path: Path, *, may_be_empty: bool = False) -> Iterator[tuple[int, str]]:
    """Rows that hold something, counted from 1. Only line feeds part them, not all that splitlines() takes for one."""
    lines = read_text(path, may_be_empty=may_be_empty).split("\n")
    return ((row, line) for row, line in enumerate(lines, start=1) if line.strip())


def _cells(line: str, form: str) -> list[str]:
    """As many cells as `form` has words; the last takes the rest of a row whose cells lie between blanks."""
    count = len(form.split())
    cells = [cell.strip() for cell in line.split("\t")]
    cells = cells if len(cells) == count else line.split(None, count - 1)
    if len(cells) != count:
        raise BadValue(f"must be '{form}', got {shown(line.strip())}")
    return cells

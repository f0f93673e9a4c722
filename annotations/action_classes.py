"""Lists of action classes with their numbers: a CSV `id,name`, or the .pbtxt that AVA's evaluation takes."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from annotations import values
from annotations.errors import BadValue, Problems
from annotations.files import numbered_rows, read_text
from annotations.pbtxt import is_pbtxt, read_blocks
from annotations.records import LabelledBoxes

_ID_NAMES = ("id", "label_id", "class_id", "action_id")
_LABEL_NAMES = ("name", "label", "label_name", "class")
_DELIMITERS = re.compile("[,;\t]")

Cells = tuple[int, str, str]  # row of the file, number, name


@dataclass(frozen=True, slots=True)
class ActionClasses:
    """The classes that annotations and predictions are told in."""

    names: dict[int, str]  # by number, from 1 on
    evaluated: tuple[int, ...]
    source: str  # what messages call them: a file, or AVA
    is_given: bool  # whether the user chose them

    @property
    def ids(self) -> dict[str, int]:
        return {name: number for number, name in self.names.items()}


def read_action_classes(path: Path) -> ActionClasses:
    """All classes of the file are evaluated. Raises AnnotationError with every slip of the file."""
    text = read_text(path)
    problems = Problems(path)
    names: dict[int, str] = {}
    taken: set[str] = set()
    for row, number, name in (_pbtxt if is_pbtxt(path, text) else _csv)(text, problems):
        try:
            class_id, label = _class_id(number), values.label(name)
            if class_id in names:
                raise BadValue(f"id {class_id} is of {values.shown(names[class_id])} already; a class has one row")
            if label in taken:
                raise BadValue(f"name {values.shown(label)} is there already; a class has one row")
            names[class_id] = label
            taken.add(label)
        except BadValue as error:
            problems.add(f"row {row}", str(error))
    if not names and not problems:
        problems.add("", 'holds no classes; give rows of id,name or AVA\'s label { name: "..." label_id: 1 }')
    problems.raise_if_any()
    return ActionClasses(names, tuple(names), str(path), is_given=True)


def of_classes(boxes: LabelledBoxes, classes: ActionClasses) -> tuple[LabelledBoxes, dict[str, int]]:
    """The rows of the classes, and how many there are of each other number."""
    is_known_N = np.isin(boxes.action_N, list(classes.names))
    other, counts = np.unique(boxes.action_N[~is_known_N], return_counts=True)
    return boxes.where(is_known_N), dict(zip(map(str, other.tolist()), counts.tolist(), strict=True))


def _class_id(cell: str) -> int:
    number = values.whole_number(cell, "id")
    if number < 1:
        raise BadValue("id must be 1 or more, as AVA's rows have it, got 0")
    return number


def _csv(text: str, problems: Problems) -> Iterator[Cells]:
    first = next(line for line in text.splitlines() if line.strip())
    delimiter = found.group() if (found := _DELIMITERS.search(first)) else ","
    rows = numbered_rows(problems.path, text, delimiter=delimiter, skip_blanks=True)
    places, width = _places(rows[0][1] if rows else [])
    for number, row in rows[0 if width == 0 else 1 :]:
        if len(row) != (width or 2):
            wanted = "id,name" if not width else f"{width} cells, as the header is"
            problems.add(f"row {number}", f"must be {wanted}, got {len(row)} cells; quote a name that has commas")
        else:
            yield number, row[places[0]], row[places[1]]


def _places(first: list[str]) -> tuple[tuple[int, int], int]:
    """Where number and name stand, and how wide the header is: 0 if there is none."""
    cells = [cell.strip().lower() for cell in first]
    number = next((cells.index(name) for name in _ID_NAMES if name in cells), None)
    label = next((cells.index(name) for name in _LABEL_NAMES if name in cells), None)
    return ((0, 1), 0) if number is None or label is None else ((number, label), len(cells))


def _pbtxt(text: str, problems: Problems) -> Iterator[Cells]:
    for row, fields in read_blocks(text, problems):
        number, name = fields.get("label_id", fields.get("id")), fields.get("name")
        if number is None or name is None:
            problems.add(f"row {row}", "a class must have a name and an id (or label_id)")
        else:
            yield row, number, name

"""THUMOS' text files written: detections by class number, and ground truth as its challenge hands it out.

Shape letters: N spans.
"""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from annotations.errors import AnnotationError, Problems
from annotations.files import write_text
from annotations.gather import require_names
from annotations.records import Annotations, LabelledSpans
from annotations.thumos import AMBIGUOUS, CLASS_FILE, CLASS_LISTS, class_list_beside, read_classes
from annotations.values import shown


def write_thumos(found: LabelledSpans, path: Path) -> None:
    """Rows `video start end class score` and `classes.txt` beside them. Raises AnnotationError.

    A list of classes that lies there keeps its numbers; classes it lacks are counted on. Videos where nothing was
    found have no row in this form.
    """
    if found.scores_N is None:
        raise ValueError("ground truth has no scores; write it with write_thumos_annotations")
    _require_words(Problems(path), found)
    number_of = _number_classes(path, found.labels)
    lines = [
        f"{video} {start_s!r} {stop_s!r} {number_of[label]} {score!r}\n"
        for (video, start_s, stop_s, label), score in zip(_rows(found), found.scores_N.tolist(), strict=True)
    ]
    write_text(path, "".join(lines))


def write_thumos_annotations(annotations: Annotations, path: Path) -> None:
    """One file with rows `video start end label` where `path` ends so, else THUMOS' folder. Raises AnnotationError.

    The folder holds `<Class>_<subset>.txt` with rows `video start end`. Neither has a place for durations and videos
    without spans, nor the one file for subsets.
    """
    problems = Problems(path)
    _require_words(problems, annotations.spans)
    if path.suffix.lower() == ".txt":
        rows = _rows(annotations.spans)
        write_text(path, "".join(f"{video} {start_s!r} {stop_s!r} {label}\n" for video, start_s, stop_s, label in rows))
        return
    lines_of = _class_files(annotations, problems)
    if path.is_dir() and any(path.glob("*.txt")):
        raise AnnotationError(f"{path}: holds text files, which would be taken for classes; choose a new folder")
    for name, lines in lines_of.items():
        write_text(path / name, "".join(lines))


def _class_files(annotations: Annotations, problems: Problems) -> dict[str, list[str]]:
    """The lines of each file, by its name. Raises AnnotationError."""
    subset_of = dict(zip(annotations.spans.videos, annotations.subsets, strict=True))
    lines_of: dict[str, list[str]] = defaultdict(list)
    refused: set[str] = set()
    for video, start_s, stop_s, label in _rows(annotations.spans):
        name = f"{label}_{subset_of[video]}.txt"
        named = CLASS_FILE.fullmatch(name)
        if named is None or named[2] != subset_of[video]:
            subset = shown(subset_of[video])
            refused.add(f"subset {subset} is none of THUMOS' train, val and test; write one file: a name with .txt")
        elif "/" in label or label == AMBIGUOUS:
            refused.add(f"label {shown(label)} cannot name the file of a class; write one file: a name with .txt")
        lines_of[name].append(f"{video} {start_s!r} {stop_s!r}\n")
    for what in sorted(refused):
        problems.add("", what)
    problems.raise_if_any()
    return lines_of


def _rows(spans: LabelledSpans) -> Iterator[tuple[str, float, float, str]]:
    for video, (start_s, stop_s), label in zip(
        spans.video_N.tolist(), spans.spans_N2.tolist(), spans.label_N.tolist(), strict=True
    ):
        yield spans.videos[video], start_s, stop_s, spans.labels[label]


def _require_words(problems: Problems, spans: LabelledSpans) -> None:
    """Names that rows of words can hold. Raises AnnotationError."""
    require_names(problems, spans)
    for name in spans.videos:
        if any(character.isspace() for character in name):
            problems.add(f"video {shown(name)}", "has a blank in its name, which parts cells here; choose another form")
    problems.raise_if_any()


def _number_classes(path: Path, labels: tuple[str, ...]) -> dict[str, int]:
    """Numbers by label, in the list beside `path` too once this returns."""
    listed = class_list_beside(path)
    classes = {} if listed is None else read_classes(listed)
    known = set(classes.values())
    new = [label for label in sorted(labels) if label not in known]
    classes |= dict(enumerate(new, start=max(classes, default=0) + 1))
    if new:
        write_text(path.parent / CLASS_LISTS[0], "".join(f"{index} {label}\n" for index, label in classes.items()))
    return {label: index for index, label in classes.items()}

"""A results folder of ours as predictions of what people do: the tables `persons` and `tubes`.

Shape letters: R rows of `persons`, U tubes, M boxes of tubes.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from annotations.action_classes import ActionClasses
from annotations.errors import AnnotationError
from annotations.records import FoundPeople, Frame, LabelledBoxes, LabelledTubes
from annotations.results_parts import finished_parts, numbers_of, read_parts
from annotations.values import frame_time, shown
from pipeline.parts import parts_of

_VIDEOS = pa.schema([("video", pa.string())])
_PERSONS = pa.schema(
    [
        ("video", pa.string()),
        ("time_s", pa.float64()),
        ("track_id", pa.int64()),
        *((name, pa.float64()) for name in ("x1", "y1", "x2", "y2")),
        ("label", pa.string()),
        ("score", pa.float64()),
    ]
)
_TUBES = pa.schema(
    [
        ("video", pa.string()),
        ("track_id", pa.int64()),
        ("start_s", pa.float64()),
        ("stop_s", pa.float64()),
        ("label", pa.string()),
        ("score", pa.float64()),
    ]
)
_MOST_LABELS = 10


def read_people(folder: Path, classes: ActionClasses) -> FoundPeople:
    """Who does which of the classes. Raises AnnotationError, also if the folder has labels and none is a class."""
    commits = finished_parts(folder)
    parts = parts_of(folder, "persons", commits)
    if not parts:
        raise AnnotationError(f"{folder}: holds no persons/*.parquet, whose boxes AVA's form is made of")
    persons = read_parts(parts, _PERSONS, nullable=("label", "score"))
    if pc.any(pc.and_(persons.column("label").is_valid(), persons.column("score").is_null())).as_py():
        raise AnnotationError(f"{folder}: persons have rows with a label and no score; run those videos again")
    frames, frame_R = _frames(persons)
    boxes_R4 = _columns(persons, "x1", "y1", "x2", "y2")
    looked_at = [commit for commit in commits if (folder / "persons" / commit.name).is_file()]
    tubes = parts_of(folder, "tubes", commits)  # of which some are people who do nothing
    return FoundPeople(
        videos=tuple(dict.fromkeys(read_parts(looked_at, _VIDEOS).column("video").to_pylist())),
        boxes=_boxes(persons, frames, frame_R, boxes_R4, classes),
        tubes=_tubes(_doing(tubes), persons, frames, frame_R, boxes_R4, classes) if tubes else None,
        other_labels=_other_labels(folder, persons, classes),
    )


def _doing(parts: list[Path]) -> pa.Table:
    """Rows of `tubes`, but for people who do nothing. Raises AnnotationError."""
    tubes = read_parts(parts, _TUBES, nullable=("label", "score"))
    return tubes.filter(tubes.column("label").is_valid())


def _other_labels(folder: Path, persons: pa.Table, classes: ActionClasses) -> dict[str, int]:
    """Rows by each label that is no class. Raises AnnotationError if no label is one."""
    counts = {row["values"]: row["counts"] for row in persons.column("label").drop_null().value_counts().to_pylist()}
    known = classes.ids
    other = {label: rows for label, rows in counts.items() if label not in known}
    if other and len(other) == len(counts):
        named = ", ".join(map(shown, list(other)[:_MOST_LABELS]))
        more = f" and {len(other) - _MOST_LABELS} more" if len(other) > _MOST_LABELS else ""
        whose = f"classes of {classes.source}" if classes.is_given else "actions of AVA"
        cure = "give a file with the classes of these results as --classes"
        raise AnnotationError(f"{folder}: none of its labels is among the {whose}: {named}{more}; {cure}")
    return other


def _frames(persons: pa.Table) -> tuple[tuple[Frame, ...], np.ndarray]:
    """The key frames where people are, and which of these each row is on."""
    keys = list(zip(persons.column("video").to_pylist(), persons.column("time_s").to_pylist(), strict=True))
    frame_of = {key: (key[0], frame_time(key[1])) for key in dict.fromkeys(keys)}
    number_of: dict[Frame, int] = {}
    for frame in frame_of.values():
        number_of.setdefault(frame, len(number_of))
    return tuple(number_of), np.array([number_of[frame_of[key]] for key in keys], dtype=np.int64)


def _columns(table: pa.Table, *names: str) -> np.ndarray:
    columns: np.ndarray = np.stack([table.column(name).to_numpy() for name in names], axis=1)
    return columns


def _boxes(
    persons: pa.Table, frames: tuple[Frame, ...], frame_R: np.ndarray, boxes_R4: np.ndarray, classes: ActionClasses
) -> LabelledBoxes:
    """Rows with a class, and the frames that have such: AVA's older evaluation takes no prediction of nobody."""
    action_R = _actions(persons, classes.ids)
    rows = np.flatnonzero(action_R > 0)
    used, frame_N = np.unique(frame_R[rows], return_inverse=True)
    return LabelledBoxes(
        frames=tuple(frames[number] for number in used.tolist()),
        frame_N=frame_N.astype(np.int64),
        boxes_N4=boxes_R4[rows],
        action_N=action_R[rows],
        scores_N=persons.column("score").to_numpy()[rows],
        person_N=persons.column("track_id").to_numpy()[rows],
    )


def _actions(table: pa.Table, ids: Mapping[str, int]) -> np.ndarray:
    """The class of each row, 0 for none."""
    actions: np.ndarray = np.array([*ids.values(), 0], dtype=np.int64)[numbers_of(table.column("label"), tuple(ids))]
    return actions


def _tubes(
    tubes: pa.Table,
    persons: pa.Table,
    frames: tuple[Frame, ...],
    frame_R: np.ndarray,
    boxes_R4: np.ndarray,
    classes: ActionClasses,
) -> LabelledTubes:
    """Each with the boxes that its track has on key frames within it, whatever else the person does there."""
    action_U = _actions(tubes, classes.ids)
    tubes, action_U = tubes.filter(pa.array(action_U > 0)), action_U[action_U > 0]
    time_R = _microseconds(persons, "time_s")
    # Times within one track, side by side with those of other tracks: a tube's boxes are a range of these.
    width = int(time_R.max(initial=0)) + 2
    track_R, track_U = _tracks(persons, tubes)
    places_P, row_P = np.unique(track_R * width + time_R, return_index=True)
    start_U, stop_U = (_microseconds(tubes, name).clip(0, width - 1) for name in ("start_s", "stop_s"))
    first_U = np.searchsorted(places_P, track_U * width + start_U)
    count_U = np.maximum(np.searchsorted(places_P, track_U * width + stop_U) - first_U, 0)
    tube_M = np.repeat(np.arange(len(action_U)), count_U)
    step_M = np.arange(len(tube_M)) - np.repeat(np.cumsum(count_U) - count_U, count_U)
    row_M = row_P[np.repeat(first_U, count_U) + step_M]
    return LabelledTubes(
        frames, action_U, tube_M, frame_R[row_M], boxes_R4[row_M], scores_U=tubes.column("score").to_numpy()
    )


def _microseconds(table: pa.Table, name: str) -> np.ndarray:
    """Times as whole numbers, as exact as the names of frames are."""
    times: np.ndarray = np.rint(table.column(name).to_numpy() * 1e6).astype(np.int64)
    return times


def _tracks(persons: pa.Table, tubes: pa.Table) -> tuple[np.ndarray, np.ndarray]:
    """A number for each track of each video, of the rows of both tables."""
    videos = pc.unique(pa.chunked_array([*persons.column("video").chunks, *tubes.column("video").chunks], pa.string()))
    video_N = np.concatenate([numbers_of(table.column("video"), videos.to_pylist()) for table in (persons, tubes)])
    ids_N = np.concatenate([table.column("track_id").to_numpy() for table in (persons, tubes)])
    ids, id_N = np.unique(ids_N, return_inverse=True)
    _, track_N = np.unique(video_N * max(len(ids), 1) + id_N, return_inverse=True)
    return track_N[: len(persons)], track_N[len(persons) :]

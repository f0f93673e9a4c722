"""People as rows of the tables `persons` and `tubes`."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from pipeline.records import People
from pipeline.tables import PERSONS, TUBES


def person_rows(people: People | None, video: str, class_names: Sequence[str]) -> pa.Table:
    """A row for each thing that somebody does on a key frame; who does nothing has one without a label."""
    if people is None:
        return PERSONS.empty_table()
    tracks, actions = people.tracks, people.actions
    idle = np.setdiff1d(np.arange(len(tracks)), actions.rows_A)
    row_R = np.concatenate([actions.rows_A, idle])
    is_idle_R = np.arange(len(row_R)) >= len(actions.rows_A)
    label_R = np.concatenate([actions.labels_A, np.zeros(len(idle), np.int64)])
    score_R = np.concatenate([actions.scores_A, np.zeros(len(idle))])
    order = np.lexsort((label_R, -score_R, tracks.tracks_N[row_R], tracks.times_N[row_R]))
    row_R, is_idle_R, label_R = row_R[order], is_idle_R[order], label_R[order]
    boxes_R4 = tracks.boxes_N4[row_R].astype(np.float64)
    columns = [
        _repeated(video, len(row_R)),
        tracks.times_N[row_R],
        tracks.tracks_N[row_R],
        *boxes_R4.T,
        tracks.scores_N[row_R].astype(np.float64),
        *_labels(label_R, class_names, is_idle_R),
        pa.array(score_R[order], mask=is_idle_R),
    ]
    return pa.table([pa.array(column) for column in columns], schema=PERSONS)


def tube_rows(people: People | None, video: str, class_names: Sequence[str]) -> pa.Table:
    """A row for each action of a person; who does nothing has one without a label."""
    if people is None:
        return TUBES.empty_table()
    tubes = people.tubes
    is_idle_U = tubes.labels_U < 0
    labels = _labels(tubes.labels_U, class_names, is_idle_U)
    scores = pa.array(tubes.scores_U, mask=is_idle_U)
    columns = [_repeated(video, len(tubes)), tubes.tracks_U, *tubes.spans_U2.T, *labels, scores]
    return pa.table([pa.array(column) for column in columns], schema=TUBES)


def _repeated(video: str, count: int) -> pa.Array:
    return pa.array([video] * count, pa.string())


def _labels(label_R: np.ndarray, class_names: Sequence[str], is_none_R: np.ndarray) -> tuple[pa.Array, pa.Array]:
    """Names and numbers of classes, null where there is none."""
    ids = pa.array(label_R, pa.int32(), mask=is_none_R)
    return pa.array(class_names, pa.string()).take(ids), ids

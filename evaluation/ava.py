"""Frame-mAP at IoU 0.5 of people's actions on key frames, by AVA's protocol.

Of a frame and class, the best score chooses first, but only the ground truth it overlaps most: it is a hit if their
IoU is at least 0.5 and nobody has that one, else a false positive. (ActivityNet's rule would go on to the next.) A
frame counts its 50 best rows over all evaluated classes.

Shape letters: N predicted rows, G rows of ground truth, K pairs.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from annotations.records import LabelledBoxes
from evaluation.average_precision import interpolated_ap
from evaluation.pairs import overlapping_of_key
from evaluation.ranking import numbers_in, rank_in_group

# The classes with at least 25 instances in validation and test, which is what the challenge evaluates.
EVALUATED_ACTIONS = (
    *(1, *range(3, 16), 17, 20, 22, 24, *range(26, 31), 34, *range(36, 39), 41, 43, *range(45, 50), 51, 52, 54),
    *(*range(56, 71), *range(72, 75), *range(76, 81)),
)
MIN_IOU = 0.5
MAX_ROWS_PER_FRAME = 50


@dataclass(frozen=True, eq=False, slots=True)
class FrameMap:
    """Figures are in 0..1, and NaN where there is no ground truth."""

    map_at_50: float  # mean over the classes that have ground truth
    per_class: dict[int, float]  # AP of every evaluated action id
    num_truth: dict[int, int]  # rows of every evaluated action id
    num_unlisted_frame: int  # predicted rows on frames that the ground truth does not list, counted nowhere


def frame_map(truth: LabelledBoxes, found: LabelledBoxes, actions: Sequence[int] = EVALUATED_ACTIONS) -> FrameMap:
    """Average precision of every action and their mean. Raises ValueError if the predictions have no scores.

    Frames are compared by video and time. A row of an action that is not evaluated counts nowhere, nor against the 50.
    """
    if found.scores_N is None:
        raise ValueError("predicted boxes without scores cannot be ranked: give each a score")
    frame_N = numbers_in(found.frames, truth.frames)[found.frame_N]
    rows = _counted_rows(found, frame_N, found.scores_N, actions)
    is_hit_N = _hits(truth, found.boxes_N4[rows], frame_N[rows], found.action_N[rows])
    action_N = found.action_N[rows]
    num_truth = {action: int(np.count_nonzero(truth.action_N == action)) for action in actions}
    per_class = {
        action: float(interpolated_ap(is_hit_N[None, action_N == action], count)[0]) if count else float("nan")
        for action, count in num_truth.items()
    }
    with_truth = [per_class[action] for action, count in num_truth.items() if count]
    return FrameMap(
        map_at_50=float(np.mean(with_truth)) if with_truth else float("nan"),
        per_class=per_class,
        num_truth=num_truth,
        num_unlisted_frame=int(np.count_nonzero(frame_N < 0)),
    )


def _counted_rows(
    found: LabelledBoxes, frame_N: np.ndarray, scores_N: np.ndarray, actions: Sequence[int]
) -> np.ndarray:
    """Indices of the rows that count, by (-score, frame) and then as given."""
    rows = np.flatnonzero((frame_N >= 0) & np.isin(found.action_N, np.asarray(actions)))
    rows = rows[np.lexsort((-scores_N[rows], frame_N[rows]))]
    rows = rows[rank_in_group(frame_N[rows]) < MAX_ROWS_PER_FRAME]
    # The official code drops boxes without area, but only after they took their place among the 50.
    rows = rows[
        (found.boxes_N4[rows, 0] < found.boxes_N4[rows, 2]) & (found.boxes_N4[rows, 1] < found.boxes_N4[rows, 3])
    ]
    order: np.ndarray = rows[np.lexsort((rows, frame_N[rows], -scores_N[rows]))]
    return order


def _hits(truth: LabelledBoxes, boxes_N4: np.ndarray, frame_N: np.ndarray, action_N: np.ndarray) -> np.ndarray:
    """Whether each row, given best first, takes the ground truth that it overlaps most (N,)."""
    num_frames = len(truth.frames)

    def iou(found_K: np.ndarray, truth_K: np.ndarray) -> np.ndarray:
        return paired_box_iou(boxes_N4[found_K], truth.boxes_N4[truth_K])

    pairs = overlapping_of_key(
        action_N * num_frames + frame_N, truth.action_N * num_frames + truth.frame_N, iou, min_iou=MIN_IOU
    )
    best = pairs.where(np.diff(pairs.found_K, prepend=-1) > 0)
    _, first = np.unique(best.truth_K, return_index=True)
    is_hit_N = np.zeros(len(boxes_N4), dtype=bool)
    is_hit_N[best.found_K[first]] = True
    return is_hit_N


def paired_box_iou(boxes_K4: np.ndarray, others_K4: np.ndarray) -> np.ndarray:
    """IoU of the k-th box with the k-th (K,); 0 where they do not overlap."""
    sides_K2 = np.minimum(boxes_K4[:, 2:], others_K4[:, 2:]) - np.maximum(boxes_K4[:, :2], others_K4[:, :2])
    inter_K = np.maximum(sides_K2, 0.0).prod(axis=1)
    union_K = _areas(boxes_K4) + _areas(others_K4) - inter_K
    iou_K: np.ndarray = np.divide(inter_K, union_K, out=np.zeros_like(inter_K), where=inter_K > 0)
    return iou_K


def _areas(boxes_K4: np.ndarray) -> np.ndarray:
    areas_K: np.ndarray = (boxes_K4[:, 2:] - boxes_K4[:, :2]).prod(axis=1)
    return areas_K

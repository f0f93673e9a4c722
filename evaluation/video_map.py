"""Video-mAP of people's actions: tubes by their overlap in space and time.

The IoU of two tubes is that of their key frames (shared over all that either is on) times the mean IoU of their boxes
on the shared ones, as for UCF101-24 (ACT-detector, Kalogeiton et al., ICCV 2017, arXiv 1705.01861). Of a class, over
all videos, the best score chooses first: the tube it overlaps most of those that nobody has. Only key frames that the
annotations list count.

Shape letters: T thresholds, N predicted tubes that count, best first; G tubes of ground truth, U all predicted tubes,
M boxes of tubes, F key frames, K pairs.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from annotations.records import Frame, LabelledTubes
from evaluation.ava import EVALUATED_ACTIONS, paired_box_iou
from evaluation.average_precision import interpolated_ap
from evaluation.matching import claim
from evaluation.pairs import Pairs, overlapping_of_key
from evaluation.ranking import numbers_in

MIN_IOUS = (0.2, 0.5)


@dataclass(frozen=True, eq=False, slots=True)
class VideoMap:
    """Figures are in 0..1, and NaN where there is no ground truth."""

    ious: tuple[float, ...]
    map_T: np.ndarray  # mean over the classes that have ground truth
    per_class: dict[int, np.ndarray]  # AP (T,) of every evaluated action id
    num_truth: dict[int, int]  # tubes of every evaluated action id
    num_found: int  # predicted tubes that count
    num_unlisted: int  # predicted tubes of evaluated actions on no frame that the ground truth lists, counted nowhere


def video_map(
    truth: LabelledTubes,
    found: LabelledTubes,
    actions: Sequence[int] = EVALUATED_ACTIONS,
    ious: Sequence[float] = MIN_IOUS,
) -> VideoMap:
    """Average precision of every action at each IoU. Raises ValueError if the predictions have no scores.

    Frames are compared by video and time; `truth.frames` are those that count.
    """
    counted, num_unlisted = _counted(truth, found, actions)
    hits_TN = _hits(truth, counted, ious)
    num_truth = {action: int(np.count_nonzero(truth.action_U == action)) for action in actions}
    per_class = {
        action: interpolated_ap(hits_TN[:, counted.action_U == action], count) if count else np.full(len(ious), np.nan)
        for action, count in num_truth.items()
    }
    with_truth = [per_class[action] for action, count in num_truth.items() if count]
    return VideoMap(
        ious=tuple(ious),
        map_T=np.mean(with_truth, axis=0) if with_truth else np.full(len(ious), np.nan),
        per_class=per_class,
        num_truth=num_truth,
        num_found=len(counted),
        num_unlisted=num_unlisted,
    )


def _counted(truth: LabelledTubes, found: LabelledTubes, actions: Sequence[int]) -> tuple[LabelledTubes, int]:
    """The tubes that count, best first, with their boxes on frames of the ground truth; and how many are on none."""
    if found.scores_U is None:
        raise ValueError("predicted tubes without scores cannot be ranked: give each a score")
    frame_M = numbers_in(found.frames, truth.frames)[found.frame_M]
    listed_M = np.flatnonzero(frame_M >= 0)
    start_U = np.full(len(found), len(truth.frames))
    np.minimum.at(start_U, found.tube_M[listed_M], _ranks_in_time(truth.frames)[frame_M[listed_M]])
    is_evaluated_U, is_listed_U = np.isin(found.action_U, np.asarray(actions)), start_U < len(truth.frames)
    # By (-score, video and start), then as given: the order of the files does not matter.
    order = np.lexsort((start_U, -found.scores_U))
    kept = order[(is_evaluated_U & is_listed_U)[order]]
    place_U = np.full(len(found), -1)
    place_U[kept] = np.arange(len(kept))
    boxes = listed_M[place_U[found.tube_M[listed_M]] >= 0]
    counted = LabelledTubes(
        truth.frames, found.action_U[kept], place_U[found.tube_M[boxes]], frame_M[boxes], found.boxes_M4[boxes]
    )
    return counted, int(np.count_nonzero(is_evaluated_U & ~is_listed_U))


def _ranks_in_time(frames: Sequence[Frame]) -> np.ndarray:
    """The place of each frame by video and time (F,), which does not depend on how a file lists them."""
    times = [(video, float(time)) for video, time in frames]
    ranks_F = np.empty(len(times), dtype=np.int64)
    ranks_F[sorted(range(len(times)), key=times.__getitem__)] = np.arange(len(times))
    return ranks_F


def _hits(truth: LabelledTubes, found: LabelledTubes, ious: Sequence[float]) -> np.ndarray:
    """Whether each tube, given best first, takes one of the ground truth at each threshold (T, N)."""
    pairs = tube_pairs(truth, found)
    taken = [claim(pairs.where(pairs.iou_K >= iou), len(found), len(truth)) for iou in ious]
    return np.stack(taken) >= 0 if taken else np.zeros((0, len(found)), dtype=bool)


def tube_pairs(truth: LabelledTubes, found: LabelledTubes) -> Pairs:
    """Pairs of one action whose boxes overlap on some frame, with their IoU; both must have the same `frames`."""
    boxes = _boxes_of_one_frame(truth, found)
    pair_of = found.tube_M[boxes.found_K] * len(truth) + truth.tube_M[boxes.truth_K]
    pair, place_K = np.unique(pair_of, return_inverse=True)
    found_K, truth_K = pair // max(len(truth), 1), pair % max(len(truth), 1)
    num_found_U, num_truth_G = (np.bincount(one.tube_M, minlength=len(one)) for one in (found, truth))
    num_shared_K = np.bincount(place_K, minlength=len(pair))
    num_all_K = num_found_U[found_K] + num_truth_G[truth_K] - num_shared_K
    # Shared over all times the mean over the shared is the sum over all.
    iou_K = np.bincount(place_K, weights=boxes.iou_K, minlength=len(pair)) / np.maximum(num_all_K, 1)
    order = np.lexsort((-truth_K, -iou_K, found_K))
    order = order[iou_K[order] > 0]
    return Pairs(found_K[order], truth_K[order], iou_K[order])


def _boxes_of_one_frame(truth: LabelledTubes, found: LabelledTubes) -> Pairs:
    """Every box against those of its action and frame, with or without overlap."""

    def iou(found_K: np.ndarray, truth_K: np.ndarray) -> np.ndarray:
        return paired_box_iou(found.boxes_M4[found_K], truth.boxes_M4[truth_K])

    def keys(tubes: LabelledTubes) -> np.ndarray:
        keys_M: np.ndarray = tubes.action_U[tubes.tube_M] * len(truth.frames) + tubes.frame_M
        return keys_M

    return overlapping_of_key(keys(found), keys(truth), iou, min_iou=0.0)

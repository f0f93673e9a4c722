"""AR@AN of proposals: average recall against the average number of proposals per video, as ActivityNet defines it.

AN is an average: every video spends the same share of its own proposals, best first, so one with twice as many spends
twice as many. With V videos that have ground truth and n_v proposals in video v:

1. v keeps its best floor(n_v * r) of them, at most n_v, where r = max_per_video * V / sum of n_v;
2. at AN = a it may spend floor(kept_v * a * V / sum of kept_v) of these, at most kept_v;
3. recall at (tIoU, AN) is the share of all ground truths that some proposal spent overlaps by at least tIoU; one
   proposal may find several;
4. AR is the mean over the thresholds of tIoU; the area is that under AR over AN = 1..max_per_video by trapezoids,
   divided by max_per_video. Its best value is therefore 0.99 for 100, as in the official code.

Labels play no part. Proposals in videos without ground truth play none either; the official code drops them too, but
counts them in step 1.

Shape letters: T thresholds, A numbers of proposals, N proposals, G ground truths, V videos.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from annotations.records import LabelledSpans
from evaluation.matching import checked_tious
from evaluation.pairs import overlapping_spans
from evaluation.ranking import count_by_name, numbers_in, rank_in_group
from evaluation.temporal import PROTOCOLS


@dataclass(frozen=True, eq=False, slots=True)
class ProposalRecall:
    """Figures are in 0..1, and NaN where there is no ground truth at all."""

    tious: tuple[float, ...]
    numbers_A: np.ndarray  # 1, 2, ..., max_per_video
    recall_TA: np.ndarray
    average_recall_A: np.ndarray
    area: float
    unlisted_videos: dict[str, int]  # proposals in videos that the ground truth does not list, counted nowhere


def proposal_recall(
    truth: LabelledSpans,
    found: LabelledSpans,
    tious: Sequence[float] = PROTOCOLS["activitynet"],
    *,
    max_per_video: int = 100,
) -> ProposalRecall:
    """The curve and its area. Raises ValueError for missing scores or wrong thresholds."""
    tious_T = checked_tious(tious)
    if found.scores_N is None:
        raise ValueError("proposals without scores cannot be ranked: give each a score")
    video_N = numbers_in(found.videos, truth.videos)[found.video_N]
    counts_V = np.bincount(truth.video_N, minlength=len(truth.videos))
    used = np.flatnonzero(video_N >= 0)
    used = used[counts_V[video_N[used]] > 0]
    used = used[np.lexsort((found.spans_N2[used, 0], -found.scores_N[used], video_N[used]))]
    numbers_A = np.arange(1, max_per_video + 1)
    found_by_TG = _first_ranks(truth, found.spans_N2[used], video_N[used], tious_T)
    spent_VA = _spent(
        np.bincount(video_N[used], minlength=len(truth.videos)), int(np.count_nonzero(counts_V)), numbers_A
    )
    recall_TA = np.full((len(tious_T), max_per_video), np.nan)
    if len(truth):
        spent_GA = spent_VA[truth.video_N]
        recall_TA = np.stack([(first_G[:, None] < spent_GA).mean(axis=0) for first_G in found_by_TG])
    average_recall_A = recall_TA.mean(axis=0)
    return ProposalRecall(
        tious=tuple(tious_T.tolist()),
        numbers_A=numbers_A,
        recall_TA=recall_TA,
        average_recall_A=average_recall_A,
        area=float(np.trapezoid(average_recall_A, numbers_A)) / max_per_video,
        unlisted_videos=count_by_name(found.videos, found.video_N[video_N < 0]),
    )


def _first_ranks(truth: LabelledSpans, spans_N2: np.ndarray, video_N: np.ndarray, tious_T: np.ndarray) -> np.ndarray:
    """How many better proposals of its video come before the first that finds a ground truth (T, G)."""
    ranks_N = rank_in_group(video_N)
    pairs = overlapping_spans(spans_N2, video_N, truth.spans_N2, truth.video_N, min_tiou=float(tious_T.min()))
    first_TG = np.full((len(tious_T), len(truth)), np.iinfo(np.int64).max)
    for tiou, first_G in zip(tious_T, first_TG, strict=True):
        enough = pairs.iou_K >= tiou
        np.minimum.at(first_G, pairs.truth_K[enough], ranks_N[pairs.found_K[enough]])
    return first_TG


def _spent(proposals_V: np.ndarray, num_videos: int, numbers_A: np.ndarray) -> np.ndarray:
    """How many of its proposals each video may spend at each average number (V, A): steps 1 and 2."""
    # Multiplied and divided in the order of the official code: the floors hang on the last bit.
    total, most = int(proposals_V.sum()), float(numbers_A[-1])
    kept_V = np.minimum((proposals_V * (most * num_videos / max(total, 1))).astype(np.int64), proposals_V)
    share_A = numbers_A / most * (most * num_videos / max(int(kept_V.sum()), 1))
    spent_VA: np.ndarray = np.minimum((kept_V[:, None] * share_A).astype(np.int64), kept_V[:, None])
    return spent_VA

"""How well a detector of spans does on short and long instances, as DETAD tells it (Alwassel et al., ECCV 2018).

For each bin and class: the ground truths in the bin, and the class' predictions less those that took a ground truth of
another bin; false positives count in every bin. AP is normalised, since bins hold different numbers of instances:
precision is R*C / (R*C + F) with recall R within the bin, F false positives so far, and the same C for every class and
bin, the mean number of ground truths of a class. So bins can be compared, with each other and with all together.

Shape letters: B bins, G ground truths.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from annotations.records import LabelledSpans
from evaluation.average_precision import interpolated_ap
from evaluation.matching import LeftOut, Matches, checked_tious, match

BIN_NAMES = ("XS", "S", "M", "L", "XL")


@dataclass(frozen=True, eq=False, slots=True)
class Sensitivity:
    """Figures are in 0..1, and NaN for a bin without ground truth; bins are in the order of BIN_NAMES."""

    tiou: float
    edges: tuple[float, ...]  # B + 1; a bin is (low, high], values beyond the ends belong to the end bins
    num_truth_B: np.ndarray
    recall_B: np.ndarray  # share of the bin's ground truths that were found, of all classes together
    map_normalised_B: np.ndarray  # mean over the classes that have ground truth in the bin
    recall: float  # of all ground truths, those in no bin included
    map_normalised: float
    num_in_no_bin: int  # ground truths without length
    left_out: LeftOut


def by_length(
    truth: LabelledSpans, found: LabelledSpans, *, tiou: float = 0.5, edges_s: Sequence[float] | None = None
) -> Sensitivity:
    """By the seconds an instance lasts; without edges, bins hold a fifth of the ground truths each, ties aside.

    Raises ValueError for missing scores, a wrong threshold, or edges that are not six rising numbers.
    """
    lengths_G = truth.spans_N2[:, 1] - truth.spans_N2[:, 0]
    lengths_G = np.where(lengths_G > 0, lengths_G, np.nan)
    if edges_s is None:
        known_s = lengths_G[np.isfinite(lengths_G)]
        shares = np.linspace(0, 1, len(BIN_NAMES) + 1)
        edges_s = np.quantile(known_s, shares).tolist() if len(known_s) else [0.0] * len(shares)
    return _by_value(truth, found, tiou, lengths_G, edges_s)


def _by_value(
    truth: LabelledSpans, found: LabelledSpans, tiou: float, values_G: np.ndarray, edges: Sequence[float]
) -> Sensitivity:
    if len(edges) != len(BIN_NAMES) + 1 or (np.diff(edges) < 0).any():
        raise ValueError(f"edges of the bins must be {len(BIN_NAMES) + 1} rising numbers, got {list(edges)}")
    matches = match(truth, found, checked_tious([tiou]))
    bins_G = np.searchsorted(np.asarray(edges)[1:-1], values_G, side="left")
    bins_G[np.isnan(values_G)] = -1
    is_found_G = np.zeros(len(truth), dtype=bool)
    is_found_G[matches.truth_TN[0, matches.truth_TN[0] >= 0]] = True
    members_BG = [bins_G == number for number in range(len(BIN_NAMES))]
    return Sensitivity(
        tiou=tiou,
        edges=tuple(edges),
        num_truth_B=np.array([np.count_nonzero(is_member_G) for is_member_G in members_BG]),
        recall_B=np.array([_share(is_found_G[is_member_G]) for is_member_G in members_BG]),
        map_normalised_B=np.array([_map_normalised(truth, matches, is_member_G) for is_member_G in members_BG]),
        recall=_share(is_found_G),
        map_normalised=_map_normalised(truth, matches, np.ones(len(truth), dtype=bool)),
        num_in_no_bin=int(np.count_nonzero(bins_G < 0)),
        left_out=matches.left_out,
    )


def _map_normalised(truth: LabelledSpans, matches: Matches, is_member_G: np.ndarray) -> float:
    """Mean over classes of normalised AP, with these ground truths alone."""
    counts_C = np.bincount(truth.label_N, minlength=len(truth.labels))
    members_C = np.bincount(truth.label_N[is_member_G], minlength=len(truth.labels))
    with_members = np.flatnonzero(members_C)
    if len(with_members) == 0:
        return float("nan")
    norm_count = float(counts_C[counts_C > 0].mean())
    truth_N = matches.truth_TN[0]
    counts_N = (truth_N < 0) | is_member_G[truth_N]
    precisions = []
    for label in with_members:
        taken_N = truth_N[matches.slices[label]][counts_N[matches.slices[label]]]
        precisions.append(interpolated_ap(taken_N[None] >= 0, int(members_C[label]), norm_count=norm_count)[0])
    return float(np.mean(precisions))


def _share(is_found_G: np.ndarray) -> float:
    return float(is_found_G.mean()) if len(is_found_G) else float("nan")

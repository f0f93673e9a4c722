"""Mean average precision of detected spans, by the protocols of ActivityNet and THUMOS.

The two differ in nothing but their thresholds. A result says which one it is of: the figures cannot be compared.

Shape letters: T thresholds of temporal IoU.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from annotations.records import LabelledSpans
from evaluation.average_precision import interpolated_ap
from evaluation.matching import LeftOut, checked_tious, match

PROTOCOLS: dict[str, tuple[float, ...]] = {
    # As numpy makes them, 0.8999999999999999 included, since the official code does.
    "activitynet": tuple(np.linspace(0.5, 0.95, 10).tolist()),
    "thumos": tuple(np.linspace(0.3, 0.7, 5).tolist()),
}


@dataclass(frozen=True, eq=False, slots=True)
class TemporalMap:
    """Figures are in 0..1, and NaN where there is no ground truth at all."""

    protocol: str  # a key of PROTOCOLS, or "custom"
    tious: tuple[float, ...]
    map_T: np.ndarray  # mean over the classes that have ground truth
    average_map: float  # mean over the thresholds
    per_class: dict[str, np.ndarray]  # AP at each threshold (T,), of the classes that have ground truth
    num_truth: int
    num_found: int  # predictions that were counted
    left_out: LeftOut  # those that were not


def temporal_map(truth: LabelledSpans, found: LabelledSpans, tious: Sequence[float]) -> TemporalMap:
    """Average precision of every class, and their means. Raises ValueError for missing scores or wrong thresholds.

    Videos and labels are compared by name. A prediction in a listed video without ground truth is a false positive. A
    ground truth without length counts, though nothing can find it.
    """
    tious_T = checked_tious(tious)
    matches = match(truth, found, tious_T)
    counts_C = np.bincount(truth.label_N, minlength=len(truth.labels))
    per_class = {
        truth.labels[label]: interpolated_ap(matches.truth_TN[:, matches.slices[label]] >= 0, int(counts_C[label]))
        for label in np.flatnonzero(counts_C).tolist()
    }
    map_T = np.mean(list(per_class.values()), axis=0) if per_class else np.full(len(tious_T), np.nan)
    return TemporalMap(
        protocol=protocol_of(tious_T),
        tious=tuple(tious_T.tolist()),
        map_T=map_T,
        average_map=float(map_T.mean()),
        per_class=per_class,
        num_truth=len(truth),
        num_found=len(matches.found),
        left_out=matches.left_out,
    )


def protocol_of(tious_T: np.ndarray) -> str:
    """The protocol that has these thresholds, "custom" if none does."""
    for name, tious in PROTOCOLS.items():
        if len(tious) == len(tious_T) and np.allclose(tious, tious_T, rtol=0.0, atol=1e-9):
            return name
    return "custom"

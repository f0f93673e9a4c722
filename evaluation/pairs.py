"""Pairs of a prediction and a ground truth that may belong together, with their overlap.

Shape letters: N predictions, G ground truths, K pairs. A key says where one belongs (a video, or a class of a video).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

PAIRS_AT_ONCE = 1_000_000  # bounds memory where one long video holds thousands of both


@dataclass(frozen=True, eq=False, slots=True)
class Pairs:
    """By rising prediction; those of one prediction by falling IoU, of equal ones the later ground truth first."""

    found_K: np.ndarray  # int64 index of the prediction
    truth_K: np.ndarray  # int64 index of the ground truth
    iou_K: np.ndarray  # float64

    def where(self, mask_K: np.ndarray) -> "Pairs":
        return Pairs(self.found_K[mask_K], self.truth_K[mask_K], self.iou_K[mask_K])


def overlapping_spans(
    found_N2: np.ndarray, found_key_N: np.ndarray, truth_G2: np.ndarray, truth_key_G: np.ndarray, *, min_tiou: float
) -> Pairs:
    """Pairs of spans of one key with temporal IoU >= min_tiou, which must be above 0."""

    def tiou(found_K: np.ndarray, truth_K: np.ndarray) -> np.ndarray:
        return paired_tiou(found_N2[found_K], truth_G2[truth_K])

    order_G = np.lexsort((truth_G2[:, 0], truth_key_G))
    places_G = _by_key_then_time(truth_key_G[order_G], truth_G2[order_G, 0])
    # Who overlaps enough starts before the prediction stops and lasts at most 1 / min_tiou times as long.
    earliest_N = found_N2[:, 0] - (found_N2[:, 1] - found_N2[:, 0]) / min_tiou
    first_N = np.searchsorted(places_G, _by_key_then_time(found_key_N, earliest_N), side="left")
    stop_N = np.searchsorted(places_G, _by_key_then_time(found_key_N, found_N2[:, 1]), side="left")
    return _overlapping(order_G, first_N, stop_N, tiou, min_tiou)


def overlapping_of_key(
    found_key_N: np.ndarray,
    truth_key_G: np.ndarray,
    iou: Callable[[np.ndarray, np.ndarray], np.ndarray],
    *,
    min_iou: float,
) -> Pairs:
    """Pairs of one key with IoU >= min_iou; `iou` takes the indices of predictions and of ground truths."""
    order_G = np.argsort(truth_key_G, kind="stable")
    first_N = np.searchsorted(truth_key_G[order_G], found_key_N, side="left")
    stop_N = np.searchsorted(truth_key_G[order_G], found_key_N, side="right")
    return _overlapping(order_G, first_N, stop_N, iou, min_iou)


def _by_key_then_time(key_N: np.ndarray, time_s_N: np.ndarray) -> np.ndarray:
    """Numbers in the order of (key, time): numpy compares complex ones by the real part first."""
    places_N = np.empty(len(key_N), dtype=np.complex128)
    places_N.real, places_N.imag = key_N, time_s_N
    return places_N


def _overlapping(
    order_G: np.ndarray,
    first_N: np.ndarray,
    stop_N: np.ndarray,
    iou: Callable[[np.ndarray, np.ndarray], np.ndarray],
    min_iou: float,
) -> Pairs:
    """Each prediction against order_G[first:stop], its candidates."""
    found, truth, ious = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)], [np.zeros(0)]
    for found_K, place_K in _ranges(first_N, np.maximum(stop_N - first_N, 0)):
        truth_K = order_G[place_K]
        iou_K = iou(found_K, truth_K)
        kept = np.flatnonzero(iou_K >= min_iou)
        kept = kept[np.lexsort((-truth_K[kept], -iou_K[kept], found_K[kept]))]
        found.append(found_K[kept])
        truth.append(truth_K[kept])
        ious.append(iou_K[kept])
    return Pairs(np.concatenate(found), np.concatenate(truth), np.concatenate(ious))


def _ranges(first_N: np.ndarray, count_N: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """n and first + 0, 1, ..., count - 1 for every n, some at a time."""
    total_N = np.cumsum(count_N)
    begin = 0
    while begin < len(first_N):
        done = total_N[begin] - count_N[begin]
        end = max(begin + 1, int(np.searchsorted(total_N, done + PAIRS_AT_ONCE, side="right")))
        counts = count_N[begin:end]
        steps_K = np.arange(counts.sum()) - np.repeat(total_N[begin:end] - counts - done, counts)
        yield np.repeat(np.arange(begin, end), counts), np.repeat(first_N[begin:end], counts) + steps_K
        begin = end


def paired_tiou(spans_K2: np.ndarray, others_K2: np.ndarray) -> np.ndarray:
    """Temporal IoU of the k-th with the k-th (K,); a span that stops where or before it starts overlaps nothing."""
    starts_K = np.maximum(spans_K2[:, 0], others_K2[:, 0])
    inter_K = np.maximum(np.minimum(spans_K2[:, 1], others_K2[:, 1]) - starts_K, 0.0)
    union_K = (spans_K2[:, 1] - spans_K2[:, 0]) + (others_K2[:, 1] - others_K2[:, 0]) - inter_K
    iou_K: np.ndarray = np.divide(inter_K, union_K, out=np.zeros_like(inter_K), where=inter_K > 0)
    return iou_K

"""Samples of a sound at another rate: each at its own exact instant, whatever lies about it in memory.

A windowed sinc (J. O. Smith, "Digital Audio Resampling"), read from a table of its values between two samples.
"""

from fractions import Fraction
from functools import lru_cache
from math import ceil

import numpy as np

_CROSSINGS = 16  # of the sinc, to either side
_PASSED = 0.9  # of the band that both rates can hold
_KAISER = 8.0  # shape of the window: what is beyond the band is 80 dB down
_PLACES = 4096  # between two samples at which the table holds the filter
_AT_ONCE = 4096  # samples computed together


def resampled(samples_M: np.ndarray, *, start: Fraction, ratio: Fraction) -> tuple[int, np.ndarray]:
    """All samples that fall on a sound, and the number of the first; outside it there is silence.

    `start`: where the sound begins, in samples of the new rate; `ratio`: the new rate by the old one.
    """
    first, stop = ceil(start), ceil(start + len(samples_M) * ratio)
    filters_PL = _filters(float(min(Fraction(1), ratio)))
    length = filters_PL.shape[1]
    padded_M = np.pad(samples_M.astype(np.float32, copy=False), length)
    windows = np.lib.stride_tricks.sliding_window_view(padded_M, length)
    offset, step = float((first - start) / ratio), float(1 / ratio)
    out_N = np.zeros(stop - first, np.float32)
    for begin in range(0, len(out_N), _AT_ONCE):
        numbers = np.arange(begin, min(begin + _AT_ONCE, len(out_N)))
        places = np.rint((offset + numbers * step) * _PLACES).astype(np.int64)
        rows = length - length // 2 + 1 + places // _PLACES
        out_N[begin : begin + len(numbers)] = np.einsum("nl,nl->n", windows[rows], filters_PL[places % _PLACES])
    return first, out_N


@lru_cache(maxsize=4)
def _filters(band: float) -> np.ndarray:
    """Weights (P, L) of the samples about a place between two; `band` is the share of the old one that is kept."""
    reach = ceil(_CROSSINGS / band)
    distance_PL = np.arange(_PLACES)[:, None] / _PLACES - np.arange(1 - reach, reach + 1)
    cutoff, within_PL = band * _PASSED, np.clip(1 - (distance_PL / reach) ** 2, 0, None)
    window_PL = np.i0(_KAISER * np.sqrt(within_PL)) / np.i0(_KAISER)
    filters_PL: np.ndarray = (cutoff * np.sinc(cutoff * distance_PL) * window_PL).astype(np.float32)
    return filters_PL

"""Key frames are at k / rate seconds; which times are on none of them, and what rate they would fit."""

from fractions import Fraction

import numpy as np

SAME_S = 1e-3 + 1e-9  # times in files are rounded, and so are differences of floats
USUAL_RATES = (0.1, 0.2, 0.25, 0.5, *map(float, range(1, 31)), 24000 / 1001, 30000 / 1001)


def key_frame_numbers(times_N: np.ndarray, rate: float) -> np.ndarray:
    """Of the key frame (N,) nearest to each time, in seconds."""
    numbers_N: np.ndarray = np.rint(times_N * float(exact_rate(rate)))
    return numbers_N


def are_on_key_frames(times_N: np.ndarray, rate: float) -> np.ndarray:
    """Whether each time (N,), in seconds, is that of a key frame."""
    apart_s_N = np.abs(times_N - key_frame_numbers(times_N, rate) / float(exact_rate(rate)))
    on_N: np.ndarray = apart_s_N <= SAME_S
    return on_N


def fitting_rate(times_N: np.ndarray) -> float | None:
    """The first usual rate that has a key frame at each of the times, None if there is none."""
    times = np.unique(times_N)
    return next((rate for rate in USUAL_RATES if are_on_key_frames(times, rate).all()), None)


def exact_rate(per_s: float) -> Fraction:
    """As frames and key frames are sampled: 29.97 is 30000/1001."""
    return Fraction(per_s).limit_denominator(1001)

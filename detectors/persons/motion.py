"""How far people get between key frames: a Kalman filter whose spreads are in body heights, as people are seen to move.

A velocity wanders about zero and is forgotten with time (an Ornstein-Uhlenbeck process): a person who was seen twice is
expected farther on, one who was not seen for long about where the last sight was, and anywhere in a growing circle.
Measured on pedestrians at 1 Hz: across, half of them stay below 0.3 body heights a second, 95 % below 0.75 (below 1
close to the camera); down, 95 % below 0.26; a velocity keeps about three quarters of itself for a second.

Shape letters: K tracks, N boxes; 2 is across and down. Places are in heights of the picture.
"""

from dataclasses import dataclass

import numpy as np

FORGOTTEN_S = 3.0  # in which a velocity falls to 1/e
DOWN_TO_ACROSS = 1 / 3  # spread of velocities: nearer and farther moves a person less than left and right
BOX_SPREAD = 0.07  # of a box about its person, body heights


@dataclass(frozen=True, eq=False, slots=True)
class Motion:
    """Where tracks are and how they move, and the variances of both."""

    place_K2: np.ndarray
    velocity_K2: np.ndarray  # a second
    place_variance_K2: np.ndarray
    covariance_K2: np.ndarray
    velocity_variance_K2: np.ndarray


def first_seen(place_K2: np.ndarray, size_K: np.ndarray, speed: float) -> Motion:
    """Of people seen once, of a size in heights of the picture; `speed` is the spread, body heights a second."""
    nothing = np.zeros_like(place_K2)
    spread_K2 = np.broadcast_to(BOX_SPREAD * size_K[:, None], place_K2.shape)
    return Motion(place_K2, nothing, spread_K2**2, nothing, _speeds(size_K, speed) ** 2)


def _speeds(size_K: np.ndarray, speed: float) -> np.ndarray:
    return np.asarray(speed * np.array([1.0, DOWN_TO_ACROSS]) * size_K[:, None])


def after(motion: Motion, elapsed_s: float, size_K: np.ndarray, speed: float) -> Motion:
    """Where they will be."""
    kept = float(np.exp(-elapsed_s / FORGOTTEN_S))
    reach_s = FORGOTTEN_S * (1 - kept)  # for which the present velocity lasts, so to say
    lasting = motion.velocity_variance_K2
    fresh = _speeds(size_K, speed) ** 2
    wandered = FORGOTTEN_S**2 * (2 * elapsed_s / FORGOTTEN_S - 3 + 4 * kept - kept**2)
    return Motion(
        motion.place_K2 + reach_s * motion.velocity_K2,
        kept * motion.velocity_K2,
        motion.place_variance_K2 + 2 * reach_s * motion.covariance_K2 + reach_s**2 * lasting + wandered * fresh,
        kept * motion.covariance_K2 + kept * reach_s * lasting + FORGOTTEN_S * (1 - kept) ** 2 * fresh,
        kept**2 * lasting + (1 - kept**2) * fresh,
    )


def seen_at(motion: Motion, place_K2: np.ndarray, size_K: np.ndarray) -> Motion:
    """What is known now that they were seen there."""
    seen_variance_K2 = motion.place_variance_K2 + (BOX_SPREAD * size_K[:, None]) ** 2
    gain_K2, velocity_gain_K2 = (x / seen_variance_K2 for x in (motion.place_variance_K2, motion.covariance_K2))
    off_K2 = place_K2 - motion.place_K2
    return Motion(
        motion.place_K2 + gain_K2 * off_K2,
        motion.velocity_K2 + velocity_gain_K2 * off_K2,
        (1 - gain_K2) * motion.place_variance_K2,
        (1 - gain_K2) * motion.covariance_K2,
        motion.velocity_variance_K2 - velocity_gain_K2 * motion.covariance_K2,
    )


def surprise(motion: Motion, size_K: np.ndarray, place_K2: np.ndarray, placed_size_K: np.ndarray) -> np.ndarray:
    """Minus the logarithm of the likelihood (K,) that each is seen at a place, per square body height.

    Being a likelihood it lets a track of which much is known go before one that could be anywhere.
    """
    body_K1 = np.sqrt(size_K * placed_size_K)[:, None]
    variance_K2 = motion.place_variance_K2 / body_K1**2 + BOX_SPREAD**2
    off_K2 = (place_K2 - motion.place_K2) / body_K1
    return np.asarray(np.log(2 * np.pi) + (off_K2**2 / variance_K2 + np.log(variance_K2)).sum(axis=1) / 2)


def within_reach(
    motion: Motion, size_K: np.ndarray, place_N2: np.ndarray, most_surprise: float
) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of a track and a place (P,), (P,) that may surprise less, if a person's size does not change fourfold."""
    least = np.log(2 * np.pi * BOX_SPREAD**2)
    spreads = np.sqrt(2 * max(0.0, most_surprise - least))
    reach_K2 = spreads * np.sqrt(motion.place_variance_K2 + (2 * BOX_SPREAD * size_K[:, None]) ** 2)
    is_near_KN = np.abs(place_N2[:, 0] - motion.place_K2[:, 0, None]) <= reach_K2[:, 0, None]
    is_near_KN &= np.abs(place_N2[:, 1] - motion.place_K2[:, 1, None]) <= reach_K2[:, 1, None]
    tracks, places = np.nonzero(is_near_KN)
    return tracks, places

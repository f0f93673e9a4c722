"""What people look like in a few numbers, by which one is known again a second later: colours of upper and lower body.

Each half is a histogram of lightness and one of colour, its numbers the roots of shares, so that the product of two
looks is their Bhattacharyya coefficient (Comaniciu et al., Kernel-based object tracking, 2003).

Shape letters: N boxes, P sampled pixels of a half, B bins, L = 62 numbers of a look.
"""

import numpy as np

HALVES = ((0.12, 0.5), (0.5, 0.9))  # of a box, from the top down: without the head, without the feet
MIDDLE = (0.2, 0.8)  # of a box, from left to right: without what is beside the person
ROWS, COLUMNS = 10, 8  # pixels sampled in each half
LIGHT_BINS, COLOUR_BINS = 6, 5
COLOUR_GAIN = 4.0  # clothes are greyish: most colours lie near the middle
LENGTH = len(HALVES) * (LIGHT_BINS + COLOUR_BINS**2)


def looks(picture_HWC: np.ndarray, boxes_N4: np.ndarray) -> np.ndarray:
    """Looks float16 (N, L) of people in a picture (uint8 RGB), boxes in 0..1 of it; small and empty boxes have some."""
    halves = [_half(picture_HWC, boxes_N4, top, bottom) for top, bottom in HALVES]
    return np.concatenate(halves, axis=1).astype(np.float16)


def similarity(looks_NL: np.ndarray, others_NL: np.ndarray) -> np.ndarray:
    """How alike each looks to its other (N,), 0..1: one person a second later mostly over 0.95, another one below."""
    return np.asarray(np.einsum("nl,nl->n", looks_NL.astype(np.float32), others_NL.astype(np.float32)))


def _half(picture_HWC: np.ndarray, boxes_N4: np.ndarray, top: float, bottom: float) -> np.ndarray:
    height, width = picture_HWC.shape[:2]
    x1, y1, x2, y2 = boxes_N4.astype(np.float64).T[:, :, None]
    columns = _pixels(x1 + (x2 - x1) * _steps(*MIDDLE, COLUMNS), width)
    rows = _pixels(y1 + (y2 - y1) * _steps(top, bottom, ROWS), height)
    pixels_NP3 = picture_HWC[rows[:, :, None], columns[:, None, :]].reshape(len(boxes_N4), ROWS * COLUMNS, 3)
    red, green, blue = np.moveaxis(pixels_NP3.astype(np.float32) / 255, 2, 0)
    light = 0.299 * red + 0.587 * green + 0.114 * blue
    bluish, reddish = (COLOUR_GAIN * 0.564 * (blue - light) + 0.5, COLOUR_GAIN * 0.713 * (red - light) + 0.5)
    light_NB = _shares(np.sqrt(light), LIGHT_BINS).mean(axis=1)
    colour_NBB = np.einsum("npi,npj->nij", _shares(bluish, COLOUR_BINS), _shares(reddish, COLOUR_BINS))
    colour_NB = colour_NBB.reshape(len(boxes_N4), COLOUR_BINS**2) / (ROWS * COLUMNS)
    return np.asarray(np.sqrt(np.concatenate([light_NB, colour_NB], axis=1) / (2 * len(HALVES))))


def _steps(start: float, stop: float, count: int) -> np.ndarray:
    return start + (stop - start) * (np.arange(count) + 0.5) / count


def _pixels(places: np.ndarray, length: int) -> np.ndarray:
    return np.asarray(np.clip((places * length).astype(np.int64), 0, length - 1))


def _shares(values_NP: np.ndarray, bins: int) -> np.ndarray:
    """Each value of 0..1 shared between the two bins beside it: float32 (N, P, B)."""
    off_NPB = np.clip(values_NP, 0, 1)[..., None] * (bins - 1) - np.arange(bins, dtype=np.float32)
    return np.asarray(np.maximum(0, 1 - np.abs(off_NPB)))

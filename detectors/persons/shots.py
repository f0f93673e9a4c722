"""Where another shot begins: hard cuts in sampled frames, told from flashes, fast motion and shaking cameras.

A frame begins a shot if no frame of those before it resembles any of those after it, far less than frames on either
side resemble one another. It is judged by CONTEXT frames on each side and by nothing else, so where reading began does
not matter. What is slower than one frame in between, such as a fade, is no cut.

Shape letters: T frames, H rows, W columns, D numbers that stand for a frame, M cuts.
"""

import numpy as np

CONTEXT = 8  # frames on each side that a decision needs; a flash must be over within these
GRID, SAMPLES_A_CELL = 8, 7  # a frame is seen as the mean colours of GRID x GRID cells, each of 7 x 7 of its pixels
LEAST_CHANGE = 4.0  # of 255, the mean over cells: people who walk before a standing camera stay below
CHANGE_TO_MOTION = 1.8  # times the most that two frames of one shot, as far apart, differ by
LEAST_MOTION = 1.0  # of 255: what is less is noise
DARK = 2.0  # of 255, added so that the noise of black pictures is not taken for change
_STEPS_OF_A_CUT = 2  # one frame may be a mixture of both shots, where a frame rate was converted


class ShotChanges:
    """Finds cuts in frames that come chunk by chunk; holds on to colours of 2 * CONTEXT frames, not to the frames."""

    def __init__(self) -> None:
        self._colours_TD = np.zeros((0, GRID * GRID * 3), np.float32)
        self._first = 0  # the frame that the first row stands for

    def push(self, frames_THWC: np.ndarray) -> np.ndarray:
        """Indices (M,) of frames that begin a shot, counted from the first frame ever pushed.

        A frame is told of once CONTEXT more have come. Frames with less than CONTEXT before or after them are no cuts.
        """
        self._colours_TD = np.concatenate([self._colours_TD, cell_colours(frames_THWC)])
        cuts_M = self._first + shot_changes(self._colours_TD)
        done = max(0, len(self._colours_TD) - 2 * CONTEXT)
        self._colours_TD, self._first = self._colours_TD[done:], self._first + done
        return cuts_M


def cell_colours(frames_THWC: np.ndarray) -> np.ndarray:
    """What stands for each frame (uint8 RGB): float32 (T, D), the colours of its cells, 0..255 by square root.

    By square root a step in the dark counts for about as much as the eye makes of it.
    """
    rows, columns = (_sampled(length) for length in frames_THWC.shape[1:3])
    pixels = frames_THWC[:, rows[:, None], columns].reshape(-1, GRID, SAMPLES_A_CELL, GRID, SAMPLES_A_CELL, 3)
    means = pixels.mean(axis=(2, 4), dtype=np.float32).reshape(len(frames_THWC), -1)
    return np.asarray(np.sqrt((means + DARK) * 255.0))


def _sampled(length: int) -> np.ndarray:
    count = GRID * SAMPLES_A_CELL
    return (2 * np.arange(count) + 1) * length // (2 * count)


def shot_changes(colours_TD: np.ndarray) -> np.ndarray:
    """Indices (M,) of frames that begin a shot, among those with CONTEXT frames before and after."""
    steps_T = np.zeros(len(colours_TD))  # from the frame before to this one
    steps_T[1:] = np.abs(np.diff(colours_TD, axis=0)).mean(axis=1)
    likely = (np.flatnonzero(steps_T[CONTEXT:-CONTEXT] >= LEAST_CHANGE / _STEPS_OF_A_CUT) + CONTEXT).tolist()
    return np.array([k for k in likely if _is_greatest(steps_T, k) and _begins_a_shot(colours_TD, k)], np.int64)


def _is_greatest(steps_T: np.ndarray, k: int) -> bool:
    """Of the steps around it; the first of equal ones."""
    return int(steps_T[k - CONTEXT + 1 : k + CONTEXT + 1].argmax()) == CONTEXT - 1


def _begins_a_shot(colours_TD: np.ndarray, k: int) -> bool:
    """With frame k, or the one before it, left out as a mixture of both shots."""
    start, stop = k - CONTEXT, k + CONTEXT + 1
    return any(_differ(colours_TD[start:mixed], colours_TD[mixed + 1 : stop]) for mixed in (k - 1, k))


def _differ(before_TD: np.ndarray, after_TD: np.ndarray) -> bool:
    change = np.abs(before_TD[:, None] - after_TD).mean(axis=2).min()
    gap = _STEPS_OF_A_CUT
    motion = max(np.abs(side_TD[gap:] - side_TD[:-gap]).mean(axis=1).max() for side_TD in (before_TD, after_TD))
    return bool(change >= max(LEAST_CHANGE, CHANGE_TO_MOTION * max(motion, LEAST_MOTION)))

"""Tubes of people as annotations on key frames tell them: one person doing one thing on frame after frame.

Shape letters: N rows of boxes, sorted as tubes need them; F key frames.
"""

from collections.abc import Sequence

import numpy as np

from annotations.records import NO_PERSON, Frame, LabelledBoxes, LabelledTubes
from evaluation.ranking import numbers_in

LONGEST_STEP = 1.5  # periods: a longer one has left a key frame out, a shorter one is not quite regular


def tubes_of(truth: LabelledBoxes, period_s: float | None = None) -> LabelledTubes:
    """A tube ends where the person does something else or is away on a key frame; rows without person make none.

    `period_s` is the time from one key frame to the next, by default what is usual in the file. Raises ValueError if
    no row tells its person.
    """
    if truth.person_N is None:
        raise ValueError("boxes without person ids make no tubes: give the column person_id")
    limit_s = LONGEST_STEP * (key_frame_period_s(truth.frames) if period_s is None else period_s)
    video_F, time_F = _places(truth.frames)
    columns = np.stack([time_F[truth.frame_N], truth.action_N, truth.person_N, video_F[truth.frame_N]])
    rows = np.lexsort(columns)
    rows = rows[truth.person_N[rows] != NO_PERSON]
    steps = np.diff(columns[:, rows], axis=1, prepend=np.nan)
    is_same_N = (steps[1:] == 0).all(axis=0)
    is_repeated_N = is_same_N & (steps[0] == 0)
    is_start_N = ~(is_same_N & (steps[0] <= limit_s))
    kept = rows[~is_repeated_N]
    return LabelledTubes(
        frames=truth.frames,
        action_U=truth.action_N[rows[is_start_N]],
        tube_M=(np.cumsum(is_start_N) - 1)[~is_repeated_N],
        frame_M=truth.frame_N[kept],
        boxes_M4=truth.boxes_N4[kept],
    )


def key_frame_period_s(frames: Sequence[Frame]) -> float:
    """The usual time from one key frame of a video to its next; infinite where no video has two."""
    video_F, time_F = _places(frames)
    order = np.lexsort((time_F, video_F))
    steps_s = np.diff(time_F[order])[np.diff(video_F[order]) == 0]
    return float(np.median(steps_s)) if len(steps_s) else np.inf


def _places(frames: Sequence[Frame]) -> tuple[np.ndarray, np.ndarray]:
    """The number of each frame's video, and its time in seconds."""
    videos = list(dict.fromkeys(video for video, _ in frames))
    return numbers_in([video for video, _ in frames], videos), np.array([float(time) for _, time in frames])

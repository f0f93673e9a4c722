"""Labelled spans, boxes and tubes of many videos, as columns: what annotators wrote, or what a detector found.

Shape letters: N spans or boxes, V videos, U tubes, M boxes of tubes. Times are seconds; spans are half-open
[start, stop).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

Frame = tuple[str, str]  # a video, and the time of a key frame as values.frame_time writes it

NO_PERSON = -1


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)


@dataclass(frozen=True, eq=False, slots=True)
class LabelledSpans:
    """Spans with a label, in videos; `scores_N` is None for ground truth."""

    videos: tuple[str, ...]  # names that `video_N` points into; one may have no span
    labels: tuple[str, ...]  # class names that `label_N` points into
    video_N: np.ndarray  # int64
    spans_N2: np.ndarray  # float64 seconds
    label_N: np.ndarray  # int64
    scores_N: np.ndarray | None = None  # float64

    def __post_init__(self) -> None:
        count = len(self.video_N)
        _require(self.spans_N2.shape == (count, 2), f"spans must be ({count}, 2), got {self.spans_N2.shape}")
        _require(self.label_N.shape == (count,), f"labels must be ({count},), got {self.label_N.shape}")
        if self.scores_N is not None:
            _require(self.scores_N.shape == (count,), f"scores must be ({count},), got {self.scores_N.shape}")

    def __len__(self) -> int:
        return len(self.video_N)

    def where(self, mask_N: np.ndarray) -> "LabelledSpans":
        """The spans of a mask, or of indices; videos and labels keep their numbers."""
        scores_N = None if self.scores_N is None else self.scores_N[mask_N]
        return LabelledSpans(
            self.videos, self.labels, self.video_N[mask_N], self.spans_N2[mask_N], self.label_N[mask_N], scores_N
        )


@dataclass(frozen=True, eq=False, slots=True)
class Annotations:
    """The ground truth of a file."""

    spans: LabelledSpans
    durations_s: tuple[float | None, ...]  # of each video, None where the file does not tell
    subsets: tuple[str | None, ...]  # of each video, None where the file does not tell

    def __post_init__(self) -> None:
        count = len(self.spans.videos)
        _require(len(self.durations_s) == count, f"there are {count} videos and {len(self.durations_s)} durations")
        _require(len(self.subsets) == count, f"there are {count} videos and {len(self.subsets)} subsets")

    def of_videos(self, names: Sequence[str]) -> "Annotations":
        """These videos alone, in this order; labels keep their numbers."""
        index = {name: number for number, name in enumerate(self.spans.videos)}
        chosen = [index[name] for name in names]
        renumbered_V = np.full(len(self.spans.videos), -1)
        renumbered_V[chosen] = np.arange(len(chosen))
        kept = self.spans.where(renumbered_V[self.spans.video_N] >= 0)
        spans = LabelledSpans(
            tuple(names), kept.labels, renumbered_V[kept.video_N], kept.spans_N2, kept.label_N, kept.scores_N
        )
        return Annotations(
            spans, tuple(self.durations_s[one] for one in chosen), tuple(self.subsets[one] for one in chosen)
        )


@dataclass(frozen=True, eq=False, slots=True)
class LabelledBoxes:
    """AVA's rows: people on key frames, one row for each action of a box; `scores_N` is None for ground truth."""

    frames: tuple[Frame, ...]  # that `frame_N` points into; some hold nobody
    frame_N: np.ndarray  # int64
    boxes_N4: np.ndarray  # float64 x1, y1, x2, y2 in 0..1
    action_N: np.ndarray  # int64, 1-based as AVA counts
    scores_N: np.ndarray | None = None  # float64
    person_N: np.ndarray | None = None  # int64, the same person of a video throughout; NO_PERSON where it is not told

    def __post_init__(self) -> None:
        count = len(self.frame_N)
        _require(self.boxes_N4.shape == (count, 4), f"boxes must be ({count}, 4), got {self.boxes_N4.shape}")
        _require(self.action_N.shape == (count,), f"actions must be ({count},), got {self.action_N.shape}")
        if self.scores_N is not None:
            _require(self.scores_N.shape == (count,), f"scores must be ({count},), got {self.scores_N.shape}")
        if self.person_N is not None:
            _require(self.person_N.shape == (count,), f"persons must be ({count},), got {self.person_N.shape}")

    def __len__(self) -> int:
        return len(self.frame_N)

    def where(self, mask_N: np.ndarray) -> "LabelledBoxes":
        """The rows of a mask, or of indices; frames keep their numbers."""
        scores_N = None if self.scores_N is None else self.scores_N[mask_N]
        person_N = None if self.person_N is None else self.person_N[mask_N]
        return LabelledBoxes(
            self.frames, self.frame_N[mask_N], self.boxes_N4[mask_N], self.action_N[mask_N], scores_N, person_N
        )


@dataclass(frozen=True, eq=False, slots=True)
class LabelledTubes:
    """Actions of one person over time, as boxes on key frames; `scores_U` is None for ground truth."""

    frames: tuple[Frame, ...]  # that `frame_M` points into
    action_U: np.ndarray  # int64, 1-based as AVA counts
    tube_M: np.ndarray  # int64, which tube a box belongs to; a tube may have none
    frame_M: np.ndarray  # int64; a tube has one box on a frame at most
    boxes_M4: np.ndarray  # float64 x1, y1, x2, y2 in 0..1
    scores_U: np.ndarray | None = None  # float64

    def __post_init__(self) -> None:
        count = len(self.tube_M)
        _require(self.frame_M.shape == (count,), f"frames must be ({count},), got {self.frame_M.shape}")
        _require(self.boxes_M4.shape == (count, 4), f"boxes must be ({count}, 4), got {self.boxes_M4.shape}")
        if self.scores_U is not None:
            shape = self.action_U.shape
            _require(self.scores_U.shape == shape, f"scores must be {shape}, got {self.scores_U.shape}")

    def __len__(self) -> int:
        return len(self.action_U)


@dataclass(frozen=True, eq=False, slots=True)
class FoundPeople:
    """Predictions of what people do, as far as their labels are among the classes that were asked for."""

    videos: tuple[str, ...]  # that were looked at; in some there is nobody
    boxes: LabelledBoxes
    tubes: LabelledTubes | None  # None where the predictions tell nothing of time
    other_labels: dict[str, int]  # how many rows of boxes have another label and are left out

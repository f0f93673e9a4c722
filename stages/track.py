"""Follow one video's people over its key frames, and find out what each of them does. Knows no engine."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from detectors.persons.actions import Boxes, best_labels, independent_classes, own_classes
from detectors.persons.tracking import track
from detectors.persons.trained_head import TrainedHead, load_head
from detectors.persons.tubes import tubes, with_idle_tracks
from pipeline.person_settings import PersonSettings
from pipeline.records import People, PersonActions, PersonBoxes, Span, Tracks, Tubes, Video


class Track:
    """Turn people on key frames into tracks, actions of each, and tubes."""

    def __init__(self, settings: PersonSettings, *, single_label: bool) -> None:
        """`single_label`: class scores are those of a backbone that knows one class at a time, not any number."""
        self.settings = settings
        self.single_label = single_label
        self.head: TrainedHead | None = None

    def setup(self) -> None:
        """Raises WeightsError."""
        weights = self.settings.actions.weights
        self.head = None if weights is None else load_head(Path(weights))

    def __call__(self, blocks: Iterable[PersonBoxes], video: Video, duration_s: float, lost: Sequence[Span]) -> People:
        """Key frames in `lost` spans do not count: what is on screen there is from before."""
        found = _joined(blocks, lost)
        numbers_N = track(
            found.times_F,
            found.frame_N,
            found.boxes_N4,
            found.scores_N,
            found.looks_NL,
            found.cuts_M,
            aspect=video.width / video.height,
            **self.settings.tracking.model_dump(),
        )
        tracked = np.flatnonzero(numbers_N >= 0)
        tracks = Tracks(
            found.times_F[found.frame_N[tracked]], found.boxes_N4[tracked], found.scores_N[tracked], numbers_N[tracked]
        )
        actions = self._actions(self._pieces(blocks, lost, numbers_N))
        return People(tracks, self._best(actions), self._tubes(tracks, actions, duration_s, lost, found.cuts_M))

    def _best(self, actions: PersonActions) -> PersonActions:
        settings = self.settings.actions
        return best_labels(actions, min_score=settings.min_score, labels_per_person=settings.labels_per_person)

    def _tubes(
        self, tracks: Tracks, actions: PersonActions, duration_s: float, lost: Sequence[Span], cuts_M: np.ndarray
    ) -> Tubes:
        period_s = 1 / self.settings.rate
        found = tubes(
            tracks.times_N,
            tracks.tracks_N,
            actions.rows_A,
            actions.labels_A,
            actions.scores_A,
            period_s=period_s,
            duration_s=duration_s,
            lost=lost,
            cuts_s=cuts_M,
            **self.settings.tubes.model_dump(),
        )
        return with_idle_tracks(
            found, tracks.times_N, tracks.tracks_N, period_s=period_s, duration_s=duration_s, cuts_s=cuts_M
        )

    def _pieces(self, blocks: Iterable[PersonBoxes], lost: Sequence[Span], numbers_N: np.ndarray) -> Iterator[Boxes]:
        """Of the boxes on tracks."""
        start = 0
        for block in blocks:
            kept = block.rows_outside(lost)
            numbers = numbers_N[start : start + len(kept)]
            start += len(kept)
            tracked = kept[numbers >= 0]
            yield block.times_F[block.frame_N[tracked]], numbers[numbers >= 0], self._logits(block, tracked)

    def _logits(self, block: PersonBoxes, rows: np.ndarray) -> np.ndarray:
        if self.head is not None:
            return self.head(block.features_NC[rows])
        assert block.logits_NK is not None  # stages/build.py sees to it
        logits_NK: np.ndarray = block.logits_NK[rows]
        return logits_NK

    def _actions(self, pieces: Iterable[Boxes]) -> PersonActions:
        actions, lowest = self.settings.actions, min(self.settings.actions.min_score, self.settings.tubes.keep_score)
        if not self.single_label or self.head is not None:
            return independent_classes(pieces, smooth_s=actions.smooth_s, min_score=lowest)
        return own_classes(pieces, **actions.own_classes.model_dump(), smooth_s=actions.smooth_s, min_score=lowest)


class _Found(NamedTuple):
    """The boxes of a whole video, as PersonBoxes has them, without what the backbone sees in them."""

    times_F: np.ndarray
    frame_N: np.ndarray
    boxes_N4: np.ndarray
    scores_N: np.ndarray
    looks_NL: np.ndarray
    cuts_M: np.ndarray


_NOTHING = _Found(
    np.zeros(0), np.zeros(0, np.int64), np.zeros((0, 4), np.float32), np.zeros(0), np.zeros((0, 1)), np.zeros(0)
)


def _joined(blocks: Iterable[PersonBoxes], lost: Sequence[Span]) -> _Found:
    parts: list[_Found] = []
    frames = 0
    for block in blocks:
        rows = block.rows_outside(lost)
        part = (block.frame_N[rows] + frames, block.boxes_N4[rows], block.scores_N[rows], block.looks_NL[rows])
        parts.append(_Found(block.times_F, *part, block.cuts_M))
        frames += len(block.times_F)
    return _Found(*(np.concatenate(column) for column in zip(*parts, strict=True))) if parts else _NOTHING

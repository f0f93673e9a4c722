"""Annotated actions of both splits, and the clips that are seen of each. Whatever cannot be used is told."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from annotations.records import Annotations
from pipeline.errors import StopRun
from pipeline.records import Video
from training.collect import named


@dataclass(frozen=True, slots=True)
class Action:
    """What happens in a span of a video."""

    name: str  # of the video in the annotations
    video: Video
    start_s: float
    stop_s: float
    label: int  # which of the class names

    def frames(self, rate: Fraction) -> range:
        """Its samples, at least one."""
        first = round(self.start_s * rate)
        return range(first, max(first + 1, round(self.stop_s * rate)))


@dataclass(frozen=True, eq=False, slots=True)
class ClipSplits:
    """What a training on clips works on."""

    training: tuple[Action, ...]
    validation: tuple[Action, ...]
    class_names: tuple[str, ...]
    notices: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Raises StopRun if one split has nothing."""
        for actions, what in ((self.training, "to train on"), (self.validation, "to validate on")):
            if not actions:
                raise StopRun(f"there is no annotated action {what} in a video that can be used")


def clip_splits(
    training: Annotations, validation: Annotations, videos: Mapping[str, Video], *, shuffle_seed: int | None = None
) -> ClipSplits:
    """Actions in those of the annotated videos that there are, by annotated name. Raises StopRun if a split has none.

    With a `shuffle_seed` the training labels change places at random.
    """
    (own, notices), (judged, more) = (
        _actions(annotations, videos, what)
        for annotations, what in ((training, "to train on"), (validation, "to validate on"))
    )
    names = training.spans.labels
    learned = {action.label for action in own}
    if unlearned := [name for number, name in enumerate(names) if number not in learned]:
        notices.append(f"{len(unlearned)} classes have no action to train on: {named(unlearned)}")
    if shuffle_seed is not None:
        labels = np.random.default_rng(shuffle_seed).permutation([action.label for action in own]).tolist()
        own = [replace(action, label=label) for action, label in zip(own, labels, strict=True)]
    return ClipSplits(tuple(own), tuple(judged), names, (*notices, *more))


def clip_starts(frames: range, clip_frames: int) -> range:
    """Where clips of an action may begin; a shorter action is in the middle of its only clip, whose label it is."""
    spare = len(frames) - clip_frames
    first = frames.start + (spare // 2 if spare < 0 else 0)
    return range(first, first + max(spare, 0) + 1)


def spaced_starts(starts: range, count: int) -> list[int]:
    """At most so many of them, from the first to the last, each once; a single one is in the middle."""
    shares = np.linspace(0, 1, count) if count > 1 else np.array([0.5])
    return sorted({starts[round(share * (len(starts) - 1))] for share in shares.tolist()})


def _actions(annotations: Annotations, videos: Mapping[str, Video], what: str) -> tuple[list[Action], list[str]]:
    """Spans are cut where the video ends: annotators' clocks and files' lengths differ by some frames."""
    spans, actions, beyond = annotations.spans, [], 0
    columns = (spans.video_N.tolist(), spans.spans_N2.tolist(), spans.label_N.tolist())
    for number, (start_s, stop_s), label in zip(*columns, strict=True):
        name = spans.videos[number]
        if name not in videos:
            continue
        video = videos[name]
        if start_s >= video.duration_s:
            beyond += 1
        else:
            actions.append(Action(name, video, start_s, min(stop_s, video.duration_s), label))
    notices = []
    if missing := [name for name in spans.videos if name not in videos]:
        notices.append(f"{len(missing)} videos {what} cannot be used: {named(missing)}")
    if beyond:
        notices.append(f"{beyond} actions {what} are left out: they begin after the end of their video")
    return actions, notices

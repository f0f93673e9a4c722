"""Variations of a lesson in feature time: another stretch of it, another pace, another light.

Shape letters: S steps, C channels, G ground truths.
"""

from collections.abc import Sequence
from math import ceil

import numpy as np
import torch

from pipeline.training_settings import AugmentationSettings
from training.batch import Example
from training.videos import Lesson

VISIBLE = 0.5  # an action cut by the ends of a stretch is learned if that much of it is in there
MIN_STEPS = 16  # of a stretch, if its video has as many


def crops_of(lesson: Lesson, settings: AugmentationSettings) -> int:
    """Stretches of a lesson that an epoch takes, so that long videos count as much as their length."""
    return max(1, -(-len(lesson.features_SC) // settings.crop_steps))


def long_enough(settings: AugmentationSettings, lessons: Sequence[Lesson]) -> AugmentationSettings:
    """Stretches twice as long as the longest action, if need be: one never seen whole would count as background."""
    longest = max((float(np.diff(one.spans_G2)[:, 0].max(initial=0.0)) for one in lessons), default=0.0)
    return settings.model_copy(update={"crop_steps": max(settings.crop_steps, ceil(2 * longest))})


def varied(lesson: Lesson, settings: AugmentationSettings, rng: np.random.Generator) -> Example:
    """One stretch of it."""
    cropped = _crop(lesson, settings, rng)
    factor = float(np.exp(rng.uniform(-1, 1) * np.log(settings.stretch)))
    return _as_example(_stretch(cropped, factor), gain_C=_gain(cropped.features_SC.shape[1], settings.jitter, rng))


def _crop(lesson: Lesson, settings: AugmentationSettings, rng: np.random.Generator) -> Lesson:
    num_steps = len(lesson.features_SC)
    longest = min(num_steps, settings.crop_steps)
    shortest = min(longest, max(MIN_STEPS, round(settings.crop_share * longest)))
    length = int(rng.integers(shortest, longest + 1))
    first = int(rng.integers(0, num_steps - length + 1))
    return cut(lesson, range(first, first + length))


def cut(lesson: Lesson, steps: range) -> Lesson:
    """A stretch of it by itself."""
    clipped_G2 = np.clip(lesson.spans_G2 - steps.start, 0, len(steps))
    visible_G = np.diff(clipped_G2)[:, 0] >= VISIBLE * np.diff(lesson.spans_G2)[:, 0]
    rows = slice(steps.start, steps.stop)
    return Lesson(lesson.features_SC[rows], lesson.shown_S[rows], clipped_G2[visible_G], lesson.labels_G[visible_G])


def _stretch(lesson: Lesson, factor: float) -> Lesson:
    """Features interpolated between step middles, so many times as many."""
    before = len(lesson.features_SC)
    after = max(1, round(before * factor))
    if after == before:
        return lesson
    at_S = np.clip((np.arange(after) + 0.5) * before / after - 0.5, 0, before - 1)
    left_S = np.floor(at_S).astype(np.intp)
    right_S = np.minimum(left_S + 1, before - 1)
    weight_S1 = (at_S - left_S)[:, None].astype(np.float32)
    features_SC = lesson.features_SC[left_S] * (1 - weight_S1) + lesson.features_SC[right_S] * weight_S1
    shown_S = lesson.shown_S[left_S] & lesson.shown_S[right_S]
    return Lesson(features_SC, shown_S, lesson.spans_G2 * (after / before), lesson.labels_G)


def _gain(channels: int, jitter: float, rng: np.random.Generator) -> np.ndarray:
    """How much stronger each channel is all along: another camera, another light."""
    return np.exp(jitter * rng.standard_normal(channels)).astype(np.float32)


def _as_example(lesson: Lesson, gain_C: np.ndarray) -> Example:
    return Example(
        torch.from_numpy(lesson.features_SC.astype(np.float32) * gain_C),
        torch.from_numpy(lesson.shown_S),
        torch.from_numpy(lesson.spans_G2.astype(np.float32)),
        torch.from_numpy(lesson.labels_G),
    )

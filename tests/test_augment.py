"""Variations of a lesson: actions stay on what they show, whatever is cut, stretched or made stronger.

Shape letters: S steps, C channels, G ground truths.
"""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.training_settings import AugmentationSettings
from training.augment import crops_of, cut, long_enough, varied
from training.batch import Example, collate
from training.videos import Lesson

SPANS_G2 = np.array([[0.0, 9.0], [20.3, 41.7], [40.0, 44.5], [100.0, 160.0], [170.0, 200.0]])
CALM = AugmentationSettings(crop_steps=80, crop_share=0.4, stretch=1.0, jitter=0.0)


def lesson(num_steps: int = 200, lost: slice = slice(0, 0)) -> Lesson:
    """Channel 0 tells the time, channel 1 is always 1."""
    features_SC = np.stack([np.arange(num_steps) + 0.5, np.ones(num_steps)], axis=1).astype(np.float32)
    shown_S = np.ones(num_steps, bool)
    shown_S[lost] = False
    inside_G = SPANS_G2[:, 1] <= num_steps
    return Lesson(features_SC * shown_S[:, None], shown_S, SPANS_G2[inside_G], np.arange(5)[inside_G])


def clock(example: Example) -> tuple[float, float]:
    """When its first step begins, in steps of the lesson, and how many of these a step takes."""
    times_S = example.features_SC[:, 0].numpy().astype(np.float64)
    slope = (times_S[-2] - times_S[1]) / (len(times_S) - 3)  # the outermost may repeat what lies at the lesson's ends
    return float(times_S[1] - 1.5 * slope), float(slope)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10_000), st.sampled_from([1.0, 1.1, 1.5]))
def test_actions_stay_on_what_they_show(seed: int, stretch: float) -> None:
    options = CALM.model_copy(update={"stretch": stretch})
    example = varied(lesson(), options, np.random.default_rng(seed))
    start, slope = clock(example)
    stop = start + len(example.features_SC) * slope
    assert 1 / stretch - 0.03 <= slope <= stretch + 0.03  # whole steps
    assert -1e-3 <= start < stop <= 200 + 1e-3 and 31 <= stop - start <= 81
    clipped_G2 = np.clip(SPANS_G2, start, stop)
    visible_G = np.diff(clipped_G2)[:, 0] / np.diff(SPANS_G2)[:, 0]
    certain_G = np.abs(visible_G - 0.5) > 1e-3
    labels_G = example.labels_G.numpy()
    assert set(labels_G[certain_G[labels_G]]) == set(np.flatnonzero((visible_G >= 0.5) & certain_G))
    found_G2 = start + example.spans_G2.numpy() * slope
    np.testing.assert_allclose(found_G2, clipped_G2[labels_G], atol=2e-3)


def test_only_the_seed_decides() -> None:
    wild = AugmentationSettings(crop_steps=80, crop_share=0.4, stretch=1.3, jitter=0.3)
    first, again, other = (varied(lesson(), wild, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert torch.equal(first.features_SC, again.features_SC) and torch.equal(first.spans_G2, again.spans_G2)
    assert first.features_SC.shape != other.features_SC.shape or not torch.equal(first.features_SC, other.features_SC)


def test_every_part_of_a_video_is_seen_and_none_is_too_long() -> None:
    rng, seen = np.random.default_rng(0), np.zeros(200)
    for _ in range(1000):
        start, _ = clock(example := varied(lesson(), CALM, rng))
        assert 32 <= len(example.features_SC) <= 80
        seen[round(start) : round(start) + len(example.features_SC)] += 1
    assert seen.min() > 0


def test_a_channel_is_as_much_stronger_all_along() -> None:
    options = CALM.model_copy(update={"jitter": 0.2})
    before = lesson()
    gains = []
    for seed in range(200):
        example = varied(before, options, np.random.default_rng(seed))
        ones_S = example.features_SC[:, 1]
        assert (ones_S == ones_S[0]).all()
        gains.append(float(ones_S[0].log()))
    assert np.std(gains) == pytest.approx(0.2, abs=0.04) and np.mean(gains) == pytest.approx(0, abs=0.06)


def test_lost_steps_stay_lost_and_none_is_mixed_with_what_is_shown() -> None:
    options = CALM.model_copy(update={"stretch": 1.5, "crop_share": 1.0, "crop_steps": 200})
    for seed in range(20):
        example = varied(lesson(lost=slice(90, 130)), options, np.random.default_rng(seed))
        shown = example.features_SC[example.shown_S]
        assert torch.equal(shown[:, 1], torch.ones(len(shown)))
        assert 0.18 < (~example.shown_S).double().mean() < 0.24  # a fifth, and the steps at its ends


@pytest.mark.parametrize("num_steps", [1, 2, 15, 17])
def test_short_videos_are_taken_whole(num_steps: int) -> None:
    options = CALM.model_copy(update={"crop_share": 1.0, "stretch": 1.4})
    example = varied(lesson(num_steps), options, np.random.default_rng(0))
    assert abs(len(example.features_SC) - num_steps) <= round(0.4 * num_steps)
    assert example.labels_G.tolist() == [0] * (num_steps >= 9)


def test_long_videos_are_taken_more_often() -> None:
    assert [crops_of(lesson(length), CALM) for length in (1, 80, 81, 200)] == [1, 1, 2, 3]


def test_a_stretch_may_hold_no_action() -> None:
    part = cut(lesson(), range(50, 90))
    assert part.spans_G2.shape == (0, 2) and part.labels_G.shape == (0,)


def test_a_batch_is_as_long_as_its_longest_and_shows_what_each_shows() -> None:
    short, long = (varied(part, CALM, np.random.default_rng(0)) for part in (lesson(9), lesson(60)))
    batch = collate([short, long])
    lengths = [len(short.features_SC), len(long.features_SC)]
    assert batch.features_NCS.shape == (2, 2, max(lengths)) and batch.num_steps_N.tolist() == lengths
    assert batch.shown_N1S.sum(dim=2)[:, 0].tolist() == lengths
    assert torch.equal(batch.features_NCS[0, :, : lengths[0]].T, short.features_SC)
    assert not batch.features_NCS[0, :, lengths[0] :].any()


def test_stretches_are_twice_as_long_as_the_longest_action() -> None:
    lesson = Lesson(np.zeros((900, 1), np.float16), np.ones(900, bool), np.array([[3.0, 104.5]]), np.array([0]))
    assert long_enough(AugmentationSettings(crop_steps=64), [lesson]).crop_steps == 203
    assert long_enough(AugmentationSettings(crop_steps=512), [lesson]).crop_steps == 512

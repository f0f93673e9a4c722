"""Clips of annotated actions: which there are, their frames, how an epoch draws them, and how answers are counted."""

import dataclasses
from collections import Counter
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from films import source_of
from labelled import spans
from recordings import number_in, record
from sounding import clicks, sounding

from annotations.records import Annotations
from detectors import backbones
from detectors.backbones.contract import Contract
from pipeline.config import load_config
from pipeline.errors import StopRun
from pipeline.records import Video
from pipeline.settings import Config
from stages.build import resolve_features
from stages.decode import Decode
from stages.probe import Probe
from training.clip_batches import WHOLE, Cut, Drawn, decoded, inputs_of, shown, training_batches, validation_batches
from training.clip_footage import ClipReader, problems, without
from training.clips import Action, ClipSplits, clip_splits, clip_starts, spaced_starts
from training.validate_clips import accuracy_of

pytestmark = pytest.mark.usefixtures("one_thread")

SECONDS = 8  # of the recording: 100 samples, of which number k shows frame 2 k


def config_of(*overrides: str) -> Config:
    given = ("backbone.weights=random", "backbone.design.image_network=toy", "frames.short_side=64")
    return resolve_features(load_config("families/single_frame", [*given, *overrides]))


def contract_of(config: Config) -> Contract:
    return backbones.outline(config.backbone.name, **config.backbone.design.given).contract


def reader_of(config: Config) -> ClipReader:
    return ClipReader(config, contract_of(config))


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Video:
    path = record(tmp_path_factory.mktemp("clips") / "a.mp4", frames=25 * SECONDS, size=(64, 64))
    return Probe()(source_of(path))


def action(video: Video, start_s: float, stop_s: float, label: int = 0) -> Action:
    return Action("a", video, start_s, stop_s, label)


# Where clips begin.


def test_clips_of_an_action_lie_in_it_and_a_shorter_action_is_in_the_middle_of_its_only_clip() -> None:
    assert clip_starts(range(10, 20), 4) == range(10, 17)
    assert clip_starts(range(10, 14), 4) == range(10, 11)
    assert clip_starts(range(10, 12), 6) == range(8, 9)
    assert clip_starts(range(1, 2), 16) == range(-7, -6)


def test_clips_to_be_tested_on_are_evenly_spaced_from_the_first_to_the_last() -> None:
    assert spaced_starts(range(10, 19), 3) == [10, 14, 18]
    assert spaced_starts(range(10, 19), 1) == [14]
    assert spaced_starts(range(10, 12), 5) == [10, 11]


def test_samples_of_an_action_are_those_of_its_span_and_at_least_one(video: Video) -> None:
    assert action(video, 2.0, 4.0).frames(Fraction(25, 2)) == range(25, 50)
    assert action(video, 2.0, 2.001).frames(Fraction(25, 2)) == range(25, 26)


# Which actions there are.


def annotated(*rows: tuple[str, float, float, str]) -> Annotations:
    return Annotations(spans(rows), (None,) * 3, (None,) * 3)


def test_what_cannot_be_used_is_told(video: Video) -> None:
    training = annotated(("a", 1, 2, "run"), ("a", 7, 9, "jump"), ("a", 8, 9, "run"), ("b", 1, 2, "run"))
    splits = clip_splits(training, annotated(("a", 3, 4, "swim")), {"a": video})
    assert [(one.start_s, one.stop_s, one.label) for one in splits.training] == [(1, 2, 0), (7, 8, 1)]
    assert [one.label for one in splits.validation] == [2] and splits.class_names == ("run", "jump", "swim")
    assert splits.notices == (
        "2 videos to train on cannot be used: b, c",
        "1 actions to train on are left out: they begin after the end of their video",
        "1 classes have no action to train on: swim",
        "2 videos to validate on cannot be used: b, c",
    )
    with pytest.raises(StopRun, match="there is no annotated action to validate on"):
        clip_splits(training, annotated(("b", 3, 4, "swim")), {"a": video})


def test_shuffled_labels_are_the_same_ones_in_another_order(video: Video) -> None:
    rows = [("a", number / 4, number / 4 + 1, ("run", "jump", "swim")[number % 3]) for number in range(24)]
    plain, shuffled = (
        clip_splits(annotated(*rows), annotated(*rows), {"a": video}, shuffle_seed=seed) for seed in (None, 0)
    )
    labels = [[one.label for one in splits.training] for splits in (plain, shuffled)]
    assert labels[0] != labels[1] and sorted(labels[0]) == sorted(labels[1])
    assert shuffled.validation == plain.validation


# Their frames.


def numbers(reader: ClipReader, one: Action, start: int) -> list[int | None]:
    """Of the frames of the recording that a clip shows."""
    return [number_in(picture) for picture in reader.clip(one, start).frames_THWC]


def test_sound_lies_beside_the_frames_and_beyond_the_ends_is_silence(tmp_path: Path) -> None:
    loud_s = (0.0, 1.2, 1.92)
    path = sounding(tmp_path / "a.mkv", clicks(loud_s, 2.0, 16_000), rate=16_000, codec="pcm_s16le", length_s=2.0)
    reader = reader_of(config_of())
    reader.decode = Decode(dataclasses.replace(reader.decode.sampling, sound_per_frame=1280))
    one = action(Probe()(source_of(path)), 0, 2)
    for start, loud in ((-2, [2]), (13, [2]), (22, [2])):
        sound_TA = reader.clip(one, start).sound_TA
        assert sound_TA is not None and sound_TA.shape == (4, 1280)
        assert np.flatnonzero(abs(sound_TA).max(axis=1) > 0.3).tolist() == loud
    drawn = [Drawn(one, 0, start) for start in (13, 22)]
    (batch,) = decoded(reader, [drawn])
    inputs = inputs_of(batch, dataclasses.replace(contract_of(config_of()), sound_per_frame=1280), "cpu")
    assert [tuple(one.shape) for one in inputs] == [(2, 3, 4, 64, 96), (2, 4, 1280)]


@pytest.mark.parametrize("memory_gb", [0.0, 1.0])
def test_a_clip_shows_its_samples_and_beyond_the_ends_the_first_and_the_last(video: Video, memory_gb: float) -> None:
    reader = reader_of(config_of())
    first, inside, last = action(video, 0, 0.1), action(video, 2, 4), action(video, 7.8, 8)
    reader.keep((first, inside, last), memory_gb)
    assert numbers(reader, inside, 25) == [50, 52, 54, 56] and numbers(reader, inside, 46) == [92, 94, 96, 98]
    assert reader.starts(first) == range(-2, -1) and numbers(reader, first, -2) == [0, 0, 0, 2]
    assert reader.starts(last)[-1] == 97 and numbers(reader, last, 97) == [194, 196, 198, 198]


def test_actions_that_memory_holds_are_decoded_once_short_ones_first(video: Video, tmp_path: Path) -> None:
    """Told by a file that is gone meanwhile."""
    path = record(tmp_path / "gone.mp4", frames=100, size=(64, 64))
    gone = Probe()(source_of(path))
    reader = reader_of(config_of())
    short, long = action(gone, 1, 1.5), action(gone, 0, 3)
    reader.keep((long, short), 10 * 64 * 64 * 3 / 1e9)
    before = numbers(reader, short, 12), numbers(reader, long, 12)
    path.unlink()
    assert numbers(reader, short, 12) == before[0]
    batches = decoded(reader, [[Drawn(long, 0, 12)]])
    with pytest.raises(StopRun, match=r"^gone: the file is gone; mend it"):
        next(batches)


def test_actions_that_the_file_does_not_show_are_left_out_with_a_line_each(video: Video, tmp_path: Path) -> None:
    """Its header promises 8 seconds; a part of them is missing."""
    whole = record(tmp_path / "whole.mkv", frames=200, size=(64, 64))
    (tmp_path / "cut.mkv").write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    cut = Probe()(source_of(tmp_path / "cut.mkv"))
    reader = reader_of(config_of())
    good, bad = action(cut, 0, 1), action(cut, 7, 8)
    splits = ClipSplits((good, bad), (action(video, 7, 8),), ("run",), ("before",))
    left = without(splits, problems(reader, (*splits.training, *splits.validation)))
    assert left.training == (good,) and left.validation == splits.validation
    assert left.notices[0] == "before" and left.notices[1].startswith("a 7.0-8.0 s is left out: it shows nothing from")
    with pytest.raises(StopRun, match="there is no annotated action to train on"):
        without(ClipSplits((bad,), (good,), ("run",)), problems(reader, (bad, good)))


# How an epoch draws them.


def test_an_epoch_draws_a_clip_of_every_action_as_seed_and_epoch_say(video: Video) -> None:
    config = config_of("training.clips.batch=4")
    reader, actions = reader_of(config), [action(video, number / 4, number / 4 + 2) for number in range(9)]
    first, again, second = (training_batches(actions, reader, config.training, epoch) for epoch in (0, 0, 1))
    assert first == again != second
    assert sorted(len(batch) for batch in first) == [3, 3, 3]
    drawn = [one for batch in first for one in batch]
    assert sorted(one.number for one in drawn) == list(range(9))
    assert all(one.start in reader.starts(one.action) and one.action is actions[one.number] for one in drawn)
    assert all(one.cut == dataclasses.replace(WHOLE, top=one.cut.top, left=one.cut.left) for one in drawn)
    many = [
        batch[0].start
        for epoch in range(200)
        for batch in training_batches(actions[:1], reader, config.training, epoch)
    ]
    assert set(many) == set(reader.starts(actions[0]))


def test_clips_of_unlike_pictures_never_meet_in_a_batch(video: Video, tmp_path: Path) -> None:
    wide = Probe()(source_of(record(tmp_path / "wide.mp4", frames=50, size=(128, 64))))
    config = config_of("training.clips.batch=4")
    reader = reader_of(config)
    actions = [action(one, 0, 2) for one in (video, wide, video, wide, video)]
    for batches in (
        training_batches(actions, reader, config.training, 0),
        validation_batches(actions, reader, config.training),
    ):
        shapes = Counter(batch.frames_NTHWC.shape[2:4] for batch in decoded(reader, batches))
        assert set(shapes) == {(64, 64), (64, 128)}


def test_settings_say_whether_clips_are_mirrored_and_cut(video: Video) -> None:
    config = config_of("training.clips.flip=true", "training.clips.crop=0.5")
    actions = [action(video, 0, 2)] * 200
    drawn = [one for batch in training_batches(actions, reader_of(config), config.training, 0) for one in batch]
    assert 0.35 < np.mean([one.cut.mirrored for one in drawn]) < 0.65
    shares = [one.cut.share for one in drawn]
    assert 0.5 <= min(shares) < 0.55 and 0.95 < max(shares) <= 1


def test_a_cut_shows_its_part_of_the_picture_as_large_as_the_whole() -> None:
    clip_CTHW = torch.arange(8.0).expand(3, 2, 8, 8)  # brighter to the right
    assert torch.equal(shown(clip_CTHW, WHOLE), clip_CTHW)
    assert torch.equal(shown(clip_CTHW, Cut(mirrored=True)), clip_CTHW.flip(3))
    part_CTHW = shown(clip_CTHW, Cut(share=0.5, left=1.0))
    assert part_CTHW.shape == clip_CTHW.shape and part_CTHW.min() == 4 and part_CTHW.max() == 7


def test_networks_get_clips_normalised_with_each_cut_where_it_belongs(video: Video) -> None:
    config = config_of()
    reader, contract, one = reader_of(config), contract_of(config), action(video, 2, 4)
    plain, mirrored = Drawn(one, 0, 25), Drawn(one, 0, 25, Cut(mirrored=True))
    (batch,) = decoded(reader, [[plain, mirrored]])
    (clips_NCTHW,) = inputs_of(batch, contract, "cpu")
    assert clips_NCTHW.shape == (2, 3, 4, 64, 64) and clips_NCTHW.dtype == torch.float32
    wanted_THWC = (batch.frames_NTHWC[0] / 255 - contract.mean) / contract.std
    np.testing.assert_allclose(clips_NCTHW[0].permute(1, 2, 3, 0).numpy(), wanted_THWC, atol=1e-5)
    assert torch.equal(clips_NCTHW[1], clips_NCTHW[0].flip(3))


# How answers are counted.


def test_accuracy_counts_actions_and_classes() -> None:
    probabilities_GK = np.eye(7)[[0, 0, 1, 2]] + np.linspace(0.1, 0, 7)
    accuracy = accuracy_of(probabilities_GK, np.array([0, 0, 1, 6]))
    assert (accuracy.top1, accuracy.class_mean, accuracy.top5) == (0.75, pytest.approx(2 / 3), 0.75)
    assert accuracy.right_K.tolist() == [2, 1, 0, 0, 0, 0, 0] and accuracy.there_K.tolist() == [2, 1, 0, 0, 0, 0, 1]
    assert accuracy_of(probabilities_GK[:, :3], np.array([0, 0, 1, 1])).top5 is None

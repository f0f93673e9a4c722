"""Frames pushed in pieces of any length: the same steps, dense or window by window, as the plain network gives."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from networks import enliven, lively
from torch import nn

from detectors.backbones.contract import Backbone, Contract, Encoded, mean_of_steps
from detectors.inference.prepared import Inference, Steps
from detectors.inference.stream import FeatureStream, open_stream

pytestmark = pytest.mark.usefixtures("one_thread")

SIZE = 32


class Clips(Backbone):
    """A small network that sees whole clips: 12 frames every 4."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = None
        self.conv = nn.Conv3d(3, 6, (12, 3, 3), stride=(1, 4, 4))
        self.head = nn.Linear(6, 5)
        self.contract = Contract(
            rate=10.0,
            short_side=SIZE,
            clip_frames=12,
            stride=4,
            dense=False,
            halo_before=4,
            halo_after=4,
            square=True,
            size_multiple=SIZE,
            map_stride=4,
            feature_channels=6,
            class_names=tuple("abcde"),
            mean=(0.5, 0.5, 0.5),
            std=(0.5, 0.5, 0.5),
        )

    def encode(self, clips_NCTHW: torch.Tensor) -> Encoded:
        map_NCSHW = self.conv(clips_NCTHW)
        return Encoded(mean_of_steps(map_NCSHW), map_NCSHW)

    def load(self, path: object) -> None:
        raise NotImplementedError


@pytest.fixture(scope="module")
def i3d() -> Backbone:
    return lively("i3d")


@pytest.fixture(scope="module")
def dense(i3d: Backbone) -> Inference:
    return Inference(i3d)


@pytest.fixture(scope="module")
def windowed() -> Inference:
    network = Clips()
    enliven(network)
    return Inference(network)


def frames(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, SIZE, SIZE, 3), dtype=np.uint8)


def normalised(frames_THWC: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(frames_THWC).permute(3, 0, 1, 2)[None].float() / 127.5 - 1


def to_whole_steps(frames_THWC: np.ndarray, stride: int) -> np.ndarray:
    return np.concatenate([frames_THWC, np.repeat(frames_THWC[-1:], -len(frames_THWC) % stride, axis=0)])


def in_one_pass(backbone: Backbone, frames_THWC: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """By the plain network."""
    assert backbone.trunk is not None and backbone.head is not None
    with torch.inference_mode():
        map_NCSHW = backbone.trunk(normalised(to_whole_steps(frames_THWC, backbone.contract.stride)))
        features_SC = map_NCSHW.mean((3, 4))[0].T
        return features_SC.numpy(), backbone.head(features_SC).numpy()


def pushed(stream: FeatureStream, frames_THWC: np.ndarray, pieces: Sequence[int], *, end: bool = True) -> Steps:
    parts, start = [], 0
    while start < len(frames_THWC):
        for piece in pieces:
            parts += stream.push(frames_THWC[start : start + piece])
            start += piece
    parts += stream.finish(end=end)
    columns = zip(*parts, strict=True)
    return Steps(*(None if column[0] is None else np.concatenate(column) for column in columns))


def assert_close(found: np.ndarray | None, expected: np.ndarray) -> None:
    assert found is not None and found.shape == expected.shape and found.dtype == np.float32
    assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()


# Dense


@pytest.mark.parametrize(
    ("count", "chunk_frames"), [(1, 64), (8, 8), (13, 8), (64, 24), (65, 64), (150, 16), (150, 104)]
)
def test_chunks_give_what_one_pass_gives(i3d: Backbone, dense: Inference, chunk_frames: int, count: int) -> None:
    frames_THWC = frames(count)
    features_SC, logits_SK = in_one_pass(i3d, frames_THWC)
    found = pushed(open_stream(dense, chunk_frames=chunk_frames), frames_THWC, [chunk_frames])
    assert len(found.features_SC) == -(-count // 8)
    assert_close(found.features_SC, features_SC)
    assert_close(found.logits_SK, logits_SK)


@pytest.mark.parametrize("pieces", [[1], [7, 90, 0, 11]])
def test_the_sizes_of_the_pieces_do_not_matter(dense: Inference, pieces: list[int]) -> None:
    frames_THWC = frames(150)
    expected = pushed(open_stream(dense), frames_THWC, [150])
    found = pushed(open_stream(dense), frames_THWC, pieces)
    for ours, theirs in zip(found[:2], expected[:2], strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_run_without_frames_has_no_steps(dense: Inference, windowed: Inference) -> None:
    for inference in (dense, windowed):
        stream = open_stream(inference, chunk_frames=8)
        assert stream.push(frames(0)) == [] and stream.finish() == []


@pytest.mark.parametrize("tail", [0, 3, 8])
def test_of_a_run_cut_out_the_steps_are_those_of_the_whole(i3d: Backbone, dense: Inference, tail: int) -> None:
    """Just the halo is shown beyond the steps wanted, and a few frames more."""
    contract, frames_THWC, first, stop = i3d.contract, frames(176), 8, 11
    start = (first - 6) * 8
    stream = open_stream(dense, cut=True, chunk_frames=16)
    assert stream.first_step == 6
    found = pushed(stream, frames_THWC[start : 8 * stop + contract.halo_after + tail], [11], end=False)
    assert len(found.features_SC) == 3 + (tail == 8)
    assert_close(found.features_SC[:3], in_one_pass(i3d, frames_THWC)[0][first:stop])


def test_a_run_cut_out_may_hold_the_end_of_the_recording(i3d: Backbone, dense: Inference) -> None:
    frames_THWC = frames(141)
    found = pushed(open_stream(dense, cut=True, chunk_frames=16), frames_THWC[8:], [50])
    assert_close(found.features_SC, in_one_pass(i3d, frames_THWC)[0][7:])


def test_maps_are_what_features_are_means_of(dense: Inference, windowed: Inference) -> None:
    for inference in (dense, windowed):
        steps = pushed(open_stream(inference, chunk_frames=16, maps=True), frames(40), [9])
        assert steps.maps_SCHW is not None
        assert steps.maps_SCHW.shape[2] == -(-SIZE // inference.contract.map_stride)
        np.testing.assert_allclose(steps.maps_SCHW.mean((2, 3)), steps.features_SC, rtol=1e-4, atol=1e-5)
        assert pushed(open_stream(inference, chunk_frames=16), frames(40), [9]).maps_SCHW is None


def test_chunks_that_are_no_whole_steps_are_refused(dense: Inference) -> None:
    with pytest.raises(ValueError, match="multiple of 8, got 12"):
        open_stream(dense, chunk_frames=12)


# Window by window


def by_hand(inference: Inference, frames_THWC: np.ndarray) -> np.ndarray:
    """Step j sees frames 4j - 4 .. 4j + 7, the first and the last standing in for what is not there."""
    steps = -(-len(frames_THWC) // 4)
    index = np.clip(4 * np.arange(steps)[:, None] + np.arange(-4, 8), 0, len(frames_THWC) - 1)
    clips_NCTHW = torch.cat([normalised(frames_THWC[one]) for one in index])
    with torch.inference_mode():
        features_NC: np.ndarray = inference._encode(clips_NCTHW).features_NC.numpy()
    return features_NC


@pytest.mark.parametrize("chunk_frames", [4, 24, 100])
@pytest.mark.parametrize(("count", "pieces"), [(1, [1]), (3, [1]), (4, [4]), (30, [7]), (41, [41]), (48, [1, 20])])
def test_every_step_has_its_window(windowed: Inference, count: int, pieces: list[int], chunk_frames: int) -> None:
    frames_THWC = frames(count)
    found = pushed(open_stream(windowed, chunk_frames=chunk_frames), frames_THWC, pieces)
    assert_close(found.features_SC, by_hand(windowed, frames_THWC))
    assert found.logits_SK is not None and found.logits_SK.shape == (-(-count // 4), 5)


def test_windows_of_a_run_cut_out_are_those_of_the_whole(windowed: Inference) -> None:
    frames_THWC = frames(60)
    stream = open_stream(windowed, cut=True, chunk_frames=24)
    assert stream.first_step == 1
    found = pushed(stream, frames_THWC[16 : 36 + 4], [5], end=False)
    assert_close(found.features_SC, by_hand(windowed, frames_THWC)[5:9])
    ended = pushed(open_stream(windowed, cut=True), frames_THWC[16:], [5])
    assert_close(ended.features_SC, by_hand(windowed, frames_THWC)[5:])


# Clips about key frames


def reference_sequence(centre: int, clip_frames: int, count: int) -> list[int]:
    """PySlowFast's get_sequence with a sampling rate of 1: of our frames every one is a sample."""
    half = clip_frames // 2
    return [min(max(index, 0), count - 1) for index in range(centre - half, centre + half)]


@pytest.mark.parametrize("every", [3, 12, 20, 50])
@pytest.mark.parametrize("count", [1, 20, 51, 100])
@pytest.mark.parametrize("chunk_frames", [1, 4])
def test_a_clip_is_about_its_key_frame_and_clamped_at_the_ends(every: int, count: int, chunk_frames: int) -> None:
    network = Clips()
    enliven(network)
    inference = Inference(network, contract=network.contract.on_key_frames(every))
    frames_THWC = frames(count)
    found = pushed(open_stream(inference, chunk_frames=chunk_frames * every), frames_THWC, [7, 1, 30])
    clips = [frames_THWC[reference_sequence(centre, 12, count)] for centre in range(0, count, every)]
    with torch.inference_mode():
        expected_NC = network.encode(torch.cat([normalised(clip) for clip in clips])).features_NC.numpy()
    assert_close(found.features_SC, expected_NC)


def test_clips_about_key_frames_do_not_depend_on_where_a_run_begins() -> None:
    network = Clips()
    inference = Inference(network, contract=network.contract.on_key_frames(10))
    frames_THWC = frames(100)
    whole = pushed(open_stream(inference, chunk_frames=10), frames_THWC, [9])
    stream = open_stream(inference, cut=True, chunk_frames=20)
    part = pushed(stream, frames_THWC[40:76], [11], end=False)
    first = 4 + stream.first_step
    assert_close(part.features_SC, whole.features_SC[first : first + len(part.features_SC)])
    assert len(part.features_SC) == 3 and first == 5  # the clip of key frame 70 ends with frame 75


# With sound beside the frames

BESIDE = 5


class Hears(Clips):
    """Its features tell every sample of sound in the clip from every other."""

    def __init__(self) -> None:
        super().__init__()
        self.contract = replace(self.contract, sound_per_frame=BESIDE)
        self.ear = nn.Linear(12 * BESIDE, 6)

    def encode(self, *inputs: torch.Tensor) -> Encoded:
        clips_NCTHW, sound_NTA = inputs
        features_NC, map_NCSHW = super().encode(clips_NCTHW)
        return Encoded(features_NC + self.ear(sound_NTA.flatten(1)), map_NCSHW)


@pytest.fixture(scope="module")
def hearing() -> Inference:
    torch.manual_seed(0)
    network = Hears()
    enliven(network)
    return Inference(network)


def sounds(count: int) -> np.ndarray:
    return np.random.default_rng(1).uniform(-1, 1, (count, BESIDE)).astype(np.float32)


def heard_by_hand(inference: Inference, frames_THWC: np.ndarray, sound_TA: np.ndarray) -> np.ndarray:
    """As `by_hand`, with silence for the sound of what is not there."""
    index = 4 * np.arange(-(-len(frames_THWC) // 4))[:, None] + np.arange(-4, 8)
    clips_NCTHW = torch.cat([normalised(frames_THWC[one]) for one in np.clip(index, 0, len(frames_THWC) - 1)])
    sound_NTA = torch.from_numpy(np.pad(sound_TA, ((4, 12), (0, 0)))[index + 4])
    with torch.inference_mode():
        features_NC: np.ndarray = inference._encode(clips_NCTHW, sound_NTA).features_NC.numpy()
    return features_NC


def pushed_with_sound(stream: FeatureStream, frames_THWC: np.ndarray, sound_TA: np.ndarray, pieces: int) -> np.ndarray:
    parts = []
    for start in range(0, len(frames_THWC), pieces):
        parts += stream.push(frames_THWC[start : start + pieces], sound_TA[start : start + pieces])
    return np.concatenate([steps.features_SC for steps in parts + stream.finish()])


@pytest.mark.parametrize("chunk_frames", [4, 24, 100])
@pytest.mark.parametrize(("count", "pieces"), [(1, 1), (3, 1), (4, 4), (30, 7), (41, 41), (48, 20)])
def test_sound_goes_with_its_frames_and_beyond_the_ends_is_silence(
    hearing: Inference, count: int, pieces: int, chunk_frames: int
) -> None:
    frames_THWC, sound_TA = frames(count), sounds(count)
    found_SC = pushed_with_sound(open_stream(hearing, chunk_frames=chunk_frames), frames_THWC, sound_TA, pieces)
    assert_close(found_SC, heard_by_hand(hearing, frames_THWC, sound_TA))


def test_sound_of_a_run_cut_out_is_that_of_the_whole(hearing: Inference) -> None:
    frames_THWC, sound_TA = frames(60), sounds(60)
    stream = open_stream(hearing, cut=True, chunk_frames=24)
    found_SC = pushed_with_sound(stream, frames_THWC[16:], sound_TA[16:], 5)
    assert_close(found_SC, heard_by_hand(hearing, frames_THWC, sound_TA)[4 + stream.first_step :])


def test_without_a_sound_a_network_that_hears_hears_silence(hearing: Inference) -> None:
    frames_THWC = frames(30)
    found = pushed(open_stream(hearing), frames_THWC, [7])
    assert_close(found.features_SC, heard_by_hand(hearing, frames_THWC, np.zeros((30, BESIDE), np.float32)))


def test_a_deaf_network_takes_no_notice_of_sound(windowed: Inference, dense: Inference) -> None:
    for inference in (windowed, dense):
        frames_THWC = frames(30)
        found_SC = pushed_with_sound(open_stream(inference), frames_THWC, sounds(30), 7)
        np.testing.assert_array_equal(found_SC, pushed(open_stream(inference), frames_THWC, [7]).features_SC)

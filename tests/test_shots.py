"""Cuts in made-up frames and in a real clip; and what looks like a cut and is none."""

import time
from collections.abc import Callable

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors import weights
from detectors.persons.shots import CONTEXT, ShotChanges, cell_colours, shot_changes


def scene(seed: int, *, height: int = 60, width: int = 100) -> np.ndarray:
    """A picture of coloured patches (height, width, 3), float."""
    patches = np.random.default_rng(seed).uniform(0, 255, (height // 10, width // 10, 3))
    return np.kron(patches, np.ones((10, 10, 1)))


def shot(seed: int, frames: int) -> np.ndarray:
    """Frames of a standing camera with some noise, float."""
    noise = np.random.default_rng(seed + 1000).normal(0, 4, (frames, 60, 100, 3))
    return scene(seed) + noise


def found(frames_THWC: np.ndarray, chunk: int = 10_000) -> list[int]:
    frames_THWC = np.clip(frames_THWC, 0, 255).astype(np.uint8)
    changes = ShotChanges()
    starts = range(0, len(frames_THWC), chunk)
    return [int(cut) for start in starts for cut in changes.push(frames_THWC[start : start + chunk])]


def test_the_first_frame_of_another_shot_is_found() -> None:
    assert found(np.concatenate([shot(1, 20), shot(2, 30), shot(3, 25)])) == [20, 50]


def test_frames_that_are_shown_several_times_make_no_cuts_and_hide_none() -> None:
    """As when 10 frames a second are sampled 25 times a second."""
    walk = np.concatenate([np.repeat(_walking(8), 3, axis=0), np.repeat(_walking(8)[:, :, ::-1] / 2, 3, axis=0)])
    assert found(walk) == [24]


def _walking(frames: int) -> np.ndarray:
    """Somebody in the dark crosses a bright yard."""
    pictures = np.full((frames, 60, 100, 3), 200.0)
    for one, picture in enumerate(pictures):
        picture[20:50, 10 + 5 * one : 20 + 5 * one] = 30
    return pictures


def test_a_walking_person_is_no_cut() -> None:
    assert found(_walking(18)) == []


def test_somebody_who_is_suddenly_there_is_no_cut() -> None:
    frames = np.full((40, 60, 100, 3), 120.0)
    frames[20:, 20:40, 40:48] = 30
    assert found(frames) == []


@pytest.mark.parametrize("length", [1, 3, CONTEXT - 1])
def test_a_flash_is_no_cut(length: int) -> None:
    frames = shot(1, 60)
    frames[30 : 30 + length] = frames[30 : 30 + length] * 0.3 + 180
    assert found(frames) == []


def test_a_camera_that_pans_faster_and_faster_is_no_cut() -> None:
    wide = scene(4, width=400)
    offsets = np.cumsum(np.minimum(np.arange(40) // 8, 6))
    assert found(np.stack([wide[:, start : start + 100] for start in offsets])) == []


@pytest.mark.parametrize("length", [12, 25])
def test_a_slow_fade_is_no_cut(length: int) -> None:
    share = np.clip((np.arange(60) - 20) / length, 0, 1)[:, None, None, None]
    assert found(shot(1, 60) * (1 - share) + shot(2, 60) * share) == []


def test_a_frame_mixed_of_both_shots_leaves_one_cut() -> None:
    frames = np.concatenate([shot(1, 30), shot(2, 30)])
    frames[30] = (frames[29] + frames[31]) / 2
    assert found(frames) in ([30], [31])


def test_a_cut_in_the_dark_is_found() -> None:
    assert found(np.concatenate([shot(1, 20) / 25, shot(2, 20) / 25])) == [20]


def test_of_too_few_frames_none_is_a_cut() -> None:
    cut_early = np.concatenate([shot(1, CONTEXT - 1), shot(2, 40)])
    assert found(cut_early) == []
    assert found(cut_early[::-1]) == []
    for frames in (0, 1, 2 * CONTEXT):
        assert found(shot(1, frames)) == []


@pytest.mark.parametrize("size", [(1, 1), (7, 300), (300, 7)])
def test_frames_of_any_size_have_colours(size: tuple[int, int]) -> None:
    colours = cell_colours(np.full((3, *size, 3), 100, np.uint8))
    assert colours.shape == (3, 192)
    assert np.ptp(colours) == 0


@st.composite
def cut_film(draw: st.DrawFn) -> np.ndarray:
    lengths = draw(st.lists(st.integers(3, 25), min_size=1, max_size=5))
    film = np.concatenate([shot(seed, length) for seed, length in enumerate(lengths)])
    if draw(st.booleans()):
        film[len(film) // 2] = 255
    return np.clip(film, 0, 255).astype(np.uint8)


@given(film=cut_film(), chunk=st.integers(1, 20))
@settings(max_examples=25, deadline=None)
def test_chunks_do_not_matter(film: np.ndarray, chunk: int) -> None:
    assert found(film, chunk) == found(film)


@given(film=cut_film(), data=st.data())
@settings(max_examples=25, deadline=None)
def test_only_context_frames_on_each_side_matter(film: np.ndarray, data: st.DataObject) -> None:
    first = data.draw(st.integers(0, len(film) - 1))
    last = data.draw(st.integers(first, len(film)))
    colours = cell_colours(film)
    inside = range(first + CONTEXT, last - CONTEXT)
    seen_whole = [cut for cut in shot_changes(colours).tolist() if cut in inside]
    assert [first + cut for cut in shot_changes(colours[first:last]).tolist()] == seen_whole


@pytest.mark.network
def test_the_cuts_of_a_street_with_bicycles() -> None:
    with av.open(str(weights.fetch("sample_street"))) as container:
        frames = np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
    assert found(frames, 64) == [30, 76, 137, 187]  # the one at 242 of 250 is too near the end


def test_it_takes_little_time() -> None:
    frames: np.ndarray = np.random.default_rng(0).integers(0, 255, (64, 224, 398, 3), dtype=np.uint8)
    push: Callable[[np.ndarray], np.ndarray] = ShotChanges().push
    started = time.process_time()
    push(frames)
    assert time.process_time() - started < 64 * 0.001  # measured: 0.04 ms a frame

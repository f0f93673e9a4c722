"""Claims about the data made in code: what a frame tells, what order tells, and recordings that say what they show."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from annotations.read import read_annotations
from pipeline.records import Source
from stages.probe import Probe
from training.moving_shapes import (
    CLASSES,
    MOVEMENTS,
    SHAPES,
    SIDE,
    SIZES,
    Look,
    States,
    clips,
    draw_backdrop,
    draw_look,
    draw_states,
    painted,
)
from training.shape_recordings import make_shapes

DRAWS = 3000  # trajectories of each movement
FRAMES = 16
CELLS = 4  # in which each number is counted
LIMIT = 1.4  # times its expected value: of 126 degrees of freedom or more, by chance one in a thousand is above it


def states_of(movement: str, seed: int) -> np.ndarray:
    """Trajectories (draws, frames, 3) of x, y and log size, all from 0 to 1."""
    rng = np.random.default_rng([seed, MOVEMENTS.index(movement)])
    drawn = [draw_states(rng, movement, FRAMES) for _ in range(DRAWS)]
    return np.stack(
        [[one.x_T / SIDE, one.y_T / SIDE, np.log(one.size_T / SIZES[0]) / np.log(SIZES[1] / SIZES[0])] for one in drawn]
    ).transpose(0, 2, 1)


def counts(points: np.ndarray) -> np.ndarray:
    """How many points (draws, 3) are in each of the cells of the cube."""
    cell = np.minimum((points * CELLS).astype(int), CELLS - 1) @ CELLS ** np.arange(3)
    return np.bincount(cell, minlength=CELLS**3)


def unlikeness(table: np.ndarray) -> float:
    """Pearson's statistic of classes by cells over its expected value: 1 where cells do not depend on classes."""
    table = table[:, table.any(axis=0)]
    expected = table.sum(1, keepdims=True) * table.sum(0) / table.sum()
    return float(((table - expected) ** 2 / expected).sum() / (table.shape[0] - 1) / (table.shape[1] - 1))


@pytest.fixture(scope="module")
def states() -> np.ndarray:
    """(movements, draws, frames, 3)."""
    return np.stack([states_of(movement, seed=0) for movement in MOVEMENTS])


@pytest.mark.parametrize("frame", [0, 5, 15])
def test_place_and_size_in_a_frame_tell_nothing_of_the_movement(states: np.ndarray, frame: int) -> None:
    assert unlikeness(np.stack([counts(own[:, frame]) for own in states])) < LIMIT


def test_no_place_in_the_clip_has_shapes_of_its_own(states: np.ndarray) -> None:
    for own in states:
        assert unlikeness(np.stack([counts(own[:, frame]) for frame in (0, 8, 15)])) < LIMIT


def test_two_frames_tell_it(states: np.ndarray) -> None:
    """Or else the tests above would pass because they see nothing."""
    steps = (8 * (states[:, :, 1] - states[:, :, 0]) + 0.5) % 1
    assert unlikeness(np.stack([counts(own) for own in steps])) > 50


def movement_seen(states: States) -> str:
    """By what is seen: rows go down, so a turn to the right is one from x towards y."""
    x_T, y_T = (np.unwrap(at_T, period=SIDE) for at_T in (states.x_T, states.y_T))
    if np.ptp(states.size_T):
        return "growing" if np.median(np.diff(states.size_T)) > 0 else "shrinking"
    if not np.ptp(y_T):
        return "right" if (np.diff(x_T) > 0).all() else "left"
    turns = np.diff(x_T)[:-1] * np.diff(y_T)[1:] - np.diff(x_T)[1:] * np.diff(y_T)[:-1]
    return "clockwise" if (turns > 0).all() else "anticlockwise"


@pytest.mark.parametrize("number", range(6))
def test_movements_are_as_they_are_called_and_backwards_the_other_of_their_pair(number: int) -> None:
    states = draw_states(np.random.default_rng(0), MOVEMENTS[number], FRAMES)
    assert movement_seen(states) == MOVEMENTS[number]
    backwards = States(states.x_T[::-1], states.y_T[::-1], states.size_T[::-1])
    assert movement_seen(backwards) == MOVEMENTS[number ^ 1]


def test_what_grows_begins_small_anew_once_it_is_largest() -> None:
    states = draw_states(np.random.default_rng(0), "growing", 100)
    factors = states.size_T[1:] / states.size_T[:-1]
    again = factors < 1
    assert 2 < again.sum() < 10 and (factors[~again] > 1.02).all()
    assert states.size_T.min() >= SIZES[0] and states.size_T.max() <= SIZES[1]


def test_shape_that_leaves_on_one_side_comes_in_on_the_other() -> None:
    backdrop = np.zeros((SIDE, SIDE, 3))
    states = draw_states(np.random.default_rng(1), "right", 80)
    covered_T = (painted(backdrop, states, Look("square", 0.0, np.full(3, 255.0))) > 127).sum(axis=(1, 2, 3))
    assert np.ptp(covered_T) < 0.1 * covered_T.mean()


def test_shapes_look_different() -> None:
    states, backdrop = draw_states(np.random.default_rng(0), "left", 1), np.zeros((SIDE, SIDE, 3))
    masks = [painted(backdrop, states, Look(shape, 0.2, np.full(3, 255.0)))[0, ..., 0] > 127 for shape in SHAPES]
    for number, one in enumerate(masks):
        for other in masks[:number]:
            assert (one & other).sum() / (one | other).sum() < 0.9


def test_shapes_stand_out() -> None:
    for seed in range(50):
        rng = np.random.default_rng(seed)
        backdrop = draw_backdrop(rng, SIDE)
        assert draw_look(rng, SHAPES[seed % len(SHAPES)]).colour_3.mean() - backdrop.mean() > 40


def test_kinds_are_the_same_pictures_labelled_by_movement_or_by_shape() -> None:
    order, movements = clips("order", 36, seed=5, frames=2, side=32)
    appearance, shapes = clips("appearance", 36, seed=5, frames=2, side=32)
    assert order.shape == (36, 2, 32, 32, 3) and order.dtype == np.uint8
    assert np.array_equal(order, appearance)
    assert sorted(zip(movements.tolist(), shapes.tolist(), strict=True)) == [(m, s) for m in range(6) for s in range(6)]


def test_same_seed_gives_the_same_clips_and_another_one_others() -> None:
    first, again, other = (clips("order", 12, seed=seed, frames=2) for seed in (1, 1, 2))
    assert np.array_equal(first[0], again[0]) and np.array_equal(first[1], again[1])
    assert not np.array_equal(first[0], other[0])


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return make_shapes(tmp_path_factory.mktemp("shapes"), videos=3, seed=0, actions=6)


def frames_of(path: Path) -> list[av.VideoFrame]:
    with av.open(str(path)) as container:
        return list(container.decode(video=0))


def test_recordings_are_annotated_for_both_kinds(made: dict[str, Path]) -> None:
    for kind, path in made.items():
        annotations = read_annotations(path)
        assert set(annotations.spans.labels) == set(CLASSES[kind]) and len(annotations.spans) == 18
        assert list(annotations.subsets) == ["training", "training", "validation"]


def test_recordings_show_a_shape_where_they_say_so_and_only_there(made: dict[str, Path]) -> None:
    spans = read_annotations(made["order"]).spans
    path = made["order"].parent / "shapes_002.mp4"
    video = Probe()(Source(path.name, str(path), path.stat().st_size))
    assert (video.width, video.height, video.fps) == (SIDE, SIDE, Fraction(25, 2))
    pictures = np.stack([frame.to_ndarray(format="rgb24") for frame in frames_of(path)]).astype(float)
    shown = np.abs(pictures - np.median(pictures, axis=0)).max(axis=(1, 2, 3)) > 60
    said = np.zeros(len(pictures), bool)
    for start_s, stop_s in spans.spans_N2[spans.video_N == spans.videos.index("shapes_002.mp4")] * 12.5:
        said[round(start_s) : round(stop_s)] = True
    assert np.array_equal(shown, said) and 0.5 < said.mean() < 0.8


def test_frames_are_coded_alone_so_that_none_has_traces_of_its_neighbours(made: dict[str, Path]) -> None:
    assert all(frame.key_frame for frame in frames_of(made["order"].parent / "shapes_000.mp4"))


def test_same_seed_gives_the_same_recordings(tmp_path: Path, made: dict[str, Path]) -> None:
    again = make_shapes(tmp_path, videos=3, seed=0, actions=6)
    assert again["order"].read_text() == made["order"].read_text()
    one, other = (frames_of(folder / "shapes_001.mp4") for folder in (tmp_path, made["order"].parent))
    pairs = zip(one, other, strict=True)
    assert all(np.array_equal(left.to_ndarray(), right.to_ndarray()) for left, right in pairs)

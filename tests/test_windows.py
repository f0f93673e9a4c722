"""Windows over a video's features: the same however its blocks were cut, and no more in memory than they need.

Shape letters: S steps, C channels.
"""

import weakref
from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from feature_videos import STEP_S, blocks_of, made
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.temporal.windows import Grid, Window, first_grid, windows
from pipeline.records import FeatureSequence, Span

cut_points = st.lists(st.integers(0, 80), max_size=6)
sizes = st.tuples(st.integers(0, 80), st.integers(1, 30), st.integers(0, 30))
origins = st.one_of(st.sampled_from([-0.5, 0.0, 0.5, 1.0, 2.5]), st.floats(-0.5, 4.0))


def assert_windows(
    found: Sequence[Window], features_SC: np.ndarray, shown_S: np.ndarray, core_steps: int, halo: int
) -> None:
    """They are the whole, cut by simple arithmetic."""
    num_steps = len(features_SC)
    starts = range(0, num_steps, core_steps)
    assert len(found) == len(starts)
    for window, start in zip(found, starts, strict=True):
        stop = min(start + core_steps, num_steps)
        rows = slice(max(0, start - halo), min(num_steps, stop + halo))
        assert window.first == rows.start
        assert window.core == range(start, stop)
        assert window.is_last == (stop == num_steps)
        np.testing.assert_array_equal(window.shown_S, shown_S[rows])
        np.testing.assert_array_equal(window.features_SC, features_SC[rows] * shown_S[rows, None])


@settings(deadline=None, max_examples=100)
@given(sizes, cut_points, origins)
def test_cuts_and_origin_change_nothing(sizes: tuple[int, int, int], points: list[int], origin: float) -> None:
    num_steps, core_steps, halo = sizes
    blocks = blocks_of(made(num_steps), points, origin_s=origin * STEP_S)
    whole = blocks_of(made(num_steps), origin_s=origin * STEP_S)
    before = next(windows(whole, core_steps=1000, halo=0), None)
    found = list(windows(blocks, core_steps=core_steps, halo=halo))
    if before is None:
        assert found == []
    else:
        assert_windows(found, before.features_SC, before.shown_S, core_steps, halo)


@given(origins, cut_points)
def test_steps_stand_where_the_blocks_say(origin: float, points: list[int]) -> None:
    """Steps of a grid that begins late come after lost ones; no step begins more than half a step before 0."""
    blocks = blocks_of(made(30) + 1, points, origin_s=origin * STEP_S)
    whole, grid = next(windows(blocks, core_steps=1000, halo=0)), first_grid(blocks)
    assert whole.shown_S.sum() == 30 and whole.shown_S[-30:].all()
    assert grid.seconds(np.array(len(whole.shown_S) - 30)) == pytest.approx(origin * STEP_S)
    assert -0.5 - 1e-5 <= grid.origin_s / STEP_S <= 0.5


@settings(deadline=None, max_examples=50)
@given(sizes, cut_points, st.sets(st.integers(0, 6)))
def test_blocks_that_are_missing_come_as_lost_steps(
    sizes: tuple[int, int, int], points: list[int], missing: set[int]
) -> None:
    num_steps, core_steps, halo = sizes
    blocks = blocks_of(made(num_steps), points)
    left = [block for number, block in enumerate(blocks) if number not in missing]
    shown_S, end = np.zeros(num_steps, bool), 0
    for block in left:
        first, end = round(block.start_s / STEP_S), round(block.start_s / STEP_S) + len(block)
        shown_S[first:end] = True  # nobody knows of those missing at the end
    found = list(windows(left, core_steps=core_steps, halo=halo))
    assert_windows(found, made(num_steps)[:end], shown_S[:end], core_steps, halo)


@given(cut_points)
def test_a_step_is_lost_if_more_than_half_of_it_is(points: list[int]) -> None:
    lost: list[Span] = [(2.4 * STEP_S, 5.4 * STEP_S), (9.2 * STEP_S, 9.5 * STEP_S), (9.6 * STEP_S, 9.9 * STEP_S)]
    window = next(windows(blocks_of(made(12), points), core_steps=100, halo=0, lost=lost))
    assert np.flatnonzero(~window.shown_S).tolist() == [2, 3, 4, 9]
    assert not window.features_SC[[2, 3, 4, 9]].any()


def test_no_blocks_and_empty_blocks_give_no_windows() -> None:
    assert list(windows([], core_steps=16, halo=4)) == []
    assert list(windows(blocks_of(made(0)), core_steps=16, halo=4)) == []
    assert first_grid([]) == Grid(0.0, 1.0)


def test_half_precision_features_are_computed_in_full() -> None:
    window = next(windows(blocks_of(made(5).astype(np.float16)), core_steps=16, halo=0))
    assert window.features_SC.dtype == np.float32
    features_1CS, shown_11S = window.tensors("cpu")
    assert features_1CS.shape == (1, 8, 5) and shown_11S.shape == (1, 1, 5)
    np.testing.assert_array_equal(features_1CS[0].T, window.features_SC)


class Spool:
    """Blocks made when asked for; counts how many exist at a time."""

    def __init__(self, count: int, steps: int) -> None:
        self.count, self.steps, self.most = count, steps, 0

    def __iter__(self) -> Iterator[FeatureSequence]:
        living: list[weakref.ref[np.ndarray]] = []
        for number in range(self.count):
            features_SC = made(self.steps, seed=number).astype(np.float16)
            living = [ref for ref in (*living, weakref.ref(features_SC)) if ref() is not None]
            self.most = max(self.most, len(living))
            yield FeatureSequence("v", features_SC, None, number * self.steps * STEP_S, STEP_S)
            del features_SC


def test_blocks_and_steps_are_let_go() -> None:
    spool, most_bytes = Spool(200, 10), 0
    for window in windows(spool, core_steps=32, halo=8):
        held = window.features_SC
        most_bytes = max(most_bytes, held.nbytes if held.base is None else held.base.nbytes)
    assert spool.most <= 2
    assert most_bytes <= (32 + 3 * 8 + 2 * 10) * 8 * 4

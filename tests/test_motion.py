"""Where people are expected, and how surely."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.persons.motion import Motion, after, first_seen, seen_at, surprise, within_reach

SIZE = np.array([0.4])
SPEED = 0.6
HERE = np.array([[0.5, 0.5]])


def walker(speed: float, seen_s: tuple[float, ...] = (0.0, 1.0, 2.0)) -> Motion:
    """Somebody seen at such times on the way from HERE to the right, in heights of the picture a second."""
    motion = first_seen(HERE, SIZE, SPEED)
    for before, now in pairwise(seen_s):
        motion = seen_at(after(motion, now - before, SIZE, SPEED), HERE + np.array([speed * now, 0]), SIZE)
    return motion


def surprise_at(motion: Motion, x: float, y: float = 0.5) -> float:
    return float(surprise(motion, SIZE, np.array([[x, y]]), SIZE)[0])


@given(first_s=st.floats(0, 5), then_s=st.floats(0, 5))
def test_two_steps_in_time_are_as_one(first_s: float, then_s: float) -> None:
    motion = walker(0.2)
    twice = after(after(motion, first_s, SIZE, SPEED), then_s, SIZE, SPEED)
    once = after(motion, first_s + then_s, SIZE, SPEED)
    for name in Motion.__slots__:
        np.testing.assert_allclose(getattr(twice, name), getattr(once, name), rtol=1e-9, atol=1e-12)


def test_a_walker_is_expected_farther_on() -> None:
    ahead = after(walker(0.25), 1.0, SIZE, SPEED)
    assert surprise_at(ahead, 1.2) < surprise_at(ahead, 1.0) < surprise_at(ahead, 0.8)
    assert ahead.place_K2[0, 0] == pytest.approx(1.2, abs=0.1)


def test_somebody_seen_once_may_go_either_way() -> None:
    motion = after(first_seen(HERE, SIZE, SPEED), 1.0, SIZE, SPEED)
    assert surprise_at(motion, 0.7) == pytest.approx(surprise_at(motion, 0.3))
    assert surprise_at(motion, 0.7) < surprise_at(motion, 0.5, 0.7)  # across rather than down


def test_what_is_known_fades_with_time() -> None:
    spreads = [after(walker(0.2), gap_s, SIZE, SPEED).place_variance_K2[0, 0] for gap_s in (0, 0.5, 1, 3, 9)]
    assert spreads == sorted(spreads)
    assert after(walker(0.2), 60, SIZE, SPEED).velocity_K2 == pytest.approx(0, abs=1e-6)


def test_of_two_who_could_be_there_the_one_surely_expected_surprises_less() -> None:
    known = after(walker(0.2), 0.5, SIZE, SPEED)
    seen_once = after(first_seen(known.place_K2, SIZE, SPEED), 2.0, SIZE, SPEED)
    x = float(known.place_K2[0, 0])
    assert surprise_at(known, x) < surprise_at(seen_once, x)


@given(x=st.floats(-2, 3), y=st.floats(-1, 2), most=st.floats(-3, 10))
def test_what_is_out_of_reach_surprises_more(x: float, y: float, most: float) -> None:
    motion = after(walker(0.2), 1.0, SIZE, SPEED)
    tracks, places = within_reach(motion, SIZE, np.array([[x, y]]), most)
    if surprise_at(motion, x, y) < most:
        assert (tracks.tolist(), places.tolist()) == ([0], [0])

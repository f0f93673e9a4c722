"""Tracks of made-up people: who keeps a number, who loses it, and what must not matter."""

import time
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.persons.tracking import NO_TRACK, track
from pipeline.person_settings import TrackingSettings

WIDE = 16 / 9
HEIGHT, WIDTH = 0.4, 0.09  # of a person, in 0..1 of the picture
RED, BLUE = (1.0, 0.0), (0.0, 1.0)  # looks that have nothing in common
USUAL = TrackingSettings().model_dump()


class Scene(NamedTuple):
    """Boxes row by row: when, where, how sure, what they look like."""

    times_N: list[float]
    boxes_N4: list[tuple[float, float, float, float]]
    scores_N: list[float]
    looks_NL: list[tuple[float, ...]]


def person(
    times_s: list[float],
    x: float,
    *,
    speed: float = 0.0,
    top: float = 0.5,
    score: float = 0.9,
    looks: tuple[float, ...] = RED,
    height: float = HEIGHT,
) -> Scene:
    """Somebody whose middle is at x at 0 s and moves so many picture widths a second."""
    middles = [x + speed * time_s for time_s in times_s]
    boxes = [(middle - WIDTH / 2, top, middle + WIDTH / 2, top + height) for middle in middles]
    return Scene(times_s, boxes, [score] * len(times_s), [looks] * len(times_s))


def tracks_of(*people: Scene, cuts: tuple[float, ...] = (), aspect: float = WIDE, **kwargs: Any) -> list[list[int]]:
    """Track numbers, person by person."""
    times_N, boxes_N4, scores_N, looks_NL = (
        np.array([row for scene in people for row in scene[field]]) for field in range(4)
    )
    times_F, frame_N = np.unique(times_N, return_inverse=True)
    order_N = np.argsort(frame_N, kind="stable")
    tracks_N = np.empty(len(frame_N), np.int64)
    tracks_N[order_N] = track(
        times_F,
        frame_N[order_N],
        boxes_N4[order_N].astype(np.float32),
        scores_N[order_N].astype(np.float32),
        looks_NL[order_N].astype(np.float16),
        np.array(cuts),
        aspect=aspect,
        **USUAL | kwargs,
    )
    bounds = np.cumsum([0, *(len(scene.times_N) for scene in people)])
    return [tracks_N[start:stop].tolist() for start, stop in pairwise(bounds)]


def seconds(*times_s: float) -> list[float]:
    return list(times_s)


def test_somebody_who_walks_two_body_widths_between_key_frames_is_one_track() -> None:
    assert tracks_of(person(seconds(0, 1, 2, 3, 4), 0.1, speed=2 * WIDTH)) == [[0] * 5]


@pytest.mark.parametrize("looks", [RED, BLUE], ids=["alike", "unlike"])
def test_people_who_cross_keep_their_numbers(looks: tuple[float, ...]) -> None:
    times_s = seconds(0, 1, 2, 3, 4, 5)
    to_the_right = person(times_s, 0.1, speed=0.12, looks=RED)
    to_the_left = person(times_s, 0.76, speed=-0.12, looks=looks, top=0.47)
    assert tracks_of(to_the_right, to_the_left) == [[0] * 6, [1] * 6]


def test_people_who_meet_unseen_are_told_apart_by_their_looks() -> None:
    """Both stop where they meet and turn round: going on as before would exchange them."""
    before, after = seconds(0, 1, 2), seconds(5, 6)
    people = [
        person(before, 0.2, speed=0.1, looks=RED),
        person(before, 0.8, speed=-0.1, looks=BLUE),
        person(after, 0.44, looks=RED),
        person(after, 0.56, looks=BLUE),
    ]
    assert tracks_of(*people) == [[0] * 3, [1] * 3, [0] * 2, [1] * 2]


def test_a_miss_does_not_end_a_track_but_too_long_a_one_does() -> None:
    walker = person(seconds(0, 1, 3, 4), 0.2, speed=0.1)
    assert tracks_of(walker, max_gap_s=2.0) == [[0] * 4]
    assert tracks_of(walker, max_gap_s=1.5) == [[0, 0, 1, 1]]


def test_a_cut_ends_a_track_and_its_own_instant_belongs_to_the_new_shot() -> None:
    assert tracks_of(person(seconds(0, 1, 2, 3), 0.5), cuts=(2.0,)) == [[0, 0, 1, 1]]
    assert tracks_of(person(seconds(0, 1, 2, 3), 0.5), cuts=(1.04, 1.5, 9.0)) == [[0, 0, 1, 1]]


def test_a_jump_through_the_picture_is_no_way_to_walk() -> None:
    assert tracks_of(person(seconds(0, 1), 0.1), person(seconds(2, 3), 0.9)) == [[0, 0], [1, 1]]


def test_a_low_box_goes_on_with_a_track_but_begins_none() -> None:
    surely, hardly = person(seconds(0, 2), 0.3), person(seconds(1, 3), 0.3, score=0.15)
    elsewhere = person(seconds(0, 1, 2, 3), 0.8, score=0.15)
    assert tracks_of(surely, hardly, elsewhere) == [[0, 0], [0, 0], [NO_TRACK] * 4]
    assert tracks_of(surely, hardly, low_score=0.2) == [[0, 0], [NO_TRACK] * 2]


def test_a_high_box_goes_before_a_low_one_that_fits_better() -> None:
    somebody, aside, exact = person([0.0], 0.3), person([1.0], 0.42), person([1.0], 0.3, score=0.15)
    assert tracks_of(somebody, aside, exact) == [[0], [0], [NO_TRACK]]


def test_low_boxes_that_led_to_the_first_high_one_belong_to_its_track() -> None:
    """As of the walking woman of the sample: at 0.2 s past the full second only the fourth box is of high score."""
    times_s, scores = seconds(2.3, 3.3, 4.3, 5.3), (0.15, 0.26, 0.25, 0.33)
    boxes = [(0.71, 0.53, 0.80, 0.92), (0.51, 0.53, 0.63, 0.93), (0.37, 0.49, 0.45, 0.96), (0.21, 0.51, 0.30, 0.99)]
    woman = Scene(times_s, boxes, list(scores), [()] * 4)
    assert tracks_of(woman) == [[0] * 4]
    assert tracks_of(woman, cuts=(4.0,)) == [[NO_TRACK, NO_TRACK, 0, 0]]


def test_a_second_box_on_the_same_person_begins_no_track() -> None:
    times_s = seconds(0, 1, 2)
    whole, upper_half = person(times_s, 0.3, score=0.6), person(times_s, 0.3, score=0.8, height=HEIGHT / 2)
    whole_tracks, half_tracks = tracks_of(whole, upper_half)
    assert set(whole_tracks + half_tracks) == {0, NO_TRACK}


def test_a_second_box_on_somebody_is_nobody_who_was_near() -> None:
    """Neither who was near before nor, going back in time, who is near later."""
    stays, second = person(seconds(0, 1, 2), 0.3), person([1.0], 0.33, score=0.15, looks=(0.92, 0.39))
    near_before, near_after = person([0.0], 0.4, looks=(0.5, 0.866)), person([2.0], 0.4, looks=(0.92, 0.39))
    assert tracks_of(stays, second, near_before) == [[0] * 3, [NO_TRACK], [1]]
    assert tracks_of(stays, second, near_after) == [[0] * 3, [NO_TRACK], [1]]


def test_somebody_four_times_as_tall_is_somebody_else() -> None:
    far, close = person(seconds(0, 1), 0.5, height=0.2, top=0.3), person(seconds(2, 3), 0.5, height=0.8, top=0.15)
    assert tracks_of(far, close) == [[0, 0], [1, 1]]


def test_somebody_half_hidden_keeps_a_track_that_is_older() -> None:
    in_front = person(seconds(0, 1, 2, 3), 0.5, looks=RED)
    behind = person(seconds(0, 1, 2, 3), 0.44, speed=0.018, score=0.7, looks=BLUE, top=0.48)
    assert tracks_of(in_front, behind) == [[1] * 4, [0] * 4]


def test_numbers_are_given_by_first_appearance_and_from_left_to_right() -> None:
    late, right, left = person(seconds(1, 2), 0.1), person(seconds(0, 1), 0.9), person(seconds(0, 1), 0.5)
    assert tracks_of(late, right, left) == [[2, 2], [1, 1], [0, 0]]


@pytest.mark.parametrize("rate", [0.2, 0.5, 1, 2, 5, 30])
def test_the_rate_of_key_frames_does_not_change_who_is_who(rate: float) -> None:
    times_s = [k / rate for k in range(int(10 * rate) + 1)]
    right, left, stands = (
        person(times_s, 0.1, speed=0.08, looks=RED),
        person(times_s, 0.9, speed=-0.08, looks=BLUE, top=0.4),
        person(times_s, 0.5, looks=(0.6, 0.8), top=0.05),
    )
    assert [set(numbers) for numbers in tracks_of(right, stands, left)] == [{0}, {1}, {2}]


def test_lost_spans_between_key_frames_are_bridged_by_time() -> None:
    assert tracks_of(person(seconds(0, 0.1, 0.2, 4.5, 4.6, 5.7), 0.2, speed=0.08)) == [[0] * 6]


def test_a_portrait_video_is_measured_in_bodies_too() -> None:
    times_s, aspect = seconds(0, 1, 2, 3), 9 / 16
    assert tracks_of(person(times_s, 0.1, speed=0.25), aspect=aspect) == [[0] * 4]
    assert tracks_of(person(times_s, 0.1, speed=0.25), aspect=8 * aspect) == [[0, 1, 2, 3]]


def test_somebody_who_leaves_and_comes_back_soon_is_known_again_by_looks() -> None:
    leaves, back = person(seconds(0, 1), 0.9, speed=0.05), person(seconds(4, 5), 1.1, speed=-0.04)
    other = person(seconds(4, 5), 1.1, speed=-0.04, looks=BLUE)
    assert tracks_of(leaves, back) == [[0, 0], [0, 0]]
    assert tracks_of(leaves, other) == [[0, 0], [1, 1]]


def test_without_boxes_there_are_no_tracks() -> None:
    for times_F in (np.zeros(0), np.arange(5.0)):
        nothing = track(
            times_F,
            np.zeros(0, np.int64),
            np.zeros((0, 4), np.float32),
            np.zeros(0, np.float32),
            np.zeros((0, 62), np.float16),
            np.array([1.0]),
            aspect=WIDE,
            **USUAL,
        )
        assert nothing.shape == (0,)
        assert nothing.dtype == np.int64


def test_boxes_without_area_and_at_the_border_are_tracked_like_others() -> None:
    times_s = seconds(0, 1, 2)
    point = Scene(times_s, [(0.5, 0.5, 0.5, 0.5)] * 3, [0.9] * 3, [RED] * 3)
    corner = Scene(times_s, [(0.0, 0.0, 0.05, 0.3)] * 3, [0.9] * 3, [RED] * 3)
    assert tracks_of(point, corner) == [[1] * 3, [0] * 3]


def crowd(people: int, frames: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Walkers on key frames at 1 Hz, a tenth of them missed on each, with looks of their own; and who is who."""
    rng = np.random.default_rng(5)
    middles = rng.uniform(0.05, 0.95, (people, 2))
    speeds = rng.normal(0, 0.01, (people, 2)) * (1, 0.3)
    looks = rng.dirichlet(np.full(20, 0.3), people) ** 0.5
    who, frame, boxes, half = [], [], [], np.array([0.008, 0.03])
    for one in range(frames):
        seen = np.flatnonzero(rng.uniform(size=people) < 0.9)
        places = middles[seen] + one * speeds[seen] + rng.normal(0, 0.001, (len(seen), 2))
        boxes.append(np.concatenate([places - half, places + half], axis=1))
        who.append(seen)
        frame.append(np.full(len(seen), one))
    who_N, frame_N = np.concatenate(who), np.concatenate(frame)
    rows = {
        "times_F": np.arange(frames) * 1.0,
        "frame_N": frame_N,
        "boxes_N4": np.concatenate(boxes).astype(np.float32),
        "scores_N": rng.uniform(0.35, 1, len(who_N)).astype(np.float32),
        "looks_NL": looks[who_N].astype(np.float16),
        "cuts_M": np.zeros(0),
    }
    return rows, who_N


def test_hundreds_of_people_keep_their_numbers_and_take_little_time() -> None:
    rows, who_N = crowd(people=200, frames=40)
    started = time.process_time()
    tracks_N = track(**rows, aspect=WIDE, **USUAL)
    assert time.process_time() - started < 40 * 0.05  # measured: 0.004 s a key frame
    kept = changed = 0
    for one in np.unique(who_N):
        numbers = tracks_N[(who_N == one) & (tracks_N != NO_TRACK)]
        kept += int((numbers[1:] == numbers[:-1]).sum())
        changed += int((numbers[1:] != numbers[:-1]).sum())
    assert kept > 0.95 * len(who_N) - 200
    assert changed < 0.01 * kept


@st.composite
def boxes_of_a_video(draw: st.DrawFn) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    counts = draw(st.lists(st.integers(0, 6), min_size=1, max_size=8))
    boxes = rng.uniform(0, 0.9, (sum(counts), 4)).astype(np.float32)
    boxes[:, 2:] = boxes[:, :2] + rng.uniform(0, 0.3, (sum(counts), 2)).astype(np.float32)
    return {
        "times_F": np.cumsum(rng.choice([0.2, 1.0, 3.0], len(counts))),
        "frame_N": np.repeat(np.arange(len(counts)), counts),
        "boxes_N4": boxes,
        "scores_N": rng.uniform(0.05, 1, sum(counts)).astype(np.float32),
        "looks_NL": (rng.dirichlet(np.ones(4), sum(counts)) ** 0.5).astype(np.float16),
        "cuts_M": np.cumsum(rng.uniform(1, 5, draw(st.integers(0, 2)))),
    }


@given(rows=boxes_of_a_video(), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_the_order_of_boxes_within_a_key_frame_does_not_matter(rows: dict[str, np.ndarray], seed: int) -> None:
    mixed = np.lexsort((np.random.default_rng(seed).uniform(size=len(rows["frame_N"])), rows["frame_N"]))
    shuffled = {name: value[mixed] if name.endswith(("_N", "_N4", "_NL")) else value for name, value in rows.items()}
    assert track(**shuffled, aspect=1.5, **USUAL).tolist() == track(**rows, aspect=1.5, **USUAL)[mixed].tolist()


@given(rows=boxes_of_a_video())
@settings(max_examples=60, deadline=None)
def test_any_tracks_hold_one_box_a_key_frame_one_shot_and_a_high_score(rows: dict[str, np.ndarray]) -> None:
    tracks_N = track(**rows, aspect=1.5, **USUAL)
    numbers = np.unique(tracks_N[tracks_N != NO_TRACK])
    assert numbers.tolist() == list(range(len(numbers)))
    for number in numbers:
        times_s = rows["times_F"][rows["frame_N"][tracks_N == number]]
        assert (np.diff(times_s) > 0).all()
        assert len(np.unique(np.searchsorted(rows["cuts_M"], times_s, side="right"))) == 1
        assert rows["scores_N"][tracks_N == number].max() >= 0.3
    assert (tracks_N[rows["scores_N"] < 0.1] == NO_TRACK).all()

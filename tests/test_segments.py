"""Claims about how a video is cut: every sample instant in exactly one segment, borders on the backbone's grid."""

from fractions import Fraction
from itertools import pairwise
from math import ceil

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline.records import Segment, Video
from pipeline.segments import segments_of

STRIDE = 8

rates = st.sampled_from([Fraction(25), Fraction(25, 2), Fraction(30), Fraction(10), Fraction(30000, 1001), Fraction(1)])
lengths = st.one_of(st.floats(0.5, 600), st.sampled_from([60.0, 120.0, 7.3]))
# Durations by the number of segments they fill: from a moment to days, without a million segments.
cuts = st.builds(lambda length_s, count: (length_s * count, length_s), lengths, st.floats(0.001, 500))
anything = settings(deadline=None, max_examples=60)


def video(duration_s: float) -> Video:
    return Video("a.mp4", "/a.mp4", "f", duration_s, None, Fraction(25), 640, 360, "h264", 0, Fraction(0))


def cut(duration_s: float, length_s: float, rate: Fraction) -> list[Segment]:
    return segments_of(video(duration_s), length_s, float(STRIDE / rate))


def samples(segment: Segment, rate: Fraction) -> range:
    """Indices k of the instants k / rate that the segment owns, as Decode reads its borders."""
    return range(round(segment.start_s * rate), round(segment.stop_s * rate))


@anything
@given(cuts, rates)
@example((60.0, 60.0), Fraction(25))
@example((90.0, 60.0), Fraction(25))
@example((36_000.0, 60.0), Fraction(30000, 1001))
def test_every_sample_belongs_to_exactly_one_segment_and_to_a_whole_step(
    cut_s: tuple[float, float], rate: Fraction
) -> None:
    segments = cut(*cut_s, rate)
    assert [segment.index for segment in segments] == list(range(len(segments)))
    assert [segment.is_last for segment in segments] == [False] * (len(segments) - 1) + [True]
    assert samples(segments[0], rate).start == 0
    for one, following in pairwise(segments):
        assert one.stop_s == pytest.approx(following.start_s, rel=1e-12)
        assert samples(one, rate).stop == samples(following, rate).start
        assert len(samples(one, rate)) % STRIDE == 0 and len(samples(one, rate)) > 0


@anything
@given(cuts, rates)
def test_borders_lie_on_the_step_grid(cut_s: tuple[float, float], rate: Fraction) -> None:
    step_s = float(STRIDE / rate)
    for segment in cut(*cut_s, rate):
        assert segment.start_s / step_s == pytest.approx(round(segment.start_s / step_s), abs=1e-6)
        assert samples(segment, rate).start % STRIDE == 0


@anything
@given(cuts, rates)
def test_tail_is_covered_and_no_segment_lies_beyond_it(cut_s: tuple[float, float], rate: Fraction) -> None:
    last = cut(*cut_s, rate)[-1]
    assert last.stop_s >= cut_s[0] > last.start_s and last.is_last
    assert last.stop_s > last.start_s


@anything
@given(cuts, rates)
def test_segments_are_about_as_long_as_asked_for(cut_s: tuple[float, float], rate: Fraction) -> None:
    step_s = float(STRIDE / rate)
    whole_s = max(1, round(cut_s[1] / step_s)) * step_s
    segments = cut(*cut_s, rate)
    for segment in segments[:-1]:
        assert segment.stop_s - segment.start_s == pytest.approx(whole_s)
    if len(segments) > 1:
        last_s = segments[-1].stop_s - segments[-1].start_s
        assert whole_s / 2 - step_s <= last_s <= whole_s * 1.5 + step_s


def test_short_rest_joins_the_segment_before_it_and_a_long_one_stands_alone() -> None:
    assert len(cut(80.0, 60.0, Fraction(25))) == 1
    assert len(cut(100.0, 60.0, Fraction(25))) == 2


def test_tiny_video_is_one_segment_of_at_least_a_step() -> None:
    for duration_s in (0.0, 0.001, 0.04, 0.32):
        (segment,) = cut(duration_s, 60.0, Fraction(25))
        assert (segment.start_s, segment.stop_s, segment.is_last) == (0.0, 0.32, True)


def test_hundred_hours_are_cut_in_as_many_segments_as_they_hold() -> None:
    segments = cut(360_000.0, 60.0, Fraction(25))
    assert len(segments) == pytest.approx(6000, abs=20)
    assert samples(segments[-1], Fraction(25)).stop == ceil(360_000.0 * 25)

"""Tries: a worker's death is forgiven a few times, the last time alone."""

from fractions import Fraction

from pipeline.records import Segment, Video
from pipeline.tries import Tries


def segment(index: int) -> Segment:
    video = Video("a.mp4", "/a.mp4", "f", 60.0, 60.0, Fraction(25), 64, 48, "h264", 0, Fraction(0))
    return Segment(video, index, index * 10.0, (index + 1) * 10.0, is_last=False)


def test_the_last_try_of_a_segment_runs_alone_and_then_it_is_lost() -> None:
    tries, one = Tries(attempts=3), segment(0)
    assert [tries.judge(one) for _ in range(3)] == ["again", "alone", "lost"]
    assert list(tries.alone) == [one]


def test_segments_are_counted_apart_and_so_are_probes() -> None:
    tries = Tries(attempts=2)
    assert tries.judge(segment(0)) == "alone"
    assert tries.judge(segment(1)) == "alone"
    assert tries.may_try_again("/a.mp4", "probe")
    assert not tries.may_try_again("/a.mp4", "probe")


def test_a_video_is_deadly_after_its_third_lost_segment() -> None:
    tries = Tries(attempts=1)
    deadly = []
    for index in range(3):
        assert tries.judge(segment(index)) == "lost"
        deadly.append(tries.is_deadly("/a.mp4"))
    assert deadly == [False, False, True]

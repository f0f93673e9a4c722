"""Pictures at single instants, checked by the numbers that frames of real files say."""

from collections import deque
from fractions import Fraction
from pathlib import Path

import pytest
from recordings import number_in, record

from pipeline.errors import VideoError
from pipeline.records import Video
from pipeline.sources import list_sources
from stages.frames import reading
from stages.picture import Size
from stages.probe import Probe
from stages.snapshots import SEEK_BEYOND_S, _without_a_seek, snapshots

WHOLE = Size(96, "keep", long_side=96)


def probed(path: Path) -> Video:
    return Probe()(list_sources([str(path)])[0])


def numbers(video: Video, times_s: list[float]) -> list[tuple[float, int | None]]:
    return [(time_s, number_in(picture)) for time_s, picture in snapshots(video, times_s, WHOLE)]


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts", "avi"])
def test_picture_is_the_one_on_screen_near_and_far(tmp_path: Path, suffix: str) -> None:
    path = record(tmp_path / f"a.{suffix}", frames=1000, gop=50, codec="mpeg4" if suffix == "avi" else "libx264")
    times_s = [0.0, 0.05, 1.0, 1.019, 2 + SEEK_BEYOND_S, 20.5, 20.5 + 2 * SEEK_BEYOND_S, 39.99]
    assert numbers(probed(path), times_s) == [(time_s, int(time_s * 25 + 1e-9)) for time_s in times_s]


def test_times_are_presentation_times_also_of_frames_at_odd_times(tmp_path: Path) -> None:
    times = [Fraction(0), Fraction(1, 10), Fraction(3), Fraction(7, 2), Fraction(20), Fraction(21)]
    video = probed(record(tmp_path / "a.mkv", times=times, start_s=5, fps=10))
    asked = {0.09: 0, 0.1: 1, 2.99: 1, 3.4: 2, 19.9: 3, 20.5: 4}
    assert numbers(video, list(asked)) == list(asked.items())


def test_instants_come_once_and_in_order_and_none_beyond_the_end(tmp_path: Path) -> None:
    video = probed(record(tmp_path / "a.mp4", frames=50))
    assert numbers(video, [1.5, 0.5, 1.5, 2.0, 99.0]) == [(0.5, 12), (1.5, 37)]
    assert numbers(video, []) == []


def test_turned_video_is_upright_and_no_side_is_longer_than_wanted(tmp_path: Path) -> None:
    video = probed(record(tmp_path / "a.mp4", size=(128, 256), turn=90, frames=30))
    [(_, picture)] = snapshots(video, [1.0], Size(160, "keep", long_side=160))
    assert picture.shape == (160, 80, 3) and number_in(picture) == 25


def test_far_instants_are_sought_and_near_ones_are_decoded_on_to(tmp_path: Path) -> None:
    video = probed(record(tmp_path / "a.mp4", frames=1000, gop=25))
    with reading(video) as reader:
        left = deque([1.0, 2.0, 3.0, 30.0, 31.0])
        runs = [[time_s for time_s, _ in _without_a_seek(reader, left)] for _ in range(2)]
        assert runs == [[1.0, 2.0, 3.0], [30.0, 31.0]] and not left
        assert reader.frames < 300  # of 1,000


def test_damage_costs_only_its_own_instants(tmp_path: Path) -> None:
    path = record(tmp_path / "a.mp4", frames=500, gop=25, container_options={"movflags": "faststart"})
    content = bytearray(path.read_bytes())
    first, last = len(content) // 2, len(content) * 3 // 5
    content[first:last] = bytes(last - first)
    path.write_bytes(bytes(content))
    times_s = [0.5 + second for second in range(20)]
    seen = [time_s for time_s, number in numbers(probed(path), times_s) if number == int(time_s * 25)]
    assert {*times_s[:5], *times_s[14:]} <= set(seen) and len(seen) < len(times_s)


def test_truncated_video_ends_where_it_ends(tmp_path: Path) -> None:
    path = record(tmp_path / "a.mkv", frames=500, gop=25)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    seen = numbers(probed(path), [1.0, 3.0, 15.0, 19.0])
    assert seen[:2] == [(1.0, 25), (3.0, 75)] and len(seen) <= 3


def test_video_that_is_gone_is_an_error(tmp_path: Path) -> None:
    path = record(tmp_path / "a.mp4", frames=10)
    video = probed(path)
    path.unlink()
    with pytest.raises(VideoError, match="gone"):
        list(snapshots(video, [0.1], WHOLE))

"""Claims about decoding, proved on files made here, whose frames carry their numbers in their pictures."""

import random
from bisect import bisect_right
from collections.abc import Callable
from fractions import Fraction
from functools import cache
from math import ceil
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from decoded import CUTS, RATE, Decoded, Lost, probed, sampling, uneven_times
from recordings import record

from pipeline.errors import VideoError
from pipeline.records import DecodeReport, Segment
from stages.decode import Decode

NTSC = Fraction(30_000, 1001)


def by_the_rule(path: Path, rate: Fraction) -> list[int]:
    """The frame number at every sample instant, by the packets' times alone."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        packets = [packet for packet in container.demux(stream) if packet.size]
        tick, counted = Fraction(stream.time_base), container.format.name in ("avi", "h264")
        fps = Fraction(stream.average_rate or stream.guessed_rate)
    if counted:
        times, length = [number / fps for number in range(len(packets))], 1 / fps
    else:
        times = sorted(packet.pts * tick for packet in packets)
        last = max(packets, key=lambda packet: packet.pts)
        length = last.duration * tick if last.duration else 1 / fps
    origin = times[0]
    times = [time - origin for time in times]
    return [bisect_right(times, sample / rate) - 1 for sample in range(ceil((times[-1] + length) * rate))]


def assert_same_however_cut(path: Path, whole: Decoded) -> None:
    for segment_s, halo in CUTS:
        cut = Decoded(path, segment_s, sampling(halo=halo))
        assert cut.pictures.keys() == whole.pictures.keys(), segment_s
        assert [k for k, one in cut.pictures.items() if not np.array_equal(one, whole.pictures[k])] == []
        assert (cut.end_s, cut.lost) == (whole.end_s, whole.lost)


B_FRAMES = {"options": {"bf": "2"}}
X265 = {"codec": "libx265", "options": {"preset": "ultrafast", "x265-params": "log-level=none"}}
OPEN_GOP = {"options": {"preset": "veryfast", "x264-params": "open-gop=1:bframes=2:scenecut=0"}}
HEALTHY: dict[str, dict[str, Any]] = {
    "h264.mp4": {},
    "h264.mov": {},
    "h264.mkv": {},
    "h264.avi": {},
    "h264.ts": {},
    "h264.flv": {},
    "h264.h264": {},
    "hevc.mp4": X265,
    "vp8.webm": {"codec": "libvpx"},
    "mpeg4.avi": {"codec": "mpeg4"},
    "mpeg4_b.avi": {"codec": "mpeg4"} | B_FRAMES,
    "mpeg2.ts": {"codec": "mpeg2video"} | B_FRAMES,
    "mpeg2.mpg": {"codec": "mpeg2video"} | B_FRAMES,
    "mjpeg.mov": {"codec": "mjpeg", "pix_fmt": "yuvj420p"},
    "wmv2.wmv": {"codec": "wmv2"},
    "ntsc.mp4": {"fps": NTSC},
    "ntsc.mkv": {"fps": NTSC},
    "from_5s.mp4": {"start_s": 5},
    "from_5s.mkv": {"start_s": 5},
    "from_5s.ts": {"start_s": 5},
    "uneven.mp4": {"times": uneven_times()},
    "uneven.mkv": {"times": uneven_times()},
    "uneven.ts": {"times": uneven_times()},
    "uneven.webm": {"times": uneven_times(), "codec": "libvpx"},
    "long_gop.mp4": {"gop": 1000},
    "long_gop.mkv": {"gop": 1000},
    "long_gop.avi": {"gop": 1000},
    "long_gop.ts": {"gop": 1000},
    "open_gop.mp4": OPEN_GOP,
    "open_gop.ts": OPEN_GOP,
    "refresh.mp4": {"options": {"x264-params": "intra-refresh=1:scenecut=0"}},
    "fragments.mp4": {"container_options": {"movflags": "frag_keyframe+empty_moov"}},
    "sound.mp4": {"audio_s": 6},
    "sound.mkv": {"audio_s": 6},
    "sound.ts": {"audio_s": 6},
    "one_frame.mp4": {"frames": 1},
    "one_frame.avi": {"frames": 1},
}


@pytest.mark.parametrize("name", HEALTHY)
def test_every_sample_is_the_frame_on_screen_however_the_file_is_cut(tmp_path: Path, name: str) -> None:
    path = record(tmp_path / name, **HEALTHY[name])
    whole = Decoded(path)
    assert whole.numbers == by_the_rule(path, RATE)
    assert whole.lost == []
    assert_same_however_cut(path, whole)


@pytest.mark.parametrize("rate", [Fraction(1, 2), Fraction(3), Fraction(25), NTSC, Fraction(60)], ids=str)
@pytest.mark.parametrize("name", ["uneven.mp4", "uneven.mkv", "h264.avi", "from_5s.ts", "ntsc.mp4"])
def test_rule_holds_at_every_rate(tmp_path: Path, name: str, rate: Fraction) -> None:
    path = record(tmp_path / name, **HEALTHY[name])
    assert Decoded(path, 2.0, sampling(rate)).numbers == by_the_rule(path, rate)


def test_truth_is_the_times_that_were_recorded(tmp_path: Path) -> None:
    path = record(tmp_path / "a.mp4", times=uneven_times(), start_s=5)
    numbers = Decoded(path).numbers
    assert numbers == [bisect_right(uneven_times(), sample / RATE) - 1 for sample in range(len(numbers))]


def test_segment_does_not_decode_what_is_far_before_it(tmp_path: Path) -> None:
    for name in ("a.mp4", "a.mkv", "a.avi", "a.ts", "a.flv"):
        video = probed(record(tmp_path / name, frames=1000))
        *_, report = Decode(sampling())(Segment(video, 30, 30.0, 32.0, False))
        assert isinstance(report, DecodeReport) and report.frames <= 110, (name, report.frames)


def test_recordings_joined_to_one_stream_follow_each_other(tmp_path: Path) -> None:
    first = record(tmp_path / "first.ts", frames=150).read_bytes()
    second = record(tmp_path / "second.ts", frames=100, size=(64, 96)).read_bytes()
    path = tmp_path / "joined.ts"
    path.write_bytes(first + second + first)
    whole = Decoded(path)
    numbers = [*range(150), *range(100), *range(150)]
    expected = [numbers[int(sample * 2.5)] for sample in range(160)]
    wrong = [sample for sample in range(160) if whole.numbers[sample] != expected[sample]]
    # At a joint the packets are not continuous, which looks like damage to the frame before.
    assert whole.end_s == 16.0 and set(wrong) <= {58, 59, 98, 99}
    assert all(5.8 <= start < stop <= 6 or 9.8 <= start < stop <= 10 for _, start, stop in whole.lost)
    assert_same_however_cut(path, whole)


@pytest.mark.parametrize("turn", [90, 180, 270])
@pytest.mark.parametrize("name", ["a.mp4", "a.mov", "a.mkv"])
def test_turned_recording_comes_out_upright(tmp_path: Path, name: str, turn: int) -> None:
    path = record(tmp_path / name, frames=5, size=(96, 64), turn=turn)
    whole = Decoded(path)
    assert (whole.video.width, whole.video.height) == (96, 64)
    assert whole.pictures[0].shape == (64, 96, 3)
    assert whole.numbers == [0, 2]


@pytest.mark.parametrize(
    ("size", "fit", "shape"),
    [
        ((96, 64), "keep", (32, 48)),
        ((96, 64), "crop", (32, 32)),
        ((96, 64), "squash", (32, 32)),
        ((64, 96), "keep", (48, 32)),
        ((64, 96), "crop", (32, 32)),
        ((2000, 20), "keep", (32, 3200)),
        ((2000, 20), "squash", (32, 32)),
        ((16, 16), "keep", (32, 32)),
        ((98, 66), "keep", (32, 48)),
    ],
)
def test_picture_has_the_size_asked_for(
    tmp_path: Path, size: tuple[int, int], fit: str, shape: tuple[int, int]
) -> None:
    path = record(tmp_path / "a.mp4", frames=5, size=size)
    whole = Decoded(path, how=sampling(short_side=32, fit=fit, multiple=16))
    assert whole.pictures[0].shape == (*shape, 3)
    if fit != "crop":
        assert whole.numbers == [0, 2]


def test_crop_is_the_middle_of_keep(tmp_path: Path) -> None:
    path = record(tmp_path / "a.mp4", frames=5, size=(128, 64))
    keep, crop = (Decoded(path, how=sampling(fit=fit)).pictures[1] for fit in ("keep", "crop"))
    np.testing.assert_array_equal(crop, keep[:, 32:96])


def test_pixels_that_are_not_square_are_stretched(tmp_path: Path) -> None:
    whole = Decoded(record(tmp_path / "a.mp4", frames=5, size=(64, 64), pixel_aspect=Fraction(2)))
    assert (whole.video.width, whole.video.height) == (128, 64)
    assert whole.pictures[0].shape == (64, 128, 3)
    assert whole.numbers == [0, 2]


@pytest.mark.parametrize(
    ("codec", "pix_fmt", "size"),
    [
        ("ffv1", "gray", (97, 65)),
        ("ffv1", "gray16le", (97, 65)),
        ("ffv1", "yuv420p10le", (97, 65)),
        ("ffv1", "bgra", (33, 17)),
        ("libx264", "yuv420p10le", (96, 64)),
        ("libx264", "yuv444p", (97, 65)),
        ("libx264", "gray", (96, 64)),
        ("gif", "pal8", (97, 65)),
        ("ffv1", "yuv420p", (9, 9)),
    ],
)
def test_pixel_formats_and_odd_sizes_are_read(tmp_path: Path, codec: str, pix_fmt: str, size: tuple[int, int]) -> None:
    if codec == "gif":
        path = record(tmp_path / "a.gif", frames=5, codec=codec, pix_fmt="rgb8", size=size)
    else:
        path = record(tmp_path / "a.mkv", frames=5, codec=codec, pix_fmt=pix_fmt, size=size)
    assert Decoded(path).numbers == [0, 2]


def test_colours_come_out_as_red_green_blue(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), (220, 40, 90), np.uint8), format="rgb24")
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    assert np.abs(Decoded(path).pictures[0].astype(int) - (220, 40, 90)).max() < 12


LONG: dict[str, dict[str, Any]] = {
    "front.mp4": {"container_options": {"movflags": "faststart"}, "audio_s": 8},
    "fragments.mp4": {"container_options": {"movflags": "frag_keyframe+empty_moov+default_base_moof"}},
    "h264.mkv": {"audio_s": 8},
    "h264.avi": {},
    "h264.ts": {"audio_s": 8},
    "mpeg4.avi": {"codec": "mpeg4", "options": {"qscale": "3"}},
    "mpeg4.mp4": {"codec": "mpeg4", "options": {"qscale": "3"}},
    "mpeg2.ts": {"codec": "mpeg2video"} | B_FRAMES,
    "vp8.mkv": {"codec": "libvpx"},
    "long_gop.mp4": {"gop": 1000},
}
Recorder = Callable[[str], bytes]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorder:
    """Bytes of an 8 s recording of 320 x 240."""
    folder = tmp_path_factory.mktemp("long")
    return cache(lambda name: record(folder / name, frames=200, size=(320, 240), **LONG[name]).read_bytes())


def overlap_s(lost: Lost, start_s: float, stop_s: float) -> float:
    return sum(max(0.0, min(stop, stop_s) - max(start, start_s)) for _, start, stop in lost)


@pytest.mark.parametrize("share", [0.3, 0.5, 0.9])
@pytest.mark.parametrize("name", [name for name in LONG if name != "long_gop.mp4"])
def test_cut_off_file_is_read_up_to_the_cut(tmp_path: Path, recorded: Recorder, name: str, share: float) -> None:
    content = recorded(name)
    path = tmp_path / name
    path.write_bytes(content[: int(len(content) * share)])
    try:
        whole = Decoded(path)
    except VideoError as error:
        assert name == "mpeg4.mp4" and error.error_class == "NotAVideo"  # its header is at the end
        return
    assert whole.end_s is not None and share * 8 * 0.6 < whole.end_s < 8
    good = [number for number in whole.numbers if number is not None]
    assert len(good) >= len(whole.numbers) - 3
    if not name.endswith(".ts") and whole.video.announced_s == 8.0 and whole.end_s < 7.4:
        error_class, start_s, stop_s = whole.lost[-1]
        assert (error_class, start_s, stop_s) == ("Truncated", whole.end_s, 8.0)
    assert_same_however_cut(path, whole)


@pytest.mark.parametrize("seed", range(1, 5))
@pytest.mark.parametrize("name", LONG)
def test_damage_in_the_middle_is_reported_and_the_rest_is_read(
    tmp_path: Path, recorded: Recorder, name: str, seed: int
) -> None:
    chance, content = random.Random(seed), bytearray(recorded(name))
    length = chance.randint(1000, min(20_000, len(content) // 10))
    start = int(len(content) * chance.uniform(0.4, 0.6))
    content[start : start + length] = chance.randbytes(length)
    path = tmp_path / name
    path.write_bytes(content)
    whole = Decoded(path)
    assert {error_class for error_class, _, _ in whole.lost} <= {"Damaged", "Truncated"}
    assert overlap_s(whole.lost, 0, 2.5) == 0 and overlap_s(whole.lost, 2.5, 6.5) > 0
    if name != "fragments.mp4":  # FFmpeg finds no fragment behind a broken one
        assert whole.end_s == 8.0 and overlap_s(whole.lost, 6.5, 8) == 0
        assert name == "long_gop.mp4" or whole.numbers[75:] == [int(sample * 2.5) for sample in range(75, 80)]
    assert whole.numbers[:25] == [int(sample * 2.5) for sample in range(25)]
    assert_same_however_cut(path, whole)


def test_frame_that_cannot_be_decoded_is_lost_and_no_other(tmp_path: Path) -> None:
    whole = {"frames": 50, "fps": 10, "gop": 1000, "options": {"bf": "0"}}
    path = record(tmp_path / "a.mp4", **whole)
    with av.open(str(path)) as container:
        packet = next(packet for packet in container.demux(video=0) if packet.pts * packet.time_base == 3)
        start, stop = packet.pos, packet.pos + packet.size
    content = bytearray(path.read_bytes())
    content[start:stop] = bytes(stop - start)
    path.write_bytes(content)
    decoded = Decoded(path)
    assert decoded.lost == [("Damaged", 3.0, 3.1)]
    assert decoded.end_s == 5.0 and decoded.numbers[:31] == [*range(30), 29]
    assert_same_however_cut(path, decoded)


def test_length_behind_a_broken_fragment_is_guessed_from_the_bytes(tmp_path: Path, recorded: Recorder) -> None:
    content = bytearray(recorded("fragments.mp4"))
    middle = content.index(b"moof", len(content) // 2) - 4
    content[middle : middle + 40] = random.Random(0).randbytes(40)
    path = tmp_path / "a.mp4"
    path.write_bytes(content)
    [(error_class, start_s, stop_s)] = Decoded(path).lost
    assert error_class == "Truncated" and 4 <= start_s <= 5 and 7 <= stop_s <= 9


def test_video_that_vanished_is_one_sentence(tmp_path: Path) -> None:
    path = record(tmp_path / "a.mp4")
    video = probed(path)
    path.unlink()
    with pytest.raises(VideoError, match="the file is gone"):
        list(Decode(sampling())(Segment(video, 0, 0.0, 4.0, True)))


@pytest.mark.parametrize("name", ["front.mp4", "h264.mkv", "h264.ts"])
def test_listening_does_not_change_what_counts_as_lost(tmp_path: Path, recorded: Recorder, name: str) -> None:
    """FFmpeg's messages are counted for the whole process, and damaged sound has its own."""
    content = bytearray(recorded(name))
    for share in (0.35, 0.5, 0.65):
        start = int(len(content) * share)
        content[start : start + 3000] = random.Random(share).randbytes(3000)
    path = tmp_path / name
    path.write_bytes(content)
    deaf, hearing = Decoded(path), Decoded(path, how=sampling(sound_per_frame=1600))
    assert deaf.lost and deaf.lost == hearing.lost
    assert all(np.array_equal(one, hearing.pictures[k]) for k, one in deaf.pictures.items())

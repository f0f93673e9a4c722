"""Claims about probing: what a real file made here is said to be, and what is said of files that are no videos."""

import os
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition
from recordings import numbered, record

from pipeline.errors import VideoError
from pipeline.records import Source, Video
from stages.probe import Probe


def probed(path: Path) -> Video:
    return Probe()(Source(path.name, str(path), path.stat().st_size))


def refusal(path: Path) -> str:
    with pytest.raises(VideoError) as caught:
        probed(path)
    assert "\n" not in str(caught.value)
    return caught.value.error_class


def test_video_is_described(tmp_path: Path) -> None:
    video = probed(record(tmp_path / "a.mp4", frames=75, start_s=5, size=(96, 64)))
    assert (video.key, video.codec, video.width, video.height, video.rotation) == ("a.mp4", "h264", 96, 64, 0)
    assert (video.fps, video.origin) == (25, 5)
    assert video.duration_s == video.announced_s == 3.0


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.mov", "a.avi", "a.ts", "a.mpg", "a.flv", "a.h264"])
@pytest.mark.parametrize("start_s", [0, 5])
def test_length_is_that_of_the_picture(tmp_path: Path, name: str, start_s: int) -> None:
    codec = "mpeg2video" if name == "a.mpg" else "libx264"
    start_s = 0 if name in ("a.avi", "a.mpg") else start_s
    video = probed(record(tmp_path / name, frames=75, start_s=start_s, codec=codec))
    assert video.duration_s == pytest.approx(3.0, abs=0.1 if name != "a.flv" else 6)
    promises = name.endswith(("mp4", "mkv", "mov", "avi"))
    assert video.announced_s == (pytest.approx(3.0, abs=0.002) if promises else None)


def test_longer_sound_promises_no_picture(tmp_path: Path) -> None:
    for name in ("a.mp4", "a.mkv"):
        assert probed(record(tmp_path / name, frames=50, audio_s=4)).announced_s == pytest.approx(2.0)


def test_recording_that_was_never_finished_promises_nothing(tmp_path: Path) -> None:
    options = {"live": "1"}  # a Matroska header without lengths
    video = probed(record(tmp_path / "a.mkv", frames=75, container_options=options))
    assert video.announced_s is None and video.duration_s == pytest.approx(3.0)


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_size_is_that_of_the_upright_picture(tmp_path: Path, turn: int) -> None:
    video = probed(record(tmp_path / "a.mp4", frames=2, size=(96, 64), turn=turn))
    assert (video.width, video.height, (video.rotation + turn) % 360) == (96, 64, 0)


@pytest.mark.parametrize("turn", [0, 90])
def test_pixel_aspect_stretches_the_stored_width(tmp_path: Path, turn: int) -> None:
    path = record(tmp_path / "a.mp4", frames=2, size=(64, 64), turn=turn, pixel_aspect=Fraction(3, 2))
    assert (probed(path).width, probed(path).height) == ((64, 96) if turn else (96, 64))


def test_first_frame_that_can_be_read_is_time_zero(tmp_path: Path) -> None:
    path = record(tmp_path / "a.ts", frames=100, gop=25)
    content = path.read_bytes()
    path.write_bytes(content[len(content) // 3 // 188 * 188 :])
    with av.open(str(path)) as container:
        key = next(packet for packet in container.demux(video=0) if packet.is_keyframe)
        assert probed(path).origin == key.pts * key.time_base


@pytest.mark.parametrize("content", [b"", b"\0", b"\0" * 100_000, b"no video\n" * 1000, os.urandom(50_000)])
@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.avi", "a.ts"])
def test_file_of_something_else_is_no_video(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert refusal(path) in ("NotAVideo", "NoVideoStream", "NoFrames", "UnsupportedCodec")


def sound_file(path: Path, *, cover: bool) -> Path:
    with av.open(str(path), "w") as container:
        sound = container.add_stream("aac", rate=48_000)
        picture = container.add_stream("mjpeg") if cover else None
        if picture is not None:
            picture.width, picture.height, picture.pix_fmt = 64, 64, "yuvj420p"
            picture.disposition = Disposition.attached_pic
            container.mux(picture.encode(av.VideoFrame.from_ndarray(numbered(7, 64, 64), format="rgb24")))
            container.mux(picture.encode(None))
        frame = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), format="fltp", layout="stereo")
        frame.sample_rate = 48_000
        container.mux(sound.encode(frame))
        container.mux(sound.encode(None))
    return path


@pytest.mark.parametrize("cover", [False, True])
def test_sound_is_no_video_even_with_a_cover(tmp_path: Path, cover: bool) -> None:
    assert refusal(sound_file(tmp_path / "a.mp4", cover=cover)) == "NoVideoStream"


def test_header_alone_is_no_video(tmp_path: Path) -> None:
    front = record(tmp_path / "front.mp4", container_options={"movflags": "faststart"}).read_bytes()
    path = tmp_path / "a.mp4"
    path.write_bytes(front[: front.index(b"mdat") - 4])
    assert refusal(path) in ("NotAVideo", "NoFrames")
    path.write_bytes(front[: front.index(b"mdat") + 4])
    assert refusal(path) in ("NotAVideo", "NoFrames")
    end = record(tmp_path / "end.mp4").read_bytes()
    path.write_bytes(end[: end.index(b"moov") - 4])
    assert refusal(path) == "NotAVideo"
    matroska = record(tmp_path / "whole.mkv").read_bytes()
    path = tmp_path / "a.mkv"
    path.write_bytes(matroska[: matroska.index(b"\x1f\x43\xb6\x75")])
    assert refusal(path) in ("NotAVideo", "NoFrames")


def test_place_that_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="the file is gone"):
        Probe()(Source("a", str(tmp_path / "a.mp4"), 0))
    with pytest.raises(VideoError, match="it is a directory"):
        Probe()(Source("a", str(tmp_path), 0))

"""Claims about joining parts of recordings; every clip is a real file made here."""

import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from detectors.weights import fetch
from pipeline.errors import VideoError
from stages.compose import Clip, Still, compose
from stages.demo import demo_recording

RED, GREEN, BLUE, BLACK = (255, 0, 0), (0, 255, 0), (0, 0, 255), (0, 0, 0)


def make_video(path: Path, colours: list[tuple[int, int, int]], *, width: int = 64, height: int = 64) -> Path:
    """One second of each colour, 10 frames a second."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for index in range(10 * len(colours)):
            image = np.full((height, width, 3), colours[index // 10], np.uint8)
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 10)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def frames_of(path: Path) -> tuple[list[np.ndarray], list[float]]:
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    return [frame.to_ndarray(format="rgb24") for frame in frames], [float(frame.time) for frame in frames]


def near(pixel: np.ndarray, colour: tuple[int, int, int]) -> bool:
    return bool(np.abs(pixel.astype(int) - colour).max() < 40)


def test_parts_follow_each_other_on_one_clock(tmp_path: Path) -> None:
    video = make_video(tmp_path / "rgb.mp4", [RED, GREEN, BLUE])
    parts = [Clip(video, 1.5, 2.5), Still(video, 0.5, hold_s=2.0), Clip(video, 0.0, 1.0)]
    seen: list[tuple[int, int]] = []
    out = tmp_path / "out.mp4"
    compose(parts, out, width=64, height=64, fps=20, progress=lambda done, total: seen.append((done, total)))
    images, times_s = frames_of(out)
    np.testing.assert_allclose(times_s, np.arange(80) / 20, atol=1e-6)
    expected = [GREEN] * 10 + [BLUE] * 10 + [RED] * 40 + [RED] * 20
    assert all(near(image[32, 32], colour) for image, colour in zip(images, expected, strict=True))
    assert seen == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize(("width", "height", "border"), [(128, 64, (32, 5)), (64, 128, (5, 32))])
def test_picture_is_scaled_to_fit_between_black_borders(
    tmp_path: Path, width: int, height: int, border: tuple[int, int]
) -> None:
    video = make_video(tmp_path / "green.mp4", [GREEN], width=32, height=32)
    compose([Clip(video, 0, 1)], tmp_path / "out.mp4", width=width, height=height, fps=5)
    image = frames_of(tmp_path / "out.mp4")[0][0]
    assert image.shape == (height, width, 3)
    assert near(image[5, 5], BLACK) and near(image[-5, -5], BLACK)
    assert near(image[height // 2, width // 2], GREEN)


@pytest.mark.parametrize("size", [(1768, 994), (99, 1001), (640, 272)])
def test_any_shape_fits_the_canvas(tmp_path: Path, size: tuple[int, int]) -> None:
    video = make_video(tmp_path / "a.mkv", [RED], width=size[0] // 2 * 2, height=size[1] // 2 * 2)
    compose([Still(video, 0, hold_s=0.2)], tmp_path / "out.mp4", width=640, height=360, fps=25)
    images, _ = frames_of(tmp_path / "out.mp4")
    assert len(images) == 5 and images[0].shape == (360, 640, 3)


def test_part_outside_its_video_is_refused_and_nothing_is_left(tmp_path: Path) -> None:
    video = make_video(tmp_path / "red.mp4", [RED])
    for part in (Clip(video, 5, 6), Still(video, 5, hold_s=1)):
        with pytest.raises(VideoError, match="shows nothing from 5"):
            compose([part], tmp_path / "out.mp4", width=64, height=64, fps=10)
    assert [path.name for path in tmp_path.iterdir()] == ["red.mp4"]


def test_memory_does_not_grow_with_length(tmp_path: Path) -> None:
    video = make_video(tmp_path / "red.mp4", [RED] * 2, width=320, height=180)
    code = (
        "import resource, sys; from pathlib import Path; from stages.compose import Still, Clip, compose;"
        f"video, out = Path({str(video)!r}), Path({str(tmp_path / 'out.mp4')!r});"
        "compose([Clip(video, 0, 2), Still(video, 1, hold_s=float(sys.argv[1]))], out, width=320, height=180, fps=25);"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    root = Path(__file__).parents[1]
    short_kb, long_kb = (
        int(subprocess.run([sys.executable, "-c", code, hold_s], cwd=root, capture_output=True, check=True).stdout)
        for hold_s in ("20", "120")
    )
    assert long_kb - short_kb < 50_000  # its 2500 further frames are 430 MB


@pytest.mark.network
def test_demo_recording_is_a_minute_with_a_still_stretch(tmp_path: Path) -> None:
    fetch("sample_people")
    path = demo_recording(tmp_path / "demo.mp4")
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert (stream.width, stream.height, stream.average_rate) == (640, 360, 25)
        assert 60 <= float(container.duration / av.time_base) <= 70
    images, _ = frames_of(path)
    still = np.stack([image[::8, ::8] for image in images[18 * 25 : 32 * 25 : 25]]).astype(int)
    assert np.abs(still - still[0]).max() < 12

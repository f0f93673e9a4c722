"""Claims about animated images: what was given can be read back, at its pace; a refused place is told in one line."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from annotations.errors import AnnotationError
from reports.animation import write_animation, write_sheet


def soft_frames(count: int, height: int = 24, width: int = 32) -> np.ndarray:
    """A gradient that brightens from frame to frame; frame number i is about 20 i in red."""
    columns_W = np.linspace(0, 100, width)
    frames_THWC = np.zeros((count, height, width, 3), np.uint8)
    frames_THWC[..., 0] = 20 * np.arange(count)[:, None, None]
    frames_THWC[..., 1] = columns_W
    return frames_THWC


def read(path: Path) -> tuple[list[np.ndarray], list[int]]:
    """Frames, and how long each is shown, ms."""
    frames, durations_ms = [], []
    with Image.open(path) as image:
        for number in range(image.n_frames):  # type: ignore[attr-defined]
            image.seek(number)
            frames.append(np.asarray(image.convert("RGB")).astype(int))
            durations_ms.append(image.info["duration"])
    return frames, durations_ms


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".GIF"])
@pytest.mark.parametrize(("rate", "duration_ms"), [(25.0, 40), (12.5, 80), (10.0, 100)])
def test_animation_has_the_frames_and_the_pace_it_was_given(
    tmp_path: Path, suffix: str, rate: float, duration_ms: int
) -> None:
    given_THWC, path = soft_frames(7), tmp_path / f"clip{suffix}"
    write_animation(given_THWC, path, rate=rate)
    frames, durations_ms = read(path)
    assert durations_ms == [duration_ms] * 7
    assert all(np.abs(frame - given).mean() < 4 for frame, given in zip(frames, given_THWC.astype(int), strict=True))


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_animation_loops_for_ever(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"clip{suffix}"
    write_animation(soft_frames(2), path, rate=10)
    with Image.open(path) as image:
        assert image.info["loop"] == 0


@pytest.mark.parametrize(("rate", "duration_ms"), [(15.0, 70), (30.0, 30), (200.0, 20)])
def test_gif_has_hundredths_of_a_second_and_two_at_least(tmp_path: Path, rate: float, duration_ms: int) -> None:
    write_animation(soft_frames(3), tmp_path / "clip.gif", rate=rate)
    assert read(tmp_path / "clip.gif")[1] == [duration_ms] * 3


def test_single_frame_is_an_image(tmp_path: Path) -> None:
    write_animation(soft_frames(1), tmp_path / "clip.gif", rate=10)
    assert len(read(tmp_path / "clip.gif")[0]) == 1


def test_sheet_shows_evenly_spaced_frames_in_reading_order(tmp_path: Path) -> None:
    write_sheet(soft_frames(11), tmp_path / "sheet.png", columns=3, rows=2)
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))
    assert sheet.shape == (2 * 24 + 2, 3 * 32 + 2 * 2, 3)
    centres = [[sheet[row * 26 + 12, column * 34 + 16, 0] for column in range(3)] for row in range(2)]
    assert centres == [[0, 40, 80], [120, 160, 200]]


def test_sheet_of_few_frames_shows_each_once(tmp_path: Path) -> None:
    write_sheet(soft_frames(2), tmp_path / "sheet.png")
    assert Image.open(tmp_path / "sheet.png").size == (2 * 32 + 2, 24)


def test_folder_is_made_and_nothing_else_is_left_in_it(tmp_path: Path) -> None:
    write_animation(soft_frames(2), tmp_path / "new" / "clip.webp", rate=10)
    assert [one.name for one in (tmp_path / "new").iterdir()] == ["clip.webp"]


def test_what_fails_half_way_leaves_the_older_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "clip.gif"
    path.write_bytes(b"older")
    with pytest.raises(OverflowError):  # a GIF cannot tell how long this is
        write_animation(soft_frames(2), path, rate=1e-6)
    assert path.read_bytes() == b"older" and list(tmp_path.iterdir()) == [path]


def test_refused_place_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(AnnotationError, match=r"clip\.gif: cannot be written: .*; choose another place$"):
        write_animation(soft_frames(2), tmp_path / "file" / "clip.gif", rate=10)

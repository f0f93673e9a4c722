"""Claims about the sound beside frames, proved on files made here whose sound is known."""

import random
import tracemalloc
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from recordings import record
from sounding import clicks, noise, sounding, tone

from pipeline.records import Source, Video
from stages.frames import reading
from stages.hearing import hearing
from stages.probe import Probe

RATE, A = Fraction(25, 2), 1280  # 16 kHz
HERTZ = float(RATE * A)


def probed(path: Path) -> Video:
    return Probe()(Source(path.name, str(path), path.stat().st_size))


def heard(path: Path, first: int, count: int, pieces: int = 1000, rate: Fraction = RATE) -> np.ndarray:
    """Sound (count, A) from a frame on, asked for in pieces."""
    video = probed(path)
    with (
        reading(video) as reader,
        hearing(video, rate=rate, per_frame=A, seekable=reader.packets.seekable) as sound,
    ):
        stops = range(first, first + count, pieces)
        return np.concatenate([sound.beside(one, min(pieces, first + count - one)) for one in stops])


def clicks_in(sound_TA: np.ndarray) -> list[float]:
    """When the sound becomes loud, seconds from its first row on."""
    loud_s = np.flatnonzero(np.abs(sound_TA.ravel()) > 0.3) / HERTZ
    return [float(one) for before, one in zip([-1.0, *loud_s], loud_s, strict=False) if one - before > 0.2]


# Where it is heard

# How many seconds late a codec's sound lies in a file that keeps no note of what its encoder put before it.
PADDED_S = 0.03
KINDS: dict[str, dict[str, Any]] = {
    "aac.mp4": {},
    "aac.mov": {},
    "aac.mkv": {},
    "aac.ts": {},
    "aac.flv": {"rate": 44_100},
    "aac_stereo.mp4": {"rate": 44_100, "channels": 2},
    "aac_22k.mp4": {"rate": 22_050},
    "mp3.mp4": {"codec": "libmp3lame"},
    "mp3.avi": {"codec": "libmp3lame", "picture": "mpeg4"},
    "ac3.ts": {"codec": "ac3"},
    "ac3.mkv": {"codec": "ac3", "channels": 2},
    "eac3.mp4": {"codec": "eac3"},
    "mp2.mpg": {"codec": "mp2", "picture": "mpeg2video"},
    "opus.mkv": {"codec": "libopus"},
    "opus.mp4": {"codec": "libopus", "channels": 2},
    "opus.webm": {"codec": "libopus", "picture": "libvpx"},
    "flac.mkv": {"codec": "flac"},
    "flac_24.mkv": {"codec": "flac", "format_": "s32", "rate": 96_000},
    "pcm.mkv": {"codec": "pcm_s16le", "rate": 44_100, "channels": 2},
    "pcm.avi": {"codec": "pcm_s16le", "picture": "mpeg4"},
    "pcm_u8.avi": {"codec": "pcm_u8", "picture": "mpeg4", "rate": 8_000},
    "pcm.mov": {"codec": "pcm_s24le"},
    "pcm_float.mkv": {"codec": "pcm_f32le", "rate": 16_000},
    "alac.mov": {"codec": "alac"},
}


def make(path: Path, sound: Any, length_s: float = 4, **changes: Any) -> Path:
    """One of KINDS by the path's name; `sound` is made with its rate and channels."""
    kind = KINDS.get(path.name, {}) | changes
    channels, rate = kind.pop("channels", 1), kind.get("rate", 48_000)
    return sounding(path, sound(rate=rate, channels=channels), length_s=length_s, **kind)


@pytest.mark.parametrize("name", KINDS)
def test_a_click_is_in_the_row_of_the_frame_shown_then(tmp_path: Path, name: str) -> None:
    path = make(tmp_path / name, lambda **how: clicks([0.5, 2.125, 3.0], 4, **how))
    sound_TA = heard(path, 0, 50)
    assert sound_TA.dtype == np.float32 and sound_TA.shape == (50, A)
    found = clicks_in(sound_TA)
    late = PADDED_S if name.endswith((".avi", ".flv", ".mpg", ".ts")) else 0
    np.testing.assert_allclose(found, np.array([0.5, 2.125, 3.0]) + late / 2, atol=0.004 + late / 2)
    np.testing.assert_allclose(np.diff(found), [1.625, 0.875], atol=0.002)


@pytest.mark.parametrize("name", ["aac.mp4", "aac.ts", "opus.mkv", "pcm.mov"])
@pytest.mark.parametrize(("start_s", "sound_start_s"), [(1.2, 0.0), (0.0, 1.2), (25.0, 24.0), (12.0, 0.0)])
def test_sound_keeps_its_time_where_the_other_begins_later(
    tmp_path: Path, name: str, start_s: float, sound_start_s: float
) -> None:
    """A click as a picture is shown, by the container's clock."""
    clicks_s = np.array([1.5, 3.0]) + max(start_s, sound_start_s)
    length_s = clicks_s[-1] + 1 - sound_start_s
    path = make(
        tmp_path / name,
        lambda **how: clicks(clicks_s - sound_start_s, length_s, **how),
        length_s=clicks_s[-1] + 1 - start_s,
        start_s=start_s,
        sound_start_s=sound_start_s,
    )
    found = clicks_in(heard(path, 0, 80))
    np.testing.assert_allclose(found, clicks_s - start_s, atol=0.03 if name == "aac.ts" else 0.004)


def test_samples_are_at_their_exact_instants(tmp_path: Path) -> None:
    """Sample n is the sound at n / 16000 s, at any rate it was recorded with, and in any row."""
    for rate in (8_000, 16_000, 44_100, 48_000, 96_000):
        path = sounding(tmp_path / f"{rate}.mov", tone(440, 25, rate), length_s=1, rate=rate, codec="pcm_f32le")
        for first in (0, 3, 120, 131):
            n = np.arange(first * A, (first + 12) * A)
            inner = slice(100 if first == 0 else 0, None)  # a sine that begins has more than one frequency
            expected = 0.5 * np.sin(2 * np.pi * 440 * n / HERTZ)
            np.testing.assert_allclose(heard(path, first, 12).ravel()[inner], expected[inner], atol=3e-4)


def test_times_that_a_container_rounds_are_found_again(tmp_path: Path) -> None:
    """Matroska keeps milliseconds; at 44.1 kHz no packet begins with one."""
    path = make(tmp_path / "pcm.mkv", lambda **how: tone(440, 25, **how), length_s=1)
    for first in (20, 121, 130):  # in the first block, over a seam, in the second
        n = np.arange(first * A, (first + 12) * A)
        off = heard(path, first, 12).ravel() - 0.5 * np.sin(2 * np.pi * 440 * n / HERTZ)
        assert np.abs(off).max() < 0.5 * 2 * np.pi * 440 * 5e-5  # of a sine that is 0.05 ms off


def test_what_the_new_rate_cannot_hold_is_left_out(tmp_path: Path) -> None:
    path = sounding(tmp_path / "a.mkv", tone(9_000, 2), length_s=2, codec="pcm_f32le")
    assert np.abs(heard(path, 1, 20)).max() < 1e-4


def test_channels_become_one_by_their_mean(tmp_path: Path) -> None:
    left_and_right = np.concatenate([tone(440, 2), 0.5 * tone(440, 2)], axis=1)
    path = sounding(tmp_path / "a.mkv", left_and_right, length_s=2, codec="pcm_s16le")
    n = np.arange(2 * A, 20 * A)
    np.testing.assert_allclose(heard(path, 2, 18).ravel(), 0.75 * 0.5 * np.sin(2 * np.pi * 440 * n / HERTZ), atol=5e-4)


@pytest.mark.parametrize("rate", [Fraction(10), Fraction(30_000, 1001)])
def test_rows_follow_the_rate_of_frames(tmp_path: Path, rate: Fraction) -> None:
    path = sounding(tmp_path / "a.mkv", clicks([0.5, 2.0], 3), length_s=3, codec="pcm_s16le")
    rows = np.flatnonzero(np.abs(heard(path, 0, int(3 * rate), rate=rate)).max(axis=1) > 0.5)
    assert {int(time_s * rate) for time_s in (0.5, 0.51, 2.0, 2.01)} == set(rows)


# However it is cut


@pytest.mark.parametrize("name", KINDS)
def test_a_cut_hears_exactly_what_the_whole_hears(tmp_path: Path, name: str) -> None:
    """Noise above all: what a decoder makes up depends on all that it decoded before."""
    path = make(tmp_path / name, lambda **how: noise(25, **how), length_s=2)
    whole_TA = heard(path, 0, 25 * 25 // 2, pieces=7)
    assert np.abs(whole_TA[20:300]).max(axis=1).min() > 0.05
    for first in (17, 124, 126, 251):
        np.testing.assert_array_equal(heard(path, first, 12), whole_TA[first : first + 12], err_msg=str(first))
    np.testing.assert_array_equal(heard(path, 40, 240, pieces=240), whole_TA[40:280])


@pytest.mark.parametrize("name", ["pcm.mov", "alac.mov", "aac.mp4", "aac_stereo.mp4"])
def test_no_seam_is_heard_between_blocks(tmp_path: Path, name: str) -> None:
    path = make(tmp_path / name, lambda **how: tone(440, 25, **how), length_s=2)
    sound = heard(path, 115, 20).ravel()
    steps = np.abs(np.diff(sound, 2))  # of a sine no more than the square of its frequency
    assert steps.max() < 0.5 * (2 * np.pi * 440 / HERTZ) ** 2 * 1.5


@pytest.mark.parametrize("gop", [10, 1000])
@pytest.mark.parametrize("name", ["aac.mp4", "aac.mkv", "aac.ts", "aac.flv", "opus.mkv", "pcm.avi"])
def test_a_segment_far_into_a_recording_hears_what_is_there(tmp_path: Path, name: str, gop: int) -> None:
    clicks_s = [5.0, 31.0, 44.5]
    path = make(tmp_path / name, lambda **how: clicks(clicks_s, 50, **how), length_s=50, gop=gop)
    found = clicks_in(heard(path, 375, 200))
    np.testing.assert_allclose(np.array(found) + 30, clicks_s[1:], atol=0.03)


def test_memory_does_not_grow_with_length(tmp_path: Path) -> None:
    peaks = []
    for length_s in (15, 90):
        sound_MC = tone(440, length_s)
        video = probed(sounding(tmp_path / f"{length_s}.mkv", sound_MC, length_s=1, codec="pcm_s16le"))
        tracemalloc.start()
        with hearing(video, rate=RATE, per_frame=A, seekable=True) as sound:
            for first in range(0, round(length_s * RATE), 25):
                sound.beside(first, 25)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0]


# Where there is none


def test_a_file_without_sound_is_silent(tmp_path: Path) -> None:
    path = record(tmp_path / "a.mp4", frames=10)
    sound_TA = heard(path, 3, 20)
    assert sound_TA.shape == (20, A) and not sound_TA.any()


def test_before_and_after_its_sound_a_file_is_silent(tmp_path: Path) -> None:
    path = sounding(tmp_path / "a.mkv", tone(440, 2), length_s=40, codec="pcm_s16le", sound_start_s=12)
    sound_TA = heard(path, 0, 500)
    loud = np.flatnonzero(sound_TA.any(axis=1))
    assert (loud[0], loud[-1]) == (150, 174)
    for first in (0, 140, 160, 180, 400, 2000):
        np.testing.assert_array_equal(heard(path, first, 12), sound_TA[first : first + 12] if first < 480 else 0)


# What is not as it should be


def test_recordings_joined_to_one_stream_keep_their_sound_beside_their_pictures(tmp_path: Path) -> None:
    """Each ends with sound that its pictures do not have, which must not push what follows."""
    one = sounding(tmp_path / "one.ts", clicks([1.0, 3.0], 4.6), length_s=4, start_s=0).read_bytes()
    other = sounding(tmp_path / "other.ts", clicks([0.5, 2.0], 3.7), length_s=4, start_s=0).read_bytes()
    path = tmp_path / "joined.ts"
    path.write_bytes(one + other + one + one)
    whole_TA = heard(path, 0, 200)
    np.testing.assert_allclose(clicks_in(whole_TA), [1.0, 3.0, 4.5, 6.0, 9.0, 11.0, 13.0, 15.0], atol=0.06)
    for first in (60, 130, 170):
        np.testing.assert_array_equal(heard(path, first, 20), whole_TA[first : first + 20])


def test_a_hole_in_the_sound_is_silent_and_what_follows_keeps_its_time(tmp_path: Path) -> None:
    sound_MC = np.concatenate([tone(440, 3), clicks([1.0], 3)])
    path = sounding(tmp_path / "a.mkv", sound_MC, length_s=6, codec="pcm_s16le", without=(1.0, 1.5))
    sound_TA = heard(path, 0, 75)
    is_loud = np.abs(sound_TA).max(axis=1) > 0.3
    assert is_loud[:12].all() and not sound_TA[13:18].any() and is_loud[19:37].all()
    np.testing.assert_allclose(clicks_in(sound_TA[40:]), [4.0 - 3.2], atol=0.001)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(
    "name", ["aac.mp4", "aac.mkv", "aac.ts", "opus.mkv", "pcm.avi", "mp3.avi", "ac3.ts", "flac.mkv"]
)
def test_damage_is_no_failure_and_the_rest_is_heard(tmp_path: Path, name: str, seed: int) -> None:
    clicks_s = [1.0, 3.0, 17.0, 19.0]
    path = make(tmp_path / name, lambda **how: clicks(clicks_s, 20, **how) + 0.2 * noise(20, **how), length_s=20)
    chance, content = random.Random(seed), bytearray(path.read_bytes())
    start = int(len(content) * chance.uniform(0.4, 0.5))
    content[start : start + 2000] = chance.randbytes(2000)
    path.write_bytes(content)
    sound_TA = heard(path, 0, 250)
    assert np.isfinite(sound_TA).all() and np.abs(sound_TA).max() <= 1
    found = np.array(clicks_in(sound_TA))
    for click_s in clicks_s:
        assert np.abs(found - click_s).min() < 0.03, (click_s, found)
    for first in (30, 126, 200):
        np.testing.assert_array_equal(heard(path, first, 12), sound_TA[first : first + 12], err_msg=str(first))


@pytest.mark.parametrize("share", [0.3, 0.7])
@pytest.mark.parametrize("name", ["aac.mkv", "aac.ts", "opus.mkv", "pcm.avi"])
def test_a_file_cut_off_is_heard_up_to_the_cut(tmp_path: Path, name: str, share: float) -> None:
    path = make(tmp_path / name, lambda **how: clicks([1.0, 19.0], 20, **how), length_s=20)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    np.testing.assert_allclose(clicks_in(heard(path, 0, 250)), [1.0], atol=0.03)

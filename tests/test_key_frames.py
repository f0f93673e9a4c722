"""Key frames: a second, coarser sampling of the frames that are decoded anyway."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from recordings import number_in, record
from test_decode import CUTS, HEALTHY, Decoded, by_the_rule, probed, sampling

from pipeline.records import FrameChunk, Segment
from stages.decode import Decode, KeySampling
from stages.picture import Size


@pytest.mark.parametrize("rate", [Fraction(1), Fraction(4), Fraction(7, 3), Fraction(1, 2)])
@pytest.mark.parametrize("name", ["h264.mp4", "uneven.mp4", "from_5s.ts", "ntsc.mkv"])
def test_key_frames_are_on_screen_at_their_instants_however_the_file_is_cut(
    tmp_path: Path, name: str, rate: Fraction
) -> None:
    path = record(tmp_path / name, **HEALTHY[name])
    keys = KeySampling(rate, Size(48, "squash"))
    frame_of = by_the_rule(path, rate)
    for segment_s, halo in [(1e6, 0), *CUTS]:
        found = Decoded(path, segment_s, sampling(halo=halo, key_frames=keys)).key_pictures
        assert {one.shape for one in found.values()} == {(48, 48, 3)}
        assert [number_in(found[time_s]) for time_s in sorted(found)] == frame_of
        np.testing.assert_allclose(sorted(found), [float(k / rate) for k in range(len(frame_of))])


def test_key_frames_cost_no_frame_more(tmp_path: Path) -> None:
    """One decode feeds both branches."""
    path = record(tmp_path / "a.mp4", frames=200)
    for segment_s in (1e6, 2.0):
        plain = Decoded(path, segment_s, sampling(halo=5)).frames
        with_keys = sampling(halo=5, key_frames=KeySampling(Fraction(3), Size(48, "squash")))
        assert Decoded(path, segment_s, with_keys).frames == plain


def test_a_picture_that_stays_gives_its_key_frames_chunk_by_chunk(tmp_path: Path) -> None:
    """Slides and screen recordings: memory is bounded by the chunk, not by how long a picture stays."""
    path = record(tmp_path / "a.mp4", times=[Fraction(0), Fraction(1, 25), Fraction(40), Fraction(1001, 25)])
    how = sampling(Fraction(5), key_frames=KeySampling(Fraction(4), Size(48, "squash")))
    chunks = [one for one in Decode(how)(Segment(probed(path), 0, 0.0, 40.0, True)) if isinstance(one, FrameChunk)]
    times = [time for one in chunks if one.key_frames for time in one.key_frames.times_F.tolist()]
    assert max(len(one.key_frames.times_F) for one in chunks if one.key_frames) <= 7  # as many frames as a chunk has
    assert times == [k / 4 for k in range(len(times))] and times[-1] >= 40


def test_key_frames_between_two_samples_are_not_lost(tmp_path: Path) -> None:
    path = record(tmp_path / "a.mp4", frames=60, fps=60)
    keys = KeySampling(Fraction(20), Size(64, "keep"))
    found = Decoded(path, 1e6, sampling(Fraction(1), key_frames=keys)).key_pictures
    assert [number_in(found[time_s]) for time_s in sorted(found)] == [3 * k for k in range(20)]


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (Size(800, "keep", long_side=1333, enlarge=False), (120, 160)),  # not beyond what there is
        (Size(60, "keep", long_side=70), (52, 70)),
        (Size(60, "keep"), (60, 80)),
        (Size(300, "squash", enlarge=True), (300, 300)),
    ],
)
def test_key_frames_have_the_size_asked_for(tmp_path: Path, size: Size, expected: tuple[int, int]) -> None:
    path = record(tmp_path / "a.mp4", frames=3, size=(160, 120))
    found = Decoded(path, 1e6, sampling(key_frames=KeySampling(Fraction(1), size))).key_pictures
    assert found[0.0].shape[:2] == expected

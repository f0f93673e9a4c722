"""Sound beside the frames: of each sample's own instants, however a file is cut, and silence where there is none."""

from pathlib import Path

import numpy as np
import pytest
from decoded import CUTS, Decoded, sampling, uneven_times
from recordings import record
from sounding import clicks, noise, sounding


@pytest.mark.parametrize("name", ["aac.mp4", "aac.mkv", "aac.ts"])
def test_every_sample_has_the_sound_of_its_instants_however_the_file_is_cut(tmp_path: Path, name: str) -> None:
    """Longer than what is decoded in one go; the picture that is shown as a click is heard has the click's number."""
    sound_MC = 0.1 * noise(12) + clicks([2.0, 7.0, 11.5], 12)
    path = sounding(tmp_path / name, sound_MC, length_s=12, start_s=1.0)
    whole = Decoded(path, how=sampling(sound_per_frame=1600))
    assert whole.sounds.keys() == whole.pictures.keys() and whole.sounds[0].shape == (1600,)
    clicked = [sample for sample, sound_A in whole.sounds.items() if np.abs(sound_A).max() > 0.4]
    assert [whole.numbers[sample] for sample in clicked] == [25, 150, 262]
    for segment_s, halo in CUTS:
        cut = Decoded(path, segment_s, sampling(halo=halo, sound_per_frame=1600))
        assert cut.sounds.keys() == whole.sounds.keys()
        assert [k for k, one in cut.sounds.items() if not np.array_equal(one, whole.sounds[k])] == []


def test_pictures_are_the_same_with_sound_and_it_is_silence_where_there_is_none(tmp_path: Path) -> None:
    path = record(tmp_path / "a.mp4", times=uneven_times())
    deaf, hearing = Decoded(path), Decoded(path, how=sampling(sound_per_frame=100))
    assert not deaf.sounds and deaf.numbers == hearing.numbers
    assert hearing.sounds.keys() == deaf.pictures.keys() and not any(one.any() for one in hearing.sounds.values())

"""Whole files decoded, cut into segments in any way: what the tests of decoding look at."""

import random
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from recordings import number_in

from pipeline.finish import merged
from pipeline.records import DecodeReport, Source, Video
from pipeline.segments import segments_of
from stages.decode import Decode, Sampling
from stages.picture import Size
from stages.probe import Probe

RATE = Fraction(10)
CUTS = [(1.0, 0), (3.0, 0), (1.0, 5)]  # length of segments in seconds, samples of halo
Lost = list[tuple[str, float, float]]


def sampling(rate: Fraction = RATE, halo: int = 0, **changes: Any) -> Sampling:
    """Any of Size's settings may be changed, and the chunk's."""
    chunk_frames, keys = changes.pop("chunk_frames", 7), changes.pop("key_frames", None)
    sound_per_frame = changes.pop("sound_per_frame", 0)
    size = Size(**{"short_side": 64, "fit": "keep", "multiple": 2} | changes)
    return Sampling(rate, halo, halo, chunk_frames, size, keys, sound_per_frame)


def probed(path: Path) -> Video:
    return Probe()(Source(path.name, str(path), path.stat().st_size))


class Decoded:
    """All that a file gives, cut into segments of some length: pictures by sample, the end, what is lost."""

    def __init__(self, path: Path, segment_s: float = 1e6, how: Sampling | None = None) -> None:
        how = how or sampling()
        self.video = probed(path)
        self.pictures: dict[int, np.ndarray] = {}
        self.key_pictures: dict[float, np.ndarray] = {}  # by their instant
        self.sounds: dict[int, np.ndarray] = {}  # by sample, where sound is asked for
        reports = []
        for segment in segments_of(self.video, segment_s, float(1 / how.rate)):
            for item in Decode(how)(segment):
                if isinstance(item, DecodeReport):
                    reports.append(item)
                    continue
                if item.key_frames is not None:
                    times_F = item.key_frames.times_F.tolist()
                    assert not self.key_pictures.keys() & set(times_F)  # each of one segment alone
                    self.key_pictures |= zip(times_F, item.key_frames.pictures_FHWC, strict=True)
                for picture, time_s in zip(item.frames_THWC, item.times_s, strict=True):
                    before = self.pictures.setdefault(round(time_s * how.rate), picture)
                    np.testing.assert_array_equal(picture, before)
                rows = [] if item.sound_TA is None else list(zip(item.times_s, item.sound_TA, strict=True))
                for time_s, sound_A in rows:
                    before = self.sounds.setdefault(round(time_s * how.rate), sound_A)
                    np.testing.assert_array_equal(sound_A, before)
        self.end_s = max((report.end_s for report in reports if report.end_s is not None), default=None)
        failures = merged([failure for report in reports for failure in report.lost])
        self.lost: Lost = [(one.error_class, *one.span_s) for one in failures if one.span_s]
        self.frames = sum(report.frames for report in reports)

    @property
    def numbers(self) -> list[int | None]:
        assert sorted(self.pictures) == list(range(len(self.pictures)))
        return [number_in(self.pictures[sample]) for sample in range(len(self.pictures))]


@cache
def uneven_times() -> tuple[Fraction, ...]:
    """80 frames: jitter, dropped frames, pauses of 0.8 s."""
    chance, times = random.Random(1), [Fraction(0)]
    for index in range(79):
        frames = 20 if index % 30 == 29 else chance.choice([1, 1, 1, 1, 1, 2, 3])
        times.append(times[-1] + Fraction(frames, 25) + Fraction(chance.randint(0, 400), 90_000))
    return tuple(times)

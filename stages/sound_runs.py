"""Decoded sound without a hole: frames that follow each other, whatever their own times say, which are rounded.

Shape letters: M samples of a run.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np

_SAME_S = 0.01  # by which times may be off; farther apart there is a hole
_NANOSECONDS = 10**9


@dataclass(slots=True)
class Run:
    """Frames of one kind, one after the other."""

    first: Fraction  # when the first one says that it is, seconds
    rate: int
    channels: int
    form: str  # of its samples
    length: int = 0  # samples
    late_s: float = 0.0  # by how much frames say that they are late, all together
    timed: int = 0  # frames that say when they are
    pieces: list[np.ndarray] = field(default_factory=list)

    @property
    def start(self) -> Fraction:
        """Seconds, by what all frames say on average."""
        return self.first + Fraction(round(_NANOSECONDS * self.late_s / self.timed), _NANOSECONDS)

    def goes_on(self, frame: Any, at_s: float | None) -> bool:
        same = (frame.sample_rate, frame.layout.nb_channels, frame.format.name) == (self.rate, self.channels, self.form)
        return same and (at_s is None or abs(self._late_s(at_s)) <= _SAME_S)

    def add(self, frame: Any, at_s: float | None) -> None:
        if at_s is not None:
            self.late_s, self.timed = self.late_s + self._late_s(at_s), self.timed + 1
        self.pieces.append(frame.to_ndarray())
        self.length += frame.samples

    def mono(self) -> np.ndarray:
        """Samples (M,) float32, full scale 1: the mean of the channels."""
        samples = np.concatenate(self.pieces, axis=1)
        if len(samples) != self.channels:  # they alternate
            samples = samples.reshape(-1, self.channels).T
        mono_M: np.ndarray = samples.mean(axis=0, dtype=np.promote_types(samples.dtype, np.float32))
        if samples.dtype.kind == "u":
            mono_M = mono_M - (1 << 7)
        if samples.dtype.kind in "iu":
            mono_M = mono_M / (1 << 8 * samples.dtype.itemsize - 1)
        return np.nan_to_num(mono_M.astype(np.float32), posinf=0.0, neginf=0.0)

    def _late_s(self, at_s: float) -> float:
        return at_s - float(self.first) - self.length / self.rate


def runs_of(frames: Iterable[Any], tick: Fraction) -> list[Run]:
    """Frames put together; those are left out that follow a hole and do not say when they are."""
    runs: list[Run] = []
    tick_s = float(tick)
    for frame in frames:
        at_s = None if frame.pts is None else frame.pts * tick_s
        if not runs or not runs[-1].goes_on(frame, at_s):
            if at_s is None or not frame.sample_rate:
                continue
            runs.append(Run(frame.pts * tick, frame.sample_rate, frame.layout.nb_channels, frame.format.name))
        runs[-1].add(frame, at_s)
    return runs

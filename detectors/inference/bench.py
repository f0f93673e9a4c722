"""How fast backbones are on the machine at hand: densely along a run, and window by window as is usual elsewhere.

Needs torch alone. Frames are squares of the short side, already decoded; both ways run the same prepared network.
"""

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median

import numpy as np
import torch

from detectors.backbones import load
from detectors.dense.carry import Carry
from detectors.inference.cost import cost_of, redundancy
from detectors.inference.prepared import Compile, Inference, Precision, compute_dtype

WINDOW_STEPS = 8  # a window is eight strides long: 64 frames every 8 for I3D and R3D, 32 every 4 for SlowFast 8x8
# bfloat16, dense, as sold; by words in the device's name, the first that fits
PEAK_TFLOPS = {"H100 PCIe": 756.0, "H100": 989.0, "H200": 989.0, "A100": 312.0, "L40S": 362.0, "L4": 121.0}


@dataclass(slots=True)
class Speed:
    """Of one backbone; seconds a step, one value a round."""

    name: str
    flop_per_step: int
    steps_per_s: float  # that make a second of video
    redundant: float  # share of operations beyond a segment's own steps
    dense_s: list[float] = field(default_factory=list)
    windowed_s: list[float] = field(default_factory=list)

    @property
    def times_realtime(self) -> float:
        """Seconds of video a second, densely."""
        return 1 / (median(self.dense_s) * self.steps_per_s)

    @property
    def ratios(self) -> list[float]:
        """How many times faster densely than window by window, round by round."""
        return [windowed / dense for dense, windowed in zip(self.dense_s, self.windowed_s, strict=True)]

    @property
    def tflops(self) -> float:
        """Operations done a second, densely, 1e12; redundant ones left out."""
        return self.flop_per_step / median(self.dense_s) / 1e12


def bench(
    names: Sequence[str],
    *,
    device: str,
    precision: Precision = "auto",
    compile_mode: Compile = "off",
    chunk_frames: int = 32,
    segment_s: float = 120.0,
    repeats: int = 3,
    told: Callable[[str], None] = lambda _: None,
) -> list[Speed]:
    """Measure dense backbones in rounds, both ways in turn. Raises ValueError for one that has no dense form."""
    speeds = []
    for name in names:
        told(f"{name}: count the work")
        cost = cost_of(name)
        if not cost.contract.dense:
            raise ValueError(f"{name} sees whole clips only: there is nothing to compare")
        redundant = redundancy(name, segment_s=segment_s, chunk_frames=chunk_frames)
        speed = Speed(name, cost.flop_per_step, cost.steps_per_s, redundant)
        told(f"{name}: warm up")
        inference = Inference(load(name, None), device=device, precision=precision, compile_mode=compile_mode)
        subject = _Subject(inference, chunk_frames)
        for number in range(1, repeats + 1):
            told(f"{name}: round {number} of {repeats}")
            speed.dense_s.append(subject.dense_s(chunks=4))
            speed.windowed_s.append(subject.windowed_s(4))
        speeds.append(speed)
    return speeds


def peak_tflops(device: str, precision: Precision = "auto") -> float | None:
    """What the device at hand can do at most in that precision, if it is known."""
    if torch.device(device).type != "cuda" or compute_dtype(device, precision) is not torch.bfloat16:
        return None
    return peak_of(torch.cuda.get_device_name(device))


def peak_of(name: str) -> float | None:
    """By a device's name."""
    return next((peak for part, peak in PEAK_TFLOPS.items() if re.search(rf"\b{part}\b", name)), None)


class _Subject:
    """A prepared backbone and frames for it."""

    def __init__(self, inference: Inference, chunk_frames: int) -> None:
        self.inference, self.contract = inference, inference.contract
        self.chunk_frames = -(-chunk_frames // self.contract.stride) * self.contract.stride
        self.carry = Carry()
        # Until every layer holds what it needs, and some more: what is compiled is compiled, recorded, run.
        self.dense_s(chunks=4 + -(-self.contract.receptive_field // self.chunk_frames))
        self.windowed_s(1)

    def dense_s(self, *, chunks: int) -> float:
        """Seconds a step, in the middle of a run."""
        chunk_THWC = self._frames(self.chunk_frames)
        before = self._now()
        for _ in range(chunks):
            self._run(chunk_THWC, self.carry)
        return (self._now() - before) / (chunks * self.chunk_frames // self.contract.stride)

    def windowed_s(self, windows: int) -> float:
        """Seconds a step, each from a window of its own."""
        window_THWC = self._frames(WINDOW_STEPS * self.contract.stride)
        before = self._now()
        for _ in range(windows):
            self._run(window_THWC, Carry(last=True))
        return (self._now() - before) / windows

    def _frames(self, count: int) -> np.ndarray:
        side = self.contract.short_side
        return np.random.default_rng(0).integers(0, 256, (count, side, side, 3), dtype=np.uint8)

    def _run(self, frames_THWC: np.ndarray, carry: Carry) -> None:
        self.inference.run_chunk(frames_THWC, carry)

    def _now(self) -> float:
        if self.inference.device.type == "cuda":
            torch.cuda.synchronize(self.inference.device)
        return time.perf_counter()

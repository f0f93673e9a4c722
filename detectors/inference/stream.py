"""A run of frames, pushed in pieces of any length, to features and logits: bounded memory, one order of steps.

A run may be cut out of a longer one: then it gives only the steps that it shows all of, `first_step` onwards.
Shape letters: T frames, H rows, W columns, S steps.
"""

from abc import ABC, abstractmethod
from collections import deque

import numpy as np

from detectors.dense.carry import Carry, View
from detectors.inference.prepared import Fetched, Inference, Steps


class FeatureStream(ABC):
    """One contiguous run. Step j owns its frames [j * stride, (j + 1) * stride)."""

    def __init__(self, inference: Inference, *, cut: bool, chunk_frames: int, maps: bool) -> None:
        """`cut`: frames before the run exist but are not shown. `chunk_frames`: computed at once, whole steps."""
        contract = inference.contract
        if chunk_frames < 1 or chunk_frames % contract.stride:
            raise ValueError(f"chunk_frames must be a multiple of {contract.stride}, got {chunk_frames}")
        self.inference, self.contract, self.chunk_frames, self.maps = inference, contract, chunk_frames, maps
        self.first_step = -(-contract.halo_before // contract.stride) if cut else 0
        self._waiting: deque[np.ndarray] = deque()
        self._count = 0  # frames that wait
        self._under_way: deque[Fetched] = deque()

    def push(self, frames_THWC: np.ndarray) -> list[Steps]:
        """Take frames in; give steps that became known, possibly none."""
        if len(frames_THWC):
            self._wait(frames_THWC)
            self._work()
        # On a GPU the last result is left to come while the next frames are made.
        return self._arrived(leave=1 if self.inference.device.type == "cuda" else 0)

    def finish(self, *, end: bool = True) -> list[Steps]:
        """Give the steps still open; the run is over. `end`: of the recording, whose last frame fills its last step."""
        self._work_off(end=end)
        return self._arrived(leave=0)

    @abstractmethod
    def _work(self) -> None:
        """Compute what waits, as far as it makes whole chunks."""

    @abstractmethod
    def _work_off(self, *, end: bool) -> None:
        """Compute the rest."""

    def _wait(self, frames_THWC: np.ndarray) -> None:
        self._waiting.append(frames_THWC)
        self._count += len(frames_THWC)

    def _repeat_last(self, times: int) -> None:
        if times and self._waiting:
            self._wait(np.repeat(self._waiting[-1][-1:], times, axis=0))

    def _show(self, count: int) -> np.ndarray:
        """The first `count` frames that wait, in one array; they go on waiting."""
        shown: list[np.ndarray] = []
        for frames_THWC in self._waiting:
            shown.append(frames_THWC[:count])
            count -= len(shown[-1])
            if not count:
                break
        return np.concatenate(shown) if len(shown) > 1 else shown[0]

    def _drop(self, count: int) -> None:
        self._count -= count
        while count:
            first_THWC = self._waiting.popleft()
            if len(first_THWC) > count:
                self._waiting.appendleft(first_THWC[count:])
            count -= min(count, len(first_THWC))

    def _arrived(self, *, leave: int) -> list[Steps]:
        steps = [self._under_way.popleft().steps() for _ in range(max(0, len(self._under_way) - leave))]
        return [one for one in steps if len(one.features_SC)]


class DenseStream(FeatureStream):
    """Of a convolutional network: every frame is computed once, what later steps need is carried along."""

    def __init__(self, inference: Inference, *, cut: bool = False, chunk_frames: int = 64, maps: bool = False) -> None:
        super().__init__(inference, cut=cut, chunk_frames=chunk_frames, maps=maps)
        self._carry = Carry(cut=cut)

    def _work(self) -> None:
        # One chunk stays behind, since only finish() knows which is the last.
        while self._count > self.chunk_frames:
            self._run(self.chunk_frames)

    def _work_off(self, *, end: bool) -> None:
        if end:
            self._repeat_last(-self._count % self.contract.stride)
            self._carry.last = True
        if self._count:
            self._run(self._count)

    def _run(self, count: int) -> None:
        self._under_way.append(self.inference.run_chunk(self._show(count), self._carry, maps=self.maps))
        self._drop(count)


class WindowedStream(FeatureStream):
    """Of a network that sees whole clips: a window around each step, filled with a recording's first or last frame."""

    def __init__(self, inference: Inference, *, cut: bool = False, chunk_frames: int = 64, maps: bool = False) -> None:
        super().__init__(inference, cut=cut, chunk_frames=chunk_frames, maps=maps)
        contract = self.contract
        view = View(contract.stride, contract.halo_before)
        # Frames that no window sees: before the first one, or between two that are farther apart than they are long.
        self._unused = view.first * contract.stride - contract.halo_before if cut else 0
        self._missing = 0 if cut else contract.halo_before
        self._batch = max(1, chunk_frames // contract.clip_frames)

    def _work(self) -> None:
        self._begin()
        while self._windows() >= self._batch:
            self._run(self._batch)

    def _work_off(self, *, end: bool) -> None:
        if end and self._waiting:
            stride = self.contract.stride
            # What waits begins halo_before frames before the next step.
            self._repeat_last(-(self._count - self.contract.halo_before) % stride)
            self._repeat_last(max(0, self.contract.halo_after))
        while windows := min(self._windows(), self._batch):
            self._run(windows)

    def _begin(self) -> None:
        if self._missing:
            self._waiting.appendleft(np.repeat(self._waiting[0][:1], self._missing, axis=0))
            self._count, self._missing = self._count + self._missing, 0
        unused = min(self._unused, self._count)
        self._drop(unused)
        self._unused -= unused

    def _windows(self) -> int:
        """Whole ones in what waits."""
        return max(0, (self._count - self.contract.clip_frames) // self.contract.stride + 1)

    def _run(self, windows: int) -> None:
        stride = self.contract.stride
        frames_THWC = self._show(self.contract.clip_frames + (windows - 1) * stride)
        self._under_way.append(self.inference.run_windows(frames_THWC, maps=self.maps))
        self._unused = max(0, windows * stride - self._count)
        self._drop(windows * stride - self._unused)


def open_stream(
    inference: Inference, *, cut: bool = False, chunk_frames: int = 64, maps: bool = False
) -> FeatureStream:
    """The stream that fits the network."""
    kind = DenseStream if inference.contract.dense else WindowedStream
    return kind(inference, cut=cut, chunk_frames=chunk_frames, maps=maps)

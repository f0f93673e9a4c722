"""A run of frames, pushed in pieces of any length, to features and logits: bounded memory, one order of steps.

A run may be cut out of a longer one: then it gives only the steps that it shows all of, `first_step` onwards.
Shape letters: T frames, H rows, W columns, S steps, A samples of sound beside a frame.
"""

from abc import ABC, abstractmethod
from collections import deque

import numpy as np

from detectors.dense.carry import Carry, View
from detectors.inference.prepared import Fetched, Inference, Steps


class _Waiting:
    """Rows of arrays that wait, in pieces as they came."""

    def __init__(self) -> None:
        self.count = 0
        self._pieces: deque[np.ndarray] = deque()

    @property
    def first(self) -> np.ndarray:
        return self._pieces[0][:1]

    @property
    def last(self) -> np.ndarray:
        return self._pieces[-1][-1:]

    def add(self, rows: np.ndarray) -> None:
        self._pieces.append(rows)
        self.count += len(rows)

    def add_before(self, rows: np.ndarray) -> None:
        self._pieces.appendleft(rows)
        self.count += len(rows)

    def show(self, count: int) -> np.ndarray:
        """The first `count` rows in one array; they go on waiting."""
        shown: list[np.ndarray] = []
        for rows in self._pieces:
            shown.append(rows[:count])
            count -= len(shown[-1])
            if not count:
                break
        return np.concatenate(shown) if len(shown) > 1 else shown[0]

    def drop(self, count: int) -> None:
        self.count -= count
        while count:
            rows = self._pieces.popleft()
            if len(rows) > count:
                self._pieces.appendleft(rows[count:])
            count -= min(count, len(rows))


class FeatureStream(ABC):
    """One contiguous run. Step j owns its frames [j * stride, (j + 1) * stride)."""

    def __init__(self, inference: Inference, *, cut: bool, chunk_frames: int, maps: bool) -> None:
        """`cut`: frames before the run exist but are not shown. `chunk_frames`: computed at once, whole steps."""
        contract = inference.contract
        if chunk_frames < 1 or chunk_frames % contract.stride:
            raise ValueError(f"chunk_frames must be a multiple of {contract.stride}, got {chunk_frames}")
        self.inference, self.contract, self.chunk_frames, self.maps = inference, contract, chunk_frames, maps
        self.first_step = -(-contract.halo_before // contract.stride) if cut else 0
        self._frames, self._sound = _Waiting(), _Waiting()
        self._under_way: deque[Fetched] = deque()

    def push(self, frames_THWC: np.ndarray, sound_TA: np.ndarray | None = None) -> list[Steps]:
        """Take frames in, and the sound beside them (None: silence); give steps that became known, possibly none."""
        if len(frames_THWC):
            self._wait(frames_THWC, sound_TA)
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

    def _wait(self, frames_THWC: np.ndarray, sound_TA: np.ndarray | None = None) -> None:
        self._frames.add(frames_THWC)
        if self.contract.sound_per_frame:
            self._sound.add(self._silence(len(frames_THWC)) if sound_TA is None else sound_TA)

    def _repeat_last(self, times: int) -> None:
        if times and self._count:
            self._wait(np.repeat(self._frames.last, times, axis=0))

    def _drop(self, count: int) -> None:
        self._frames.drop(count)
        if self.contract.sound_per_frame:
            self._sound.drop(count)

    def _silence(self, frames: int) -> np.ndarray:
        return np.zeros((frames, self.contract.sound_per_frame), np.float32)

    @property
    def _count(self) -> int:
        """Frames that wait."""
        return self._frames.count

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
        self._under_way.append(self.inference.run_chunk(self._frames.show(count), self._carry, maps=self.maps))
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
        if end and self._count:
            stride = self.contract.stride
            # What waits begins halo_before frames before the next step.
            self._repeat_last(-(self._count - self.contract.halo_before) % stride)
            self._repeat_last(max(0, self.contract.halo_after))
        while windows := min(self._windows(), self._batch):
            self._run(windows)

    def _begin(self) -> None:
        if self._missing:
            self._frames.add_before(np.repeat(self._frames.first, self._missing, axis=0))
            if self.contract.sound_per_frame:
                self._sound.add_before(self._silence(self._missing))
            self._missing = 0
        unused = min(self._unused, self._count)
        self._drop(unused)
        self._unused -= unused

    def _windows(self) -> int:
        """Whole ones in what waits."""
        return max(0, (self._count - self.contract.clip_frames) // self.contract.stride + 1)

    def _run(self, windows: int) -> None:
        stride = self.contract.stride
        count = self.contract.clip_frames + (windows - 1) * stride
        sound_TA = self._sound.show(count) if self.contract.sound_per_frame else None
        self._under_way.append(self.inference.run_windows(self._frames.show(count), sound_TA, maps=self.maps))
        self._unused = max(0, windows * stride - self._count)
        self._drop(windows * stride - self._unused)


def open_stream(
    inference: Inference, *, cut: bool = False, chunk_frames: int = 64, maps: bool = False
) -> FeatureStream:
    """The stream that fits the network."""
    kind = DenseStream if inference.contract.dense else WindowedStream
    return kind(inference, cut=cut, chunk_frames=chunk_frames, maps=maps)

"""A video's features, however they arrive in blocks, as windows on a fixed grid with what lies around them.

Networks with a finite field answer in a window's core as they would with the whole video before them, so hours are
localized window by window in bounded memory, without seams.

Shape letters: S steps of a window, C channels.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import floor

import numpy as np
import torch
from torch import Tensor

from detectors.temporal.evidence import covered
from pipeline.records import FeatureSequence, Span

SEEN = 0.5  # a step counts as seen if at least that part of it is not lost


@dataclass(frozen=True, slots=True)
class Grid:
    """Where steps lie in time: step j covers origin_s + [j, j + 1) * step_s."""

    origin_s: float
    step_s: float

    def seconds(self, steps: np.ndarray) -> np.ndarray:
        return self.origin_s + steps * self.step_s

    def steps(self, seconds: np.ndarray | float) -> np.ndarray:
        return (np.asarray(seconds, dtype=np.float64) - self.origin_s) / self.step_s


@dataclass(frozen=True, eq=False, slots=True)
class Window:
    """Steps first to first + S of a video; those from `core.start` to `core.stop` are this window's own."""

    first: int
    features_SC: np.ndarray  # float32, 0 where nothing was seen
    shown_S: np.ndarray  # bool
    core: range  # step numbers of the video
    is_last: bool

    def tensors(self, device: str) -> tuple[Tensor, Tensor]:
        """Features (1, C, S) and which steps are shown (1, 1, S)."""
        features = torch.from_numpy(np.ascontiguousarray(self.features_SC.T))[None]
        return features.to(device), torch.from_numpy(self.shown_S)[None, None].to(device)


def grid_of(block: FeatureSequence) -> Grid:
    """The grid of the video that a block belongs to; ours begin at 0, those made elsewhere may not."""
    number = _nearest(block.start_s / block.step_s)
    return Grid(block.start_s - number * block.step_s, block.step_s)


def first_grid(blocks: Iterable[FeatureSequence]) -> Grid:
    """The grid of a video's blocks, any grid if there is none."""
    return next((grid_of(block) for block in blocks), Grid(0.0, 1.0))


def windows(
    blocks: Iterable[FeatureSequence], *, core_steps: int, halo: int, lost: Sequence[Span] = ()
) -> Iterator[Window]:
    """Cores of `core_steps` steps from step 0 on, the last one shorter, with up to `halo` steps on each side.

    If both are multiples of a stride, so is every window's first step. How blocks were cut does not matter; steps
    between two blocks that are not there count as lost.
    """
    held = _Held(halo)
    core_start = 0
    for features_SC, shown_S in _rows(blocks, lost):
        held.add(features_SC, shown_S)
        while held.end > core_start + core_steps + halo:  # more than the halo: this window is not the last
            yield held.window(range(core_start, core_start + core_steps), is_last=False)
            core_start += core_steps
    while core_start < held.end:
        core = range(core_start, min(core_start + core_steps, held.end))
        yield held.window(core, is_last=core.stop == held.end)
        core_start = core.stop


class _Held:
    """The steps that windows to come still need."""

    def __init__(self, halo: int) -> None:
        self.halo = halo
        self.first = 0
        self.features_SC: np.ndarray | None = None
        self.shown_S = np.zeros(0, bool)

    @property
    def end(self) -> int:
        return self.first + len(self.shown_S)

    def add(self, features_SC: np.ndarray, shown_S: np.ndarray) -> None:
        parts = [features_SC] if self.features_SC is None else [self.features_SC, features_SC]
        self.features_SC, self.shown_S = np.concatenate(parts), np.concatenate([self.shown_S, shown_S])

    def window(self, core: range, *, is_last: bool) -> Window:
        """Also lets go of what lies too far before the next core."""
        assert self.features_SC is not None
        first, length = self.first, min(core.stop + self.halo, self.end) - self.first
        window = Window(first, self.features_SC[:length], self.shown_S[:length], core, is_last)
        drop = max(0, core.stop - self.halo - first)
        self.features_SC, self.shown_S, self.first = self.features_SC[drop:], self.shown_S[drop:], first + drop
        return window


def _rows(blocks: Iterable[FeatureSequence], lost: Sequence[Span]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Features and whether they are shown, block by block, from step 0 on."""
    grid, upcoming = None, 0
    for block in blocks:
        grid = grid_of(block) if grid is None else grid
        number = _nearest(float(grid.steps(block.start_s)))
        if number > upcoming:
            missing = number - upcoming
            yield np.zeros((missing, block.features_SC.shape[1]), np.float32), np.zeros(missing, bool)
        upcoming = number + len(block)
        edges_s = grid.seconds(number + np.arange(len(block) + 1))
        shown_S = 1.0 - covered(edges_s, lost) >= SEEN
        yield block.features_SC.astype(np.float32) * shown_S[:, None], shown_S


def _nearest(steps: float) -> int:
    """Halves go up, each of them: `round` would send them to even numbers, some up and some down."""
    return floor(steps + 0.5 + 1e-6)

"""Temporal layers over a run of frames that arrives in chunks: each keeps the inputs that its later outputs still need.

A run pushed in chunks gives what it would give in one piece, and nothing is computed twice. The first chunk is padded
on the left and the last one on the right, layer by layer, as a network pads a whole clip; a chunk in between is not.
A run cut out of a longer one is not padded where it was cut: there each layer gives only what needs no padding.
Shape letters: N runs side by side, C channels, T time, H rows, W columns.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Window:
    """What one output of a temporal layer sees: `kernel` inputs every `stride`, with padding around the run."""

    kernel: int = 1
    stride: int = 1
    before: int = 0  # padding before the first input of the run
    after: int = 0  # padding after the last
    fill: float = 0.0  # what pads
    repeats: bool = False  # the first and the last input pad instead

    def count(self, length: int) -> int:
        """Windows in so many inputs, padding included."""
        return max(0, (length - self.kernel) // self.stride + 1)


@dataclass(frozen=True, slots=True)
class View:
    """Output i of a layer sees frames [i * stride - before, i * stride + after] of the run."""

    stride: int = 1
    before: int = 0
    after: int = 0

    def through(self, window: Window) -> "View":
        """The view of a layer with that window on top of this one."""
        reach = window.kernel - 1 - window.before
        return View(
            self.stride * window.stride, self.before + window.before * self.stride, self.after + reach * self.stride
        )

    @property
    def first(self) -> int:
        """The first output that sees nothing before the run."""
        return -(-self.before // self.stride)

    @property
    def halo_before(self) -> int:
        """Frames seen before the first of the `stride` frames that an output owns."""
        return self.before

    @property
    def halo_after(self) -> int:
        """Frames seen after the last frame that an output owns."""
        return max(0, self.after - (self.stride - 1))


def window_view(clip_frames: int, stride: int) -> View:
    """The view of a network that sees, around the middle of each step, a clip of so many frames."""
    before = (clip_frames - stride) // 2
    return View(stride, before, clip_frames - 1 - before)


def joined(views: Sequence[View]) -> View:
    """The view of what combines several, step by step. Raises ValueError if their steps differ."""
    if len({view.stride for view in views}) > 1:
        raise ValueError(f"branches of different temporal strides meet: {sorted(view.stride for view in views)}")
    return View(views[0].stride, max(view.before for view in views), max(view.after for view in views))


class Carry:
    """The state of one run between its chunks. Set `last` before the final chunk; a new run needs a new one."""

    def __init__(self, *, cut: bool = False, last: bool = False) -> None:
        self.cut = cut  # the run begins in the middle of a longer one
        self.last = last  # the next chunk is the end of the recording; never set for a run that is cut off
        self.held: dict[str, Tensor] = {}  # inputs of each layer that its later outputs need
        self.steady_length: int | None = None  # chunks of so many frames leave the phase as it is
        self.to_drop: dict[str, int] = {}  # inputs still to come that no output looks at

    @property
    def phase(self) -> tuple[dict[str, tuple[int, ...]], dict[str, int]]:
        """How much is held and to be dropped. A chunk that leaves that as it found it is in the middle of a run."""
        return {key: tuple(held.shape) for key, held in self.held.items()}, dict(self.to_drop)

    def join(self, key: str, x_NCTHW: Tensor, window: Window, crop: int) -> Tensor:
        """What `key` held back, then x; padded at the ends of the run. Where it was cut, `crop` inputs go unused."""
        held = self.held.pop(key, None)
        if held is None and not self.cut:
            held = _padding(x_NCTHW[:, :, :1], window.before, window)
        after = None
        if self.last:
            latest = x_NCTHW if x_NCTHW.shape[2] or held is None else held
            after = _padding(latest[:, :, -1:], window.after, window)
        parts = [part for part in (held, x_NCTHW, after) if part is not None and part.shape[2]]
        if len(parts) < 2:
            return self._dropped(key, parts[0] if parts else x_NCTHW, crop)
        # fastest with channels last
        return self._dropped(key, torch.cat([part.movedim(1, -1) for part in parts], dim=1).movedim(-1, 1), crop)

    def hold(self, key: str, rest_NCTHW: Tensor) -> None:
        """Keep a copy, since a slice would keep the whole chunk in memory."""
        if not self.last:
            self.held[key] = rest_NCTHW.clone()

    def take(self, key: str, x_NCTHW: Tensor, count: int, crop: int) -> Tensor:
        """The next `count` of what came for `key`; the rest is held back."""
        x_NCTHW = self.join(key, x_NCTHW, Window(), crop)
        self.hold(key, x_NCTHW[:, :, count:])
        return x_NCTHW[:, :, :count]

    def _dropped(self, key: str, x_NCTHW: Tensor, crop: int) -> Tensor:
        left = self.to_drop.setdefault(key, crop if self.cut else 0)
        if not left:
            return x_NCTHW
        self.to_drop[key] = max(0, left - x_NCTHW.shape[2])
        return x_NCTHW[:, :, left:]


def complete(x_NCTHW: Tensor, *, window: Window, carry: Carry, key: str, crop: int = 0) -> Tensor:
    """The inputs of all windows that are complete by now, those of a later chunk held back; possibly of none."""
    if window == Window(fill=window.fill) and not crop:
        return x_NCTHW
    if window.repeats and not x_NCTHW.shape[2] and key not in carry.to_drop:
        return x_NCTHW  # the run has not begun: there is nothing yet that could be repeated
    x_NCTHW = carry.join(key, x_NCTHW, window, crop)
    count = window.count(x_NCTHW.shape[2])
    carry.hold(key, x_NCTHW[:, :, count * window.stride :])
    carry.to_drop[key] += max(0, count * window.stride - x_NCTHW.shape[2])  # skipped by the stride, but not here yet
    return x_NCTHW[:, :, : (count - 1) * window.stride + window.kernel if count else 0]


def over_time(
    layer: Callable[[Tensor], Tensor],
    x_NCTHW: Tensor,
    *,
    window: Window,
    carry: Carry,
    key: str,
    crop: int = 0,
) -> Tensor:
    """Apply `layer`, which itself pads nothing in time, to all windows complete by now; possibly none."""
    ready_NCTHW = complete(x_NCTHW, window=window, carry=carry, key=key, crop=crop)
    if ready_NCTHW.shape[2]:
        return layer(ready_NCTHW)
    return layer(_padding(x_NCTHW, window.kernel, Window()))[:, :, :0]  # the layer tells the shape of nothing


def align(branches: Sequence[Tensor], *, carry: Carry, key: str, crops: Sequence[int]) -> list[Tensor]:
    """Cut parallel branches to the steps that all of them have by now, and hold back what some have beyond."""
    waiting = [
        carry.join(f"{key}.{index}", branch_NCTHW, Window(), crop)
        for index, (branch_NCTHW, crop) in enumerate(zip(branches, crops, strict=True))
    ]
    count = min(branch_NCTHW.shape[2] for branch_NCTHW in waiting)
    for index, branch_NCTHW in enumerate(waiting):
        carry.hold(f"{key}.{index}", branch_NCTHW[:, :, count:])
    return [branch_NCTHW[:, :, :count] for branch_NCTHW in waiting]


def _padding(edge_NCTHW: Tensor, length: int, window: Window) -> Tensor:
    """So many inputs beyond an edge; the input at the edge is given."""
    n, c, _, h, w = edge_NCTHW.shape
    if window.repeats and length:
        return edge_NCTHW.expand(n, c, length, h, w)
    return edge_NCTHW.new_full((n, c, length, h, w), window.fill)

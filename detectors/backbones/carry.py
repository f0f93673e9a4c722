"""Temporal layers over a run of frames that arrives in chunks: each keeps the inputs that its later outputs still need.

A run pushed in chunks gives what it would give in one piece, and nothing is computed twice. The first chunk is padded
on the left and the last one on the right, layer by layer, as SAME padding does; a chunk in between is not padded.
Shape letters: N runs side by side, C channels, T time, H rows, W columns.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Window:
    """What one output of a temporal layer sees: `kernel` inputs every `stride`, with zeros around the run."""

    kernel: int = 1
    stride: int = 1
    before: int = 0  # zeros before the first input of the run
    after: int = 0  # zeros after the last


class Carry:
    """The state of one run between its chunks. Set `last` before the final chunk; a new run needs a new one."""

    def __init__(self, *, last: bool = False) -> None:
        self.last = last
        self._held: dict[Hashable, Tensor] = {}

    def join(self, key: Hashable, x_NCTHW: Tensor, window: Window | None = None) -> Tensor:
        """What `key` held back, then x; at the ends of the run with the zeros of `window`."""
        window = window or Window()
        held = self._held.pop(key, None)
        parts = [held if held is not None else _zeros(x_NCTHW, window.before), x_NCTHW]
        if self.last:
            parts.append(_zeros(x_NCTHW, window.after))
        parts = [part for part in parts if part.shape[2]]
        if len(parts) < 2:
            return parts[0] if parts else x_NCTHW
        return torch.cat([part.movedim(1, -1) for part in parts], dim=1).movedim(-1, 1)  # fastest with channels last

    def hold(self, key: Hashable, rest_NCTHW: Tensor) -> None:
        """Keep a copy, since a slice would keep the whole chunk in memory."""
        self._held[key] = rest_NCTHW.clone()


def over_time(
    layer: Callable[[Tensor], Tensor], x_NCTHW: Tensor, *, window: Window, carry: Carry, key: Hashable
) -> Tensor:
    """Apply `layer`, which itself pads nothing in time, to all windows complete by now; possibly none."""
    if window.kernel == window.stride == 1 and x_NCTHW.shape[2]:
        return layer(x_NCTHW)
    x_NCTHW = carry.join(key, x_NCTHW, window)
    needed = window.kernel if carry.last else max(window.kernel, window.stride)
    count = max(0, (x_NCTHW.shape[2] - needed) // window.stride + 1)
    if not carry.last:
        carry.hold(key, x_NCTHW[:, :, count * window.stride :])
    if count == 0:  # the layer tells the shape of nothing
        return layer(_zeros(x_NCTHW, window.kernel))[:, :, :0]
    return layer(x_NCTHW[:, :, : (count - 1) * window.stride + window.kernel])


def align(branches: Sequence[Tensor], *, carry: Carry, key: Hashable) -> list[Tensor]:
    """Cut parallel branches to the steps that all of them have by now, and hold back what some have beyond."""
    joined = [carry.join((key, index), branch_NCTHW) for index, branch_NCTHW in enumerate(branches)]
    count = min(branch_NCTHW.shape[2] for branch_NCTHW in joined)
    if not carry.last:
        for index, branch_NCTHW in enumerate(joined):
            carry.hold((key, index), branch_NCTHW[:, :, count:])
    return [branch_NCTHW[:, :, :count] for branch_NCTHW in joined]


def _zeros(like_NCTHW: Tensor, length: int) -> Tensor:
    n, c, _, h, w = like_NCTHW.shape
    return like_NCTHW.new_zeros((n, c, length, h, w))

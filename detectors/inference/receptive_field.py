"""What one output of a network sees of time and of the picture, measured: a NaN that it sees makes it a NaN.

So it is exact whatever the layers and weights are, attention and recurrence included. Optical flow is computed outside
of the layers and hides NaNs: of a network with flow it is told what its layers see.
Letters: N clips, C channels, T frames, H rows, W columns, S steps, h x w cells of a map.
"""

import warnings
from bisect import bisect_left
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import torch
from torch import Tensor

from detectors.backbones.contract import Backbone
from detectors.inference.cost import silence

Network = Callable[[Tensor], Tensor]  # clips (N, 3, T, H, W) to a map (N, C, S, h, w)
Shape = tuple[int, int, int]  # of a clip: T, H, W

TIME, ROWS, COLUMNS = 0, 1, 2  # axes of a shape
NARROW = 32  # pixels of the sides along which nothing is asked
MOST_FRAMES, MOST_PIXELS = 256, 1024  # with which it is tried whether a network sees all there is
REFUSALS = (RuntimeError, ValueError, IndexError, AssertionError)  # of clips of another size


@dataclass(frozen=True, slots=True)
class Seen:
    """What one output sees along an axis."""

    size: int | None  # frames or pixels; None: all there is, however much
    before_only: bool = False  # all up to its own place, as what remembers does

    def __str__(self) -> str:
        if self.size is not None:
            return str(self.size)
        return "all before" if self.before_only else "all"


@dataclass(frozen=True, slots=True)
class ReceptiveField:
    """Of one cell of a backbone's map: of the last outputs before means over time and picture."""

    frames: Seen
    pixels: Seen  # along a row, and as many along a column


def receptive_field(backbone: Backbone) -> ReceptiveField:
    """Clips and pictures grow until a cell does not see all of them, if the backbone takes such.

    Of one that runs densely the contract tells the frames: of its layers it is known what they see.
    """
    backbone.eval()
    contract = backbone.contract

    def network(clips_NCTHW: Tensor) -> Tensor:
        return backbone.encode(clips_NCTHW, *silence(contract, clips_NCTHW)).map_NCSHW

    whole = contract.clip_frames, contract.short_side, contract.short_side
    long = [(frames, NARROW, NARROW) for frames in _doubled(contract.clip_frames, MOST_FRAMES)]
    known = Seen(contract.receptive_field) if contract.dense else None
    frames = known or _in_larger_and_larger(network, long, whole, TIME)
    # What remembers maps sees more of the picture with every frame; to others one frame is as good as many.
    counts = _doubled(1, contract.clip_frames) if frames.size is not None else []
    short = [(count, NARROW, NARROW) for count in counts]
    shortest = next((shape for shape in short if _is_taken(network, shape)), whole)
    wide = [(shortest[TIME], NARROW, width) for width in _doubled(2 * NARROW, MOST_PIXELS)]
    return ReceptiveField(frames, _in_larger_and_larger(network, wide, whole, COLUMNS))


def seen(network: Network, shape: Shape, axis: int) -> Seen:
    """What the middle output sees along an axis of a clip."""

    def sees(places: slice) -> bool:
        return _sees(network, shape, axis, places)

    length = shape[axis]
    sees_first, sees_last = sees(slice(0, 1)), sees(slice(length - 1, length))
    if sees_first or sees_last:
        return Seen(None, before_only=not sees_last)
    places = range(length)
    first = bisect_left(places, True, key=lambda place: sees(slice(0, place + 1)))
    stop = bisect_left(places, True, key=lambda place: not sees(slice(place, length)))
    return Seen(stop - first)


def _sees(network: Network, shape: Shape, axis: int, places: slice) -> bool:
    """Whether the middle output sees any of these places."""
    clip_1CTHW = torch.zeros(1, 3, *shape)
    clip_1CTHW[(slice(None),) * (2 + axis) + (places,)] = torch.nan
    with torch.inference_mode(), _each_output_alone():
        map_1CSHW = network(clip_1CTHW)
    step, row, column = (size // 2 for size in map_1CSHW.shape[2:])
    return bool(map_1CSHW[0, :, step, row, column].isnan().any())


@contextmanager
def _each_output_alone() -> Iterator[None]:
    """Without kernels that compute neighbours together (Winograd's), where one NaN would spoil all of them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that flags which are left as they are do not exist on this machine
        with torch.backends.mkldnn.flags(enabled=False), torch.backends.nnpack.flags(enabled=False):
            yield


def _in_larger_and_larger(network: Network, shapes: list[Shape], whole: Shape, axis: int) -> Seen:
    """In the first clip of which not all is seen; in the `whole` one where the network takes none of the others."""
    found = None
    for shape in shapes:
        with suppress(*REFUSALS):
            found = seen(network, shape, axis)
            if found.size is not None:
                return found
    return found or seen(network, whole, axis)


def _is_taken(network: Network, shape: Shape) -> bool:
    try:
        with torch.inference_mode():
            network(torch.zeros(1, 3, *shape))
    except REFUSALS:
        return False
    return True


def _doubled(first: int, most: int) -> list[int]:
    """From the first on, each twice the one before; at least the first."""
    lengths = [first]
    while lengths[-1] * 2 <= most:
        lengths.append(lengths[-1] * 2)
    return lengths

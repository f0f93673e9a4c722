"""What a backbone costs, counted without computing: parameters, floating-point operations, work done twice.

Operations are two for a multiply-add, convolutions and matrix products only. Pictures are squares of the short side.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from detectors.backbones import outline
from detectors.backbones.contract import Backbone, Contract
from detectors.dense.carry import Carry
from detectors.dense.form import Dense


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one backbone."""

    contract: Contract
    parameters: int
    flop_per_clip: int
    flop_per_step: int  # in a long run: densely, or a whole window

    @property
    def steps_per_s(self) -> float:
        """Features a second of video."""
        return self.contract.rate / self.contract.stride

    @property
    def flop_per_s(self) -> float:
        """A second of video, each frame computed once where the network can."""
        return self.flop_per_step * self.steps_per_s

    @property
    def windowed_flop_per_s(self) -> float:
        """A second of video with a clip for every step."""
        return self.flop_per_clip * self.steps_per_s


def cost_of(name: str, **design: Any) -> Cost:
    """Of the backbone of that name, with those settings of its making."""
    backbone = outline(name, **design)
    contract = backbone.contract
    per_clip = flop_of_clip(backbone, contract.clip_frames)
    return Cost(
        contract=contract,
        parameters=sum(parameter.numel() for parameter in backbone.parameters()),
        flop_per_clip=per_clip,
        flop_per_step=_flop_of_step(backbone) if contract.dense else per_clip,
    )


def flop_of_clip(backbone: Backbone, frames: int, side: int | None = None) -> int:
    """Of a clip of so many frames, of its own size or of another, the backbone being on the meta device."""
    side = side or backbone.contract.short_side
    clip_1CTHW = torch.empty(1, 3, frames, side, side, device="meta")
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        backbone.encode(clip_1CTHW, *silence(backbone.contract, clip_1CTHW))
    return int(counter.get_total_flops())


def silence(contract: Contract, clips_NCTHW: Tensor) -> tuple[Tensor, ...]:
    """What the backbone takes beside clips: sound (N, T, A), if it hears."""
    shape = clips_NCTHW.shape[0], clips_NCTHW.shape[2], contract.sound_per_frame
    return (clips_NCTHW.new_zeros(shape),) if contract.sound_per_frame else ()


def raw_bytes(frames: int, height: int, width: int) -> int:
    """Of frames as a network takes them: three colours, a byte each."""
    return frames * height * width * 3


def _flop_of_step(backbone: Backbone) -> int:
    """One step more of a long run."""
    assert backbone.trunk is not None
    stride = backbone.contract.stride
    one, two = (_flop_of_run(Dense(backbone.trunk), backbone.contract, [n * stride], Carry(last=True)) for n in (8, 16))
    return (two - one) // 8


def _flop_of_run(dense: Dense, contract: Contract, chunks: list[int], carry: Carry) -> int:
    side = contract.short_side
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        for frames in chunks:
            dense(torch.empty(1, 3, frames, side, side, device="meta"), carry)
    return int(counter.get_total_flops())


def redundancy(name: str, *, segment_s: float, chunk_frames: int) -> float:
    """The share of operations that a segment in the middle of a dense video computes beyond its own steps."""
    backbone = outline(name)
    assert backbone.trunk is not None
    contract = backbone.contract
    steps = round(segment_s * contract.rate / contract.stride)
    before = -(-contract.halo_before // contract.stride) * contract.stride
    frames = before + steps * contract.stride + contract.halo_after
    chunks = [min(chunk_frames, frames - start) for start in range(0, frames, chunk_frames)]
    done = _flop_of_run(Dense(backbone.trunk), contract, chunks, Carry(cut=True))
    return done / (steps * _flop_of_step(backbone)) - 1

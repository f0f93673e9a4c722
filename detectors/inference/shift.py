"""Whether a network scores a clip the same when what happens in it happens later: measured, with random weights.

A few frames of noise come on a plain background; then the same later. Of a network whose outputs see a part of time
only, clips are so long that both are far from their ends: how clips are padded there is not what is asked. One that
sees all of time is asked in clips as it was made for. Letters: N clips, C channels, T frames, H rows, W columns.
"""

import copy

import torch
from torch import Tensor

from detectors.backbones.contract import Backbone
from detectors.inference.cost import silence
from detectors.inference.receptive_field import NARROW, REFUSALS, ReceptiveField, Shape

SAME = 1e-2  # relative change below which scores are the same, but for rounding
EVENT_FRAMES = 2
CHANGED_BY = 0.1  # parameters that are constant at first


def change_by_shift(backbone: Backbone, field: ReceptiveField) -> float:
    """How far class scores move when the event comes later, of how far the event itself moves them; 0: not at all."""
    backbone = _as_if_learned(backbone)
    shape = _shape(backbone, field)
    frames = shape[0]
    event_CTHW = torch.rand(3, EVENT_FRAMES, *shape[1:], generator=torch.Generator().manual_seed(0))
    nothing, early, late = (_scores(backbone, event_CTHW, shape, at) for at in (frames, frames // 4, frames // 2))
    change, effect = (late - early).norm(), (early - nothing).norm()
    return float(change / effect)


def _as_if_learned(backbone: Backbone) -> Backbone:
    """A copy whose parameters that are constant, zero for instance, and would hide what they are for, are not."""
    backbone = copy.deepcopy(backbone).eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in backbone.parameters():
            if parameter.numel() > 1 and parameter.std() == 0:
                parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=CHANGED_BY)
    return backbone


def _shape(backbone: Backbone, field: ReceptiveField) -> Shape:
    """Such that a quarter of the clip is a whole number of steps, and more than an output sees."""
    contract = backbone.contract
    frames, whole = contract.clip_frames, contract.short_side
    while field.frames.size is not None and frames // 4 <= field.frames.size + EVENT_FRAMES:
        frames *= 2
    for shape in ((frames, NARROW, NARROW), (contract.clip_frames, NARROW, NARROW)):
        try:
            _scores(backbone, torch.zeros(3, EVENT_FRAMES, *shape[1:]), shape, 0)
        except REFUSALS:
            continue
        return shape
    return contract.clip_frames, whole, whole


def _scores(backbone: Backbone, event_CTHW: Tensor, shape: Shape, at: int) -> Tensor:
    """Of a clip with the event at that frame; beyond the end there is none."""
    clip_1CTHW = torch.full((1, 3, *shape), 0.5)
    there = clip_1CTHW[0, :, at : at + EVENT_FRAMES]
    there.copy_(event_CTHW[:, : there.shape[1]])
    with torch.inference_mode():
        scores_1K: Tensor = backbone(clip_1CTHW, *silence(backbone.contract, clip_1CTHW))
    return scores_1K.double()

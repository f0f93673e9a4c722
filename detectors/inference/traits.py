"""What a network costs and what it can and cannot see, all of it together."""

from dataclasses import dataclass
from typing import Any

from detectors import backbones
from detectors.inference.cost import flop_of_clip, raw_bytes
from detectors.inference.receptive_field import ReceptiveField, receptive_field
from detectors.inference.shift import SAME, change_by_shift


@dataclass(frozen=True, slots=True)
class Traits:
    """Of one backbone, given clips of that size."""

    name: str
    parameters: int
    clip_frames: int
    side: int  # pixels of both sides of the picture
    flop_per_clip: int  # two for a multiply-add
    field: ReceptiveField
    shift_change: float | None  # of class scores when an event comes later, see `shift`; None: it has no class scores

    @property
    def raw_bytes(self) -> int:
        """Of a clip before it is seen."""
        return raw_bytes(self.clip_frames, self.side, self.side)

    @property
    def is_shift_invariant(self) -> bool | None:
        """Whether scores are the same when what happens in a clip happens later."""
        return None if self.shift_change is None else self.shift_change < SAME


def traits_of(name: str, *, side: int | None = None, **design: Any) -> Traits:
    """Of the backbone of that name and design, in pictures of its own size or of another. Raises ValueError."""
    outline = backbones.outline(name, **design)
    contract = outline.contract
    side = side or contract.short_side
    backbone = backbones.load(name, None, **design)
    field = receptive_field(backbone)
    return Traits(
        name=name,
        parameters=sum(parameter.numel() for parameter in backbone.parameters()),
        clip_frames=contract.clip_frames,
        side=side,
        flop_per_clip=flop_of_clip(outline, contract.clip_frames, side),
        field=field,
        shift_change=None if backbone.head is None else change_by_shift(backbone, field),
    )

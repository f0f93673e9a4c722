"""SlowFast networks (ICCV 2019, arXiv 1812.03982): a slow pathway for what is seen, a fast, thin one for how it moves.

           slow: every alpha-th frame, many channels      fast: every frame, an eighth of the channels
    stem   1x7x7, pool                        <- lateral  5x7x7, pool
    res2   bottlenecks                        <- lateral  bottlenecks, 3 frames
    res3   bottlenecks                        <- lateral  bottlenecks, 3 frames
    res4   bottlenecks, 3 frames              <- lateral  bottlenecks, 3 frames
    res5   bottlenecks, 3 frames                          bottlenecks, 3 frames
    head   mean of each, side by side, one linear layer

Time is never strided within a pathway. Shape letters: N clips, C channels, T frames, H rows, W columns, S slow frames.
"""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from detectors import checkpoints
from detectors.backbones.class_names import ava, kinetics400
from detectors.backbones.contract import Backbone, Contract, Encoded
from detectors.backbones.nonlocal_block import NonLocal
from detectors.backbones.roi_head import RoiHead
from detectors.backbones.slowfast_keys import key_in
from detectors.dense.carry import window_view
from detectors.dense.form import view_of
from detectors.dense.layers import Subsample, Triple

STAGES = ("res2", "res3", "res4", "res5")
DEPTHS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}
WIDTHS = (256, 512, 1024, 2048)  # of the slow pathway, after each stage
THIN = 8  # the fast pathway has an eighth of the channels
LATERAL_RATIO = 2  # a lateral connection doubles those it takes over


@dataclass(frozen=True, slots=True)
class Design:
    """What distinguishes the published SlowFast networks."""

    depth: int  # 50 or 101
    alpha: int  # fast frames a slow one
    lateral_kernel: int  # frames
    clip_frames: int = 32
    detection: bool = False  # res5 keeps its picture size (dilated), for boxes
    temporal_blocks: int | None = None  # blocks of res4 that look along time, all if None
    nonlocal_after: tuple[int, ...] = ()  # blocks of the slow res4 followed by a non-local block


DESIGNS = {
    "slowfast_r50_4x16": Design(depth=50, alpha=8, lateral_kernel=5),
    "slowfast_r50_8x8": Design(depth=50, alpha=4, lateral_kernel=7),
    "slowfast_r101_8x8": Design(depth=101, alpha=4, lateral_kernel=5),
    "slowfast_r50_8x8_detection": Design(depth=50, alpha=4, lateral_kernel=7, detection=True),
    # PySlowFast's SLOWFAST_32x2_R101_50_50 and SLOWFAST_64x2_R101_50_50
    "slowfast_r101_8x8_detection": Design(
        depth=101, alpha=4, lateral_kernel=5, detection=True, temporal_blocks=6, nonlocal_after=(6, 13, 20)
    ),
    "slowfast_r101_16x8_detection": Design(
        depth=101,
        alpha=4,
        lateral_kernel=5,
        clip_frames=64,
        detection=True,
        temporal_blocks=6,
        nonlocal_after=(6, 13, 20),
    ),
}


class ConvNorm(nn.Module):
    """Convolution and batch norm."""

    def __init__(
        self, channels_in: int, channels_out: int, kernel: Triple, stride: Triple = (1, 1, 1), spread: int = 1
    ) -> None:
        super().__init__()
        time, rows, columns = kernel
        self.conv = nn.Conv3d(
            channels_in,
            channels_out,
            kernel,
            stride,
            padding=(time // 2, rows // 2 * spread, columns // 2 * spread),
            dilation=(1, spread, spread),
            bias=False,
        )
        self.norm = nn.BatchNorm3d(channels_out)

    def forward(self, x_NCTHW: Tensor) -> Tensor:
        result_NCTHW: Tensor = self.norm(self.conv(x_NCTHW))
        return result_NCTHW


class Stem(ConvNorm):
    """The first convolution of a pathway, and max-pooling of the picture."""

    def __init__(self, channels_out: int, frames: int) -> None:
        super().__init__(3, channels_out, (frames, 7, 7), (1, 2, 2))
        self.relu = nn.ReLU(inplace=True)
        self.pool = nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1))

    def forward(self, x_NCTHW: Tensor) -> Tensor:
        result_NCTHW: Tensor = self.pool(self.relu(super().forward(x_NCTHW)))
        return result_NCTHW


class Lateral(ConvNorm):
    """From the fast pathway to the slow one: a convolution over time that gives one frame for every alpha."""

    def __init__(self, channels: int, alpha: int, kernel: int) -> None:
        super().__init__(channels, LATERAL_RATIO * channels, (kernel, 1, 1), (alpha, 1, 1))
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x_NCTHW: Tensor) -> Tensor:
        result_NCTHW: Tensor = self.relu(super().forward(x_NCTHW))
        return result_NCTHW


class Bottleneck(nn.Module):
    """1x1 that looks `frames` along time, 3x3, 1x1, added to what came in."""

    def __init__(self, channels_in: int, channels_out: int, frames: int, stride: int, spread: int) -> None:
        super().__init__()
        inner = channels_out // 4
        self.a = ConvNorm(channels_in, inner, (frames, 1, 1))
        self.b = ConvNorm(inner, inner, (1, 3, 3), (1, stride, stride), spread)
        self.c = ConvNorm(inner, channels_out, (1, 1, 1))
        self.shortcut: nn.Module = nn.Identity()
        if channels_in != channels_out or stride > 1:
            self.shortcut = ConvNorm(channels_in, channels_out, (1, 1, 1), (1, stride, stride))
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x_NCTHW: Tensor) -> Tensor:
        branch_NCTHW = self.c(self.relu(self.b(self.relu(self.a(x_NCTHW)))))
        result_NCTHW: Tensor = self.relu(self.shortcut(x_NCTHW) + branch_NCTHW)
        return result_NCTHW


class Trunk(nn.Module):
    """Both pathways and what connects them."""

    def __init__(self, design: Design) -> None:
        super().__init__()
        fast_of = [width // THIN for width in (64, *WIDTHS)]
        self.slow = nn.ModuleDict({"stem": Stem(64, frames=1), **dict(_stages(design, slow=True))})
        self.fast = nn.ModuleDict({"stem": Stem(fast_of[0], frames=5), **dict(_stages(design, slow=False))})
        self.lateral = nn.ModuleDict(
            {
                stage: Lateral(channels, design.alpha, design.lateral_kernel)
                for stage, channels in zip(("stem", *STAGES[:-1]), fast_of, strict=False)
            }
        )
        self.every_alpha = Subsample(design.alpha)
        self.mean_of_alpha = nn.AvgPool3d((design.alpha, 1, 1))

    def pathways(self, slow_NCSHW: Tensor, fast_NCTHW: Tensor) -> tuple[Tensor, Tensor]:
        """The last map of each."""
        for stage in ("stem", *STAGES):
            slow_NCSHW, fast_NCTHW = self.slow[stage](slow_NCSHW), self.fast[stage](fast_NCTHW)
            if stage in self.lateral:
                slow_NCSHW = torch.cat([slow_NCSHW, self.lateral[stage](fast_NCTHW)], dim=1)
        return slow_NCSHW, fast_NCTHW

    def forward(self, frames_NCTHW: Tensor) -> Tensor:
        """A run of frames to one map: the slow frames, beside each the mean of the fast ones from it to the next."""
        slow_NCSHW, fast_NCTHW = self.pathways(self.every_alpha(frames_NCTHW), frames_NCTHW)
        return torch.cat([slow_NCSHW, self.mean_of_alpha(fast_NCTHW)], dim=1)


def _stages(design: Design, *, slow: bool) -> Iterator[tuple[str, nn.Sequential]]:
    share = 1 if slow else THIN
    channels_in = 64
    for stage, depth, width in zip(STAGES, DEPTHS[design.depth], WIDTHS, strict=True):
        dilated = design.detection and stage == "res5"
        temporal = design.temporal_blocks if stage == "res4" and design.temporal_blocks is not None else depth
        blocks: OrderedDict[str, nn.Module] = OrderedDict()
        for index in range(depth):
            looks_along_time = index < temporal and (not slow or stage in ("res4", "res5"))
            taken = width // share if index else _entering(channels_in, slow=slow)
            stride = 2 if index == 0 and stage != "res2" and not dilated else 1
            blocks[str(index)] = Bottleneck(
                taken, width // share, 3 if looks_along_time else 1, stride, 2 if dilated else 1
            )
            if slow and stage == "res4" and index in design.nonlocal_after:
                blocks[f"nonlocal{index}"] = NonLocal(width, width // 2)
        yield stage, nn.Sequential(blocks)
        channels_in = width


def _entering(width: int, *, slow: bool) -> int:
    """Channels that enter a stage; the slow pathway has those of the lateral connection beside its own."""
    return width + LATERAL_RATIO * width // THIN if slow else width // THIN


class SlowFast(Backbone):
    """Frames to class logits, densely one step a slow frame; with non-local blocks clip by clip."""

    trunk: Trunk

    def __init__(self, design: Design, class_names: tuple[str, ...] | None = None) -> None:
        super().__init__()
        self.design = design
        names = class_names or (ava() if design.detection else kinetics400())
        channels = WIDTHS[-1] + WIDTHS[-1] // THIN
        self.trunk = Trunk(design)
        self.head: nn.Module | None = None if design.detection else nn.Linear(channels, len(names))
        self.contract = _contract(design, names, channels, self.trunk)

    def encode(self, clips_NCTHW: Tensor | Sequence[Tensor]) -> Encoded:
        """Of fast frames (N, 3, T, H, W), the slow ones taken from among them; or of [slow, fast] frames."""
        slow_NCSHW, fast_NCTHW = clips_NCTHW if not isinstance(clips_NCTHW, Tensor) else (None, clips_NCTHW)
        if slow_NCSHW is None:
            index = slow_index(fast_NCTHW.shape[2], self.design.alpha)
            slow_NCSHW = fast_NCTHW.index_select(2, torch.tensor(index, device=fast_NCTHW.device))
        maps = self.trunk.pathways(slow_NCSHW, fast_NCTHW)
        map_NC1HW = torch.cat([one.mean(dim=2, keepdim=True) for one in maps], dim=1)
        return Encoded(map_NC1HW.mean(dim=(2, 3, 4)), map_NC1HW)

    def blocks(self) -> list[nn.Module]:
        """A stage of both pathways each, with what leads from the fast one to the slow one after it."""
        parts = (self.trunk.slow, self.trunk.fast, self.trunk.lateral)
        return [nn.ModuleList([part[stage] for part in parts if stage in part]) for stage in ("stem", *STAGES)]

    def load(self, path: Path) -> None:
        """Raises WeightsError if the file holds another network."""
        checkpoints.load_file(self, path)

    def key_in(self, layout: str, key: str) -> str:
        """Where a checkpoint of that layout keeps what our state dict calls `key`."""
        return key_in(layout, key, detection=self.design.detection)


class SlowFastDetection(SlowFast):
    """SlowFast that classifies what is inside boxes."""

    def __init__(self, design: Design, class_names: tuple[str, ...] | None = None, *, aligned: bool = False) -> None:
        """`aligned` shifts boxes by half a cell: pytorchvideo's weights do without, PySlowFast's R50 ones want it."""
        super().__init__(design, class_names)
        contract = self.contract
        assert contract.map_stride is not None
        self.roi_head = RoiHead(
            contract.feature_channels, len(contract.class_names), map_stride=contract.map_stride, aligned=aligned
        )

    def forward(self, clips_NCTHW: Tensor | Sequence[Tensor], boxes_M5: Tensor) -> Tensor:  # type: ignore[override]
        """Scores (M, K) of boxes (clip index, x1, y1, x2, y2 in pixels) at the middle of their clips, each 0..1."""
        scores_MK: Tensor = self.roi_head(self.encode(clips_NCTHW).map_NCSHW[:, :, 0], boxes_M5).sigmoid()
        return scores_MK


def slow_index(frames: int, alpha: int) -> list[int]:
    """Which fast frames of a clip the slow pathway sees: evenly from first to last, as PySlowFast takes them."""
    return torch.linspace(0, frames - 1, frames // alpha).long().tolist()


def _contract(design: Design, names: tuple[str, ...], channels: int, trunk: Trunk) -> Contract:
    dense = not design.nonlocal_after
    view = view_of(trunk) if dense else window_view(design.clip_frames, design.clip_frames // 4)
    return Contract(
        rate=15.0,  # every second frame of 30 a second
        short_side=256,
        clip_frames=design.clip_frames,
        stride=view.stride,
        dense=dense,
        halo_before=view.halo_before,
        halo_after=view.halo_after,
        square=False,
        size_multiple=32,
        map_stride=16 if design.detection else 32,
        feature_channels=channels,
        class_names=names,
        mean=(0.45, 0.45, 0.45),
        std=(0.225, 0.225, 0.225),
    )

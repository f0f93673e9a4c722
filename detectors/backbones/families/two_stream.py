"""Two streams: one sees a frame, the other how everything moves, and their scores are averaged.

Simonyan and Zisserman, NeurIPS 2014, arXiv 1406.2199. Shape letters: N clips, C channels, T frames, H rows, W columns.
"""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from detectors.backbones.contract import Contract, Criterion, Encoded, mean_of_steps
from detectors.backbones.families.averaged_scores import AveragedScores
from detectors.backbones.families.early_fusion import widen
from detectors.backbones.families.family import CLIP_FRAMES, Family, family_contract, names_or_kinetics
from detectors.backbones.families.flow import check_flow, network_input
from detectors.backbones.families.image_network import image_network as make_images


class TwoStream(Family):
    """An image network on single frames, and one whose first convolution takes the stacked flow: 2 (T - 1) channels."""

    head: AveragedScores

    def __init__(
        self,
        *,
        class_names: tuple[str, ...] | None = None,
        image_network: str = "resnet18",
        image_state: Mapping[str, Tensor] | None = None,
        clip_frames: int = CLIP_FRAMES,
        flow: str = "dis",
    ) -> None:
        super().__init__()
        check_flow(flow)
        self.flow = flow
        names = names_or_kinetics(class_names)
        self.spatial, self.temporal = (make_images(image_network, image_state) for _ in range(2))
        widen(self.temporal, 2 * (clip_frames - 1), keep=image_state is not None)
        width = self.spatial.channels
        self.head = AveragedScores({"spatial": width, "temporal": width}, len(names))
        self.contract = family_contract(
            names, channels=2 * width, map_stride=self.spatial.stride, clip_frames=clip_frames
        )

    def encode(self, clips_NCTHW: Tensor) -> Encoded:
        """Clips of the contract's length only."""
        maps = self._spatial_map(clips_NCTHW).mean(dim=2), self._temporal_map(clips_NCTHW)
        map_NC1HW = torch.cat(maps, dim=1)[:, :, None]
        return Encoded(mean_of_steps(map_NC1HW), map_NC1HW)

    def losses(self, criterion: Criterion, labels_N: Tensor, *inputs: Tensor) -> dict[str, Tensor]:
        """Each stream must tell the class alone, the spatial one by every frame."""
        (clips_NCTHW,) = inputs
        frames_NTC = self._spatial_map(clips_NCTHW).mean(dim=(3, 4)).transpose(1, 2)
        of_frames_NTK = self.head.streams["spatial"](frames_NTC)
        of_clips_NK = self.head.streams["temporal"](self._temporal_map(clips_NCTHW).mean(dim=(2, 3)))
        return {
            "spatial": criterion(of_frames_NTK.flatten(0, 1), labels_N.repeat_interleave(frames_NTC.shape[1])),
            "temporal": criterion(of_clips_NK, labels_N),
        }

    def blocks(self) -> list[nn.Module]:
        """A stage of both streams each."""
        return side_by_side(self.spatial.stages, self.temporal.stages)

    def _spatial_map(self, clips_NCTHW: Tensor) -> Tensor:
        return self.spatial.of_frames(clips_NCTHW)

    def _temporal_map(self, clips_NCTHW: Tensor) -> Tensor:
        """(N, C, h, w)."""
        map_NCHW: Tensor = self.temporal(stacked_flow(self.flow, clips_NCTHW, self.contract))
        return map_NCHW


def stacked_flow(name: str, clips_NCTHW: Tensor, contract: Contract) -> Tensor:
    """Flow (N, 2 (T - 1), H, W) of normalised clips: x and y to the second frame, then to the third, and so on.

    From each flow its mean over the picture is taken: what the camera does (section 3.1 of the paper).
    """
    flow_N2THW = network_input(name, clips_NCTHW, contract)
    still_N2THW = flow_N2THW - flow_N2THW.mean(dim=(3, 4), keepdim=True)
    return still_N2THW.transpose(1, 2).flatten(1, 2)


def side_by_side(*streams: Iterable[nn.Module]) -> list[nn.Module]:
    """The first stages of all streams, then the second ones, and so on, as far as they have weights."""
    stages = [nn.ModuleList(stage) for stage in zip(*streams, strict=True)]
    return [stage for stage in stages if next(stage.parameters(), None) is not None]

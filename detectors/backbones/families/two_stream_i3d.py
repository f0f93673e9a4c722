"""Two-stream I3D: inflated networks on frames and on flow, their scores averaged (CVPR 2017, arXiv 1705.07750).

Shape letters: N clips, C channels, T frames, S steps, H rows, W columns.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from detectors.backbones.contract import Criterion, Encoded, mean_of_steps
from detectors.backbones.families.averaged_scores import AveragedScores
from detectors.backbones.families.family import CLIP_FRAMES, Family, family_contract, names_or_kinetics
from detectors.backbones.families.flow import check_flow, network_input
from detectors.backbones.families.fresh_weights import begin_afresh
from detectors.backbones.families.image_network import image_network as make_images
from detectors.backbones.families.inflate import inflate
from detectors.backbones.families.two_stream import side_by_side

FLOW_CHANNELS = 2


class TwoStreamI3D(Family):
    """Run clip by clip: flow is no layer that could go along a recording."""

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
        of_frames, of_flow = (make_images(image_network, image_state) for _ in range(2))
        self.spatial, self.temporal = inflate(of_frames), inflate(of_flow)
        take_flow(self.temporal)
        if image_state is None:
            begin_afresh(self.spatial)
            begin_afresh(self.temporal)
        width = of_frames.channels
        self.head = AveragedScores({"spatial": width, "temporal": width}, len(names))
        self.contract = family_contract(names, channels=2 * width, map_stride=of_frames.stride, clip_frames=clip_frames)

    def encode(self, clips_NCTHW: Tensor) -> Encoded:
        """The last flow stands for the last frame too, which has no next one, so that both streams have T frames."""
        flow_N2THW = network_input(self.flow, clips_NCTHW, self.contract)
        flow_N2THW = torch.cat([flow_N2THW, flow_N2THW[:, :, -1:]], dim=2)
        map_NCSHW = torch.cat([self.spatial(clips_NCTHW), self.temporal(flow_N2THW)], dim=1)
        return Encoded(mean_of_steps(map_NCSHW), map_NCSHW)

    def losses(self, criterion: Criterion, labels_N: Tensor, *inputs: Tensor) -> dict[str, Tensor]:
        """Each stream must tell the class alone."""
        return self.head.losses(criterion, labels_N, self.encode(*inputs).features_NC)

    def blocks(self) -> list[nn.Module]:
        """A stage of both streams each."""
        return side_by_side(self.spatial, self.temporal)


def take_flow(trunk: nn.Module) -> None:
    """Let the first convolution take two channels instead of 3; both have the mean of the weights that there are."""
    first = next(module for module in trunk.modules() if isinstance(module, nn.Conv3d))
    with torch.no_grad():
        mean = first.weight.mean(dim=1, keepdim=True) * (first.in_channels / FLOW_CHANNELS)
        first.weight = nn.Parameter(mean.repeat(1, FLOW_CHANNELS, 1, 1, 1))
    first.in_channels = FLOW_CHANNELS

"""The person detector of the frozen graph `person_ssdlite`: small and quick, and to be had from the package index.

Shape letters: N pictures, H rows, W columns, A anchors, K candidates, M people of one picture.
"""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from detectors.persons.contract import PersonDetector, PictureSize
from detectors.persons.ssd_boxes import decode, grid_anchors, suppress
from detectors.persons.ssdlite import SIDE, SsdLite, cell_anchors
from detectors.persons.ssdlite_weights import CODE_SCALES, IOU_THRESHOLD, LEAST_SCORE, MOST, PERSON, load_graph


class SsdLitePerson(PersonDetector):
    """Finds at most 100 people; pictures of another size than 300 x 300 are squashed to it."""

    picture = PictureSize(SIDE, None, square=True)

    def __init__(self) -> None:
        super().__init__()
        self.network = SsdLite()
        levels = zip(self.network.trunk.maps, cell_anchors(), strict=True)
        self.anchors_A4 = np.concatenate([grid_anchors(cells, *anchors) for (_, cells), anchors in levels])

    def load(self, path: Path) -> None:
        load_graph(self.network, path)

    def detect(self, pictures_NHWC: Tensor, min_score: float) -> list[tuple[Tensor, Tensor]]:
        """Always in float32: bfloat16 changes scores by up to 0.03, and there is little to save.

        What it gives lies on the CPU: from candidates on the work is small, and no two pictures' alike.
        """
        with torch.autocast(pictures_NHWC.device.type, enabled=False):
            codes_NA4, logits_NA2 = self.network(pictures_NHWC)
        codes_NA4, scores_NA = codes_NA4.cpu(), logits_NA2[..., PERSON].sigmoid().cpu()
        return [self._people(*one, min_score) for one in zip(codes_NA4.numpy(), scores_NA.numpy(), strict=True)]

    def _people(self, codes_A4: np.ndarray, scores_A: np.ndarray, min_score: float) -> tuple[Tensor, Tensor]:
        likely = scores_A > max(min_score, LEAST_SCORE)
        boxes_K4, scores_K = decode(codes_A4[likely], self.anchors_A4[likely], CODE_SCALES), scores_A[likely]
        picks = suppress(boxes_K4, scores_K, iou_threshold=IOU_THRESHOLD, most=MOST)
        boxes_M4, scores_M = boxes_K4[picks].clip(0, 1), scores_K[picks]
        seen = (boxes_M4[:, 2:] > boxes_M4[:, :2]).all(axis=1)  # else it is beyond the border
        return torch.from_numpy(boxes_M4[seen]), torch.from_numpy(scores_M[seen])

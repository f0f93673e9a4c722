"""What a step of training of the anchor-free detector minimises: focal loss of classes, DIoU of spans (ActionFormer).

Shape letters: N sequences, P points, G ground truths, K classes.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from detectors.temporal.anchor_free import AnchorFree, points_of
from training.batch import Batch
from training.losses import distance_iou, sigmoid_focal

# A point so near to an action's middle, in strides of its level, learns it (FCOS's centre sampling).
CENTRE_STRIDES = 1.5
REACH = (2.0, 4.0)  # strides from a point to the farther end, that its level is for; the finest takes all below


def anchor_free_losses(network: AnchorFree, batch: Batch, class_weights_K: Tensor) -> dict[str, Tensor]:
    """Losses by name, a mean over the points that stand for an action."""
    points = network(batch.features_NCS, batch.shown_N1S)
    assert points.shown_NP is not None
    logits_NPK, distances_NP2 = points.logits_NPK.float(), points.distances_NP2.float()
    truths = [assign_points(batch.features_NCS.shape[2], network.strides, spans_G2) for spans_G2 in batch.spans]
    truth_NP = torch.stack([truth_P for truth_P, _ in truths])
    positive_NP = (truth_NP >= 0) & points.shown_NP
    wanted_NPK, weights_NPK = torch.zeros_like(logits_NPK), torch.ones_like(logits_NPK)
    for row, labels_G in enumerate(batch.labels):
        own = positive_NP[row].nonzero()[:, 0]
        labels = labels_G[truth_NP[row, own]]
        wanted_NPK[row, own, labels] = 1.0
        weights_NPK[row, own, labels] = class_weights_K[labels]
    count = positive_NP.sum().clamp(min=1)
    focal_NPK = sigmoid_focal(logits_NPK, wanted_NPK) * weights_NPK
    distances = torch.stack([distances_P2 for _, distances_P2 in truths]).to(distances_NP2)
    return {
        "class": focal_NPK[points.shown_NP].sum() / count,
        "span": distance_iou(distances_NP2[positive_NP], distances[positive_NP]).sum() / count,
    }


def assign_points(num_steps: int, strides: Sequence[int], spans_G2: Tensor) -> tuple[Tensor, Tensor]:
    """The ground truth (P,) that each point stands for, -1 for none, and the distances (P, 2) to its ends in strides.

    A point stands for an action if it is near its middle and the farther end is as far as its level is for; of several
    for the shortest.
    """
    at_P, strides_P = (one.to(spans_G2) for one in points_of(num_steps, strides))
    if not len(spans_G2):
        return torch.full_like(at_P, -1, dtype=torch.int64), torch.zeros(len(at_P), 2).to(spans_G2)
    distances_PG2 = torch.stack([at_P[:, None] - spans_G2[:, 0], spans_G2[:, 1] - at_P[:, None]], dim=2)
    farther_PG = distances_PG2.amax(dim=2) / strides_P[:, None]
    near_PG = (at_P[:, None] - spans_G2.mean(dim=1)).abs() <= CENTRE_STRIDES * strides_P[:, None]
    low_P = torch.where(strides_P == min(strides), 0.0, REACH[0])
    high_P = torch.where(strides_P == max(strides), torch.inf, REACH[1])
    fits_PG = (distances_PG2.amin(dim=2) > 0) & near_PG
    fits_PG &= (farther_PG >= low_P[:, None]) & (farther_PG < high_P[:, None])
    lengths_PG = torch.where(fits_PG, spans_G2[:, 1] - spans_G2[:, 0], torch.inf)
    shortest_P = lengths_PG.argmin(dim=1)
    truth_P = torch.where(fits_PG.any(dim=1), shortest_P, -1)
    own_P2 = distances_PG2[torch.arange(len(at_P), device=at_P.device), shortest_P] / strides_P[:, None]
    return truth_P, own_P2

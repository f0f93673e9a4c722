"""Losses of detectors in time, as plain functions of tensors.

Shape letters: M rows, K classes; spans and distances (M, 2).
"""

import torch
from torch import Tensor
from torch.nn import functional


def sigmoid_focal(logits_MK: Tensor, targets_MK: Tensor, *, alpha: float = 0.25, gamma: float = 2.0) -> Tensor:
    """Focal loss (M, K) of independent classes (RetinaNet, arXiv 1708.02002); targets may lie between 0 and 1."""
    probability_MK = logits_MK.sigmoid()
    entropy_MK = functional.binary_cross_entropy_with_logits(logits_MK, targets_MK, reduction="none")
    miss_MK = probability_MK * (1 - targets_MK) + (1 - probability_MK) * targets_MK
    weight_MK = alpha * targets_MK + (1 - alpha) * (1 - targets_MK)
    return weight_MK * miss_MK**gamma * entropy_MK


def weighted_cross_entropy(logits_MK: Tensor, labels_M: Tensor, class_weights_K: Tensor) -> Tensor:
    """Weighted mean over the rows, 0 if there is none; the last logit is background, which weighs 1."""
    weights = torch.cat([class_weights_K, class_weights_K.new_ones(1)])
    total = functional.cross_entropy(logits_MK, labels_M, weight=weights, reduction="sum")
    return total / weights[labels_M].sum().clamp(min=torch.finfo(weights.dtype).eps)


def distance_iou(found_M2: Tensor, wanted_M2: Tensor) -> Tensor:
    """1 - DIoU (M,) (arXiv 1911.08287) in one dimension, of spans given as distances from a point to start and stop."""
    inter_M = torch.minimum(found_M2, wanted_M2).sum(1)
    union_M = found_M2.sum(1) + wanted_M2.sum(1) - inter_M
    hull_M = torch.maximum(found_M2, wanted_M2).sum(1)
    centres_apart_M = 0.5 * ((found_M2[:, 1] - found_M2[:, 0]) - (wanted_M2[:, 1] - wanted_M2[:, 0]))
    smallest = torch.finfo(found_M2.dtype).eps
    return 1 - inter_M / union_M.clamp(min=smallest) + (centres_apart_M / hull_M.clamp(min=smallest)) ** 2

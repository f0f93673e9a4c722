"""What each kind of network minimises, by the name of its localizer, and how much a class counts.

Shape letters: G ground truths, K classes.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from training.anchor_free import anchor_free_losses
from training.batch import Batch
from training.step_probe import step_probe_losses
from training.temporal_rcnn import rcnn_losses

# (network, batch, class weights (K,)) to losses by name, whose sum is minimised
OBJECTIVES: dict[str, Callable[[Any, Batch, Tensor], dict[str, Tensor]]] = {
    "anchor_free": anchor_free_losses,
    "temporal_rcnn": rcnn_losses,
    "step_probe": step_probe_losses,
}

MOST_FOR_RARE = 5.0  # times that a rare class may count more


def class_weights(labels_G: np.ndarray, num_classes: int, *, balance: bool) -> Tensor:
    """Weights (K,) of mean 1 over the ground truths; rare classes weigh more, by the root of how rare they are."""
    counts_K = np.maximum(np.bincount(labels_G, minlength=num_classes), 1)
    weights_K = np.minimum(np.sqrt(counts_K.max() / counts_K), MOST_FOR_RARE) if balance else np.ones(num_classes)
    return torch.from_numpy(weights_K * counts_K.sum() / (weights_K * counts_K).sum()).float()

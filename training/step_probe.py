"""What a step of training of the linear probe minimises: the classes of single steps.

Shape letters: N sequences, S steps, G ground truths, K classes.
"""

import torch
from torch import Tensor

from detectors.temporal.step_probe import StepProbe
from training.batch import Batch
from training.losses import weighted_cross_entropy


def step_probe_losses(network: StepProbe, batch: Batch, class_weights_K: Tensor) -> dict[str, Tensor]:
    """Cross entropy over the shown steps; where actions overlap a step is the last one's."""
    logits_NSK = network(batch.features_NCS, batch.shown_N1S).float()
    background = logits_NSK.shape[2] - 1
    labels_NS = torch.full(logits_NSK.shape[:2], background, device=logits_NSK.device)
    middles_S = torch.arange(logits_NSK.shape[1], device=logits_NSK.device) + 0.5
    for row, (spans_G2, labels_G) in enumerate(zip(batch.spans, batch.labels, strict=True)):
        for (start, stop), label in zip(spans_G2, labels_G, strict=True):
            labels_NS[row, (middles_S >= start) & (middles_S < stop)] = label
    shown_NS = batch.shown_N1S[:, 0]
    return {"class": weighted_cross_entropy(logits_NSK[shown_NS], labels_NS[shown_NS], class_weights_K)}

"""What a step of training of the two-stage detector minimises: four losses, as Faster R-CNN has them.

Shape letters: N sequences, C channels, S steps, A anchor scales, M anchors or spans, G ground truths, K classes.
"""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from detectors.temporal.proposals import MIN_STEPS, best_proposals, spans_from
from detectors.temporal.spans import encode, span_iou
from detectors.temporal.temporal_rcnn import Stream, TemporalRCNN, anchors_of
from training.anchors import assign, sample
from training.batch import Batch
from training.losses import weighted_cross_entropy

ANCHORS, ANCHOR_SHARE = 256, 0.5  # sampled of a sequence, and how many of them may be positive
SPANS, SPAN_SHARE = 128, 0.25
PROPOSALS = 2000
OFFSET_SCALE = torch.tensor([10.0, 5.0])  # R-CNN's weights of centre and length, so that small errors still count


def rcnn_losses(network: TemporalRCNN, batch: Batch, class_weights_K: Tensor) -> dict[str, Tensor]:
    """Losses by name; those of several streams are summed, since each learns as if it were alone."""
    totals: dict[str, Tensor] = {}
    for stream, features_NCS in network.by_stream(batch.features_NCS):
        for name, loss in _stream_losses(stream, network.scales, features_NCS, batch, class_weights_K).items():
            totals[name] = totals[name] + loss if name in totals else loss
    return totals


def _stream_losses(
    stream: Stream, scales: tuple[int, ...], features_NCS: Tensor, batch: Batch, class_weights_K: Tensor
) -> dict[str, Tensor]:
    embedded_NCS = stream.embedded(features_NCS, batch.shown_N1S)
    logits_NSA, offsets_NSA2 = stream.anchors(embedded_NCS, batch.shown_N1S)
    anchors_SA2 = anchors_of(features_NCS.shape[2], scales).to(features_NCS)
    anchor_losses, found = [], []
    for logits_SA, offsets_SA2, shown_S, num_steps, truth_G2 in zip(
        logits_NSA.float(),
        offsets_NSA2.float(),
        batch.shown_N1S[:, 0],
        batch.num_steps_N.tolist(),
        batch.spans,
        strict=True,
    ):
        anchors_M2 = anchors_SA2[shown_S].flatten(0, 1)  # one whose middle lies outside of the sequence is none
        logits_M, offsets_M2 = logits_SA[shown_S].flatten(), offsets_SA2[shown_S].flatten(0, 1)
        anchor_losses.append(_anchor_losses(logits_M, offsets_M2, anchors_M2, truth_G2))
        found.append(_proposals(logits_M.detach(), offsets_M2.detach(), anchors_M2, num_steps))
    pooled_from_NCS = stream.for_spans(embedded_NCS, batch.shown_N1S)
    names, spans = _span_losses(stream, pooled_from_NCS, found, batch, class_weights_K)
    anchorness, anchor_offsets = (torch.stack(column).mean() for column in zip(*anchor_losses, strict=True))
    return {"anchor": anchorness, "anchor_span": anchor_offsets, "class": names, "span": spans}


def _proposals(logits_M: Tensor, offsets_M2: Tensor, anchors_M2: Tensor, num_steps: int) -> Tensor:
    spans_M2 = np.clip(spans_from(anchors_M2, offsets_M2), 0, num_steps)
    best_M2, _ = best_proposals(spans_M2, logits_M.cpu().numpy(), min_length=MIN_STEPS, limit=PROPOSALS)
    return torch.from_numpy(best_M2).to(offsets_M2)


def _anchor_losses(logits_M: Tensor, offsets_M2: Tensor, anchors_M2: Tensor, truth_G2: Tensor) -> tuple[Tensor, Tensor]:
    """Of anchorness and offsets, in one sequence."""
    assigned_M = assign(span_iou(anchors_M2, truth_G2), positive=0.7, negative=0.3, best_counts=True)
    positives, negatives = sample(assigned_M, count=ANCHORS, positive_share=ANCHOR_SHARE)
    rows = torch.cat([positives, negatives])
    wanted = torch.cat([torch.ones_like(logits_M[positives]), torch.zeros_like(logits_M[negatives])])
    anchorness = functional.binary_cross_entropy_with_logits(logits_M[rows], wanted, reduction="sum")
    targets = encode(anchors_M2[positives], truth_G2[assigned_M[positives]])
    return anchorness / max(1, len(rows)), _offset_loss(offsets_M2[positives], targets)


def _span_losses(
    stream: Stream, pooled_from_NCS: Tensor, found: list[Tensor], batch: Batch, class_weights_K: Tensor
) -> tuple[Tensor, Tensor]:
    """Of classes and offsets, over the spans sampled of all sequences; the ground truths are proposals too."""
    num_classes = stream.span_head.num_classes
    sequence, spans, labels, targets = [], [], [], []
    for row, (truth_G2, labels_G) in enumerate(zip(batch.spans, batch.labels, strict=True)):
        proposals_M2 = torch.cat([found[row], truth_G2])
        assigned_M = assign(span_iou(proposals_M2, truth_G2), positive=0.5, negative=0.5, best_counts=False)
        positives, negatives = sample(assigned_M, count=SPANS, positive_share=SPAN_SHARE)
        rows = torch.cat([positives, negatives])
        sequence.append(torch.full_like(rows, row))
        spans.append(proposals_M2[rows])
        labels.append(torch.cat([labels_G[assigned_M[positives]], torch.full_like(negatives, num_classes)]))
        targets.append(encode(proposals_M2[positives], truth_G2[assigned_M[positives]]))
    labels_M = torch.cat(labels)
    logits_MK, offsets_MK2 = stream.classify(pooled_from_NCS, torch.cat(sequence), torch.cat(spans), batch.num_steps_N)
    logits_MK, offsets_MK2 = logits_MK.float(), offsets_MK2.float()
    named = weighted_cross_entropy(logits_MK, labels_M, class_weights_K)
    is_action_M = labels_M < num_classes
    own_offsets_M2 = offsets_MK2[is_action_M].gather(1, labels_M[is_action_M][:, None, None].expand(-1, 1, 2))[:, 0]
    return named, _offset_loss(own_offsets_M2, torch.cat(targets))


def _offset_loss(found_M2: Tensor, wanted_M2: Tensor) -> Tensor:
    """Smooth L1, 0 where there is nothing to compare."""
    scale = OFFSET_SCALE.to(found_M2.device)
    total = functional.smooth_l1_loss(found_M2 * scale, wanted_M2 * scale, reduction="sum")
    return total / max(1, len(found_M2))
